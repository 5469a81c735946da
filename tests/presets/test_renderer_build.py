"""`Build` follows the declaration, and comes out of JSON as it went in."""

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presets.build import PERMISSIONS, REBUILD_KEYS, Build
from presets.declaration import Effect
from presets.parameter_table import PARAMETERS, Value, snapshot
from presets.parameters import Parameters
from presets.rebuild_parameters import RebuildParameters

LIMITS: dict[str, Any] = {
    "threads": 3,
    "skip_memory_check": True,
    "gpu_share": 0.5,
    "text_encoder": "free",
    "slots": 2,
    "cache": Path("/cache"),
    "capability": "8.9",
}


def another(address: str) -> Value:
    """Return a value that is not the default."""
    parameter = PARAMETERS[address]
    if parameter.kind == "choice":
        return next(choice for choice in parameter.choices if choice != parameter.default)
    if isinstance(parameter.default, bool):
        return not parameter.default
    if isinstance(parameter.default, int | float):
        return parameter.default + (parameter.multiple_of or 1)
    return "another"


def test_rebuild_effect_belongs_to_build() -> None:
    declared = {parameter.key for parameter in PARAMETERS.values() if parameter.effect is Effect.REBUILD}
    assert declared == REBUILD_KEYS, "declare what starts a renderer in RebuildParameters, and nothing else there"
    assert PERMISSIONS < REBUILD_KEYS


def test_declared_order_is_kept() -> None:
    """Pages, preset files and the OSCQuery tree follow it."""
    keys = list(Parameters.model_fields)
    assert keys[0] == "prompt"
    assert keys[-len(REBUILD_KEYS) :] == list(RebuildParameters.model_fields)


@pytest.mark.parametrize("key", sorted(REBUILD_KEYS - PERMISSIONS))
def test_parameter_makes_another_build(key: str) -> None:
    value = another(f"/{key}")
    build = Build.of(snapshot({f"/{key}": value}))
    assert getattr(build, key) == value
    assert build != Build()
    assert build.values()[f"/{key}"] == value
    assert Build.decode(build.encode()) == build


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_limit_makes_another_build(name: str) -> None:
    build = Build.model_validate({name: LIMITS[name]})
    assert build != Build()
    assert hash(build) != hash(Build())
    assert Build.decode(build.encode()) == build
    assert set(LIMITS) == Build.model_fields.keys() - REBUILD_KEYS, "a limit is missing in LIMITS"


def test_fallback_makes_no_other_build() -> None:
    allowing = Build(fallback=True)
    assert allowing == Build()
    assert hash(allowing) == hash(Build())
    assert Build.decode(allowing.encode()).fallback
    assert "/fallback" not in allowing.values()


def test_values_go_back_through_the_controls() -> None:
    build = Build(model="/models/one", width=512, height=320, accelerator="eager", attention="flash", engine="a.onnx")
    values = {address: PARAMETERS[address].coerce(value) for address, value in build.values().items()}
    assert Build.of(snapshot(values)) == build


def test_eight_bits_stay_with_engines() -> None:
    """Numbers are absent while something plays in place of an engine, until it is built or because it can't be."""
    engine = Build(accelerator="tensorrt_rtx", precision="fp8")
    assert engine.with_accelerator("tensorrt").precision == "fp8"
    assert engine.with_accelerator("auto").precision == "fp8", "auto takes an engine that is built"
    assert engine.with_accelerator("eager") == Build(accelerator="eager")
    half = Build(accelerator="tensorrt_rtx", precision="bfloat16")
    assert half.with_accelerator("eager").precision == "bfloat16"


@given(
    model=st.text(min_size=1, max_size=1000),
    width=st.sampled_from(range(64, 2049, 32)),
    accelerator=st.sampled_from(get_args(RebuildParameters.model_fields["accelerator"].annotation)),
    threads=st.none() | st.integers(1, 128),
    gpu_share=st.none() | st.floats(0.01, 1.0),
)
def test_json_round_trip(
    model: str, width: int, accelerator: Any, threads: int | None, gpu_share: float | None
) -> None:
    build = Build(model=model, width=width, accelerator=accelerator, threads=threads, gpu_share=gpu_share)
    assert Build.decode(build.encode()) == build


@pytest.mark.parametrize("text", ["", "7", "{", '{"width": 65}', '{"colour": 1}', '{"accelerator": "magic"}'])
def test_json_of_no_build_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Build.decode(text)


def test_words_name_model_size_and_accelerator() -> None:
    build = Build(model="/m", width=128, height=64, accelerator="tensorrt_rtx", engine="a.onnx", capability="8.9")
    assert str(build) == "/m at 128x64 with tensorrt_rtx and a.onnx for its network for 8.9"
    assert build.draws_as(build.with_accelerator("eager"))
    assert not build.draws_as(Build(model="/m", width=64, height=64))


def test_words_name_the_autoencoder() -> None:
    build = Build(model="/m", autoencoder="full", width=64, height=64, lora1="ink.safetensors")
    assert str(build) == "/m with its full autoencoder with LoRA ink at 64x64 with auto"
    assert not build.draws_as(build.model_copy(update={"autoencoder": "tiny"}))


def test_words_name_loras() -> None:
    build = Build(model="/m", width=64, height=64, lora1="~/loras/neon.safetensors", lora4="ink.safetensors")
    assert str(build) == "/m with LoRA neon, ink at 64x64 with auto"
    assert build.of_loaded((0.1, 0.2, 0.3, 0.4)) == (0.1, 0.4)
    assert not build.draws_as(build.model_copy(update={"lora4": ""}))


def test_words_name_the_controlnet() -> None:
    build = Build(model="/m", width=64, height=64, controlnet="~/nets/edges", controlnet_preprocessor="canny")
    assert str(build) == "/m with ControlNet edges (canny) at 64x64 with auto"
    for change in ({"controlnet": ""}, {"controlnet_preprocessor": "none"}):
        assert not build.draws_as(build.model_copy(update=change))
    without = build.model_copy(update={"controlnet": ""})
    assert without.draws_as(Build(model="/m", width=64, height=64)), "it has no use for the preprocessor"
    depth = build.model_copy(update={"controlnet_preprocessor": "depth"})
    assert (depth.depth_model, build.depth_model) == ("depth-anything-v2-small", "")
    named = depth.model_copy(update={"controlnet_depth_model": "/nets/depth"})
    assert named.depth_model == "/nets/depth"
    assert not depth.draws_as(named)
    assert build.draws_as(build.model_copy(update={"controlnet_depth_model": "/nets/depth"})), "canny needs none"
    moved = snapshot({"/controlnet_scale": 0.7, "/lora2_weight": 0.4})
    both = build.model_copy(update={"lora2": "a.safetensors"})
    assert [each.numbers(moved, True, True) for each in (both, build, without)] == [(0.4, 0.7), (0.7,), ()]
    assert both.numbers(moved, controlled=False, shows_image=False) == (0.4, 0.0)


def test_words_name_the_ip_adapter() -> None:
    build = Build(model="/m", width=64, height=64, ip_adapter="~/ip-adapter_sd15.safetensors")
    assert str(build) == "/m with IP-Adapter ip-adapter_sd15 at 64x64 with auto"
    assert not build.draws_as(Build(model="/m", width=64, height=64))
    moved = snapshot({"/ip_adapter_scale": 0.7})
    assert [build.numbers(moved, True, shows) for shows in (True, False)] == [(0.7,), (0.0,)]
