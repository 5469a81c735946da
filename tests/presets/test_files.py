"""Preset files: their forms, only `PresetError` for any bytes, and an exact round trip."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from presets.build import REBUILD_KEYS
from presets.declaration import LFOS
from presets.errors import PresetError
from presets.files import (
    Preset,
    parse_preset,
    preset_text,
    read_preset,
    write_preset,
)
from presets.lfo_parameters import Lfo
from presets.movement import SHAPES
from presets.parameter_table import LFO_TARGETS, NESTED, PARAMETERS, Parameter
from presets.parameters import Parameters, WeightedPrompt
from presets.preset_keys import KEPT_KEYS, PRESET_KEYS
from presets.processor_parameters import PROCESSORS, ProcessorPlace


def test_preset_has_the_keys_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "ice.yaml"
    path.write_text("description: cold\nprompt:\n  - {text: ice cells, weight: 0.5}\n  - text: smoke\nstrength: 1\n")
    preset = read_preset(path)
    assert (preset.name, preset.description) == ("ice", "cold")
    assert preset.values == {
        "prompt": (WeightedPrompt(text="ice cells", weight=0.5), WeightedPrompt(text="smoke")),
        "strength": 1.0,
    }
    assert type(preset.values["strength"]) is float


def test_one_text_is_a_prompt() -> None:
    addresses = parse_preset(b"prompt: fire\nname: My Fire", "x.yaml").addresses()
    assert addresses["/prompt/1/text"] == "fire"
    assert addresses["/prompt/1/weight"] == 1.0
    assert [addresses[f"/prompt/{place}/text"] for place in (2, 3, 4)] == ["", "", ""]


def test_list_of_texts_is_a_mix() -> None:
    addresses = parse_preset(b"prompt: [red cat, {text: blue dog, weight: 0.5}]", "x.yaml").addresses()
    assert [addresses[f"/prompt/{place}/text"] for place in (1, 2, 3)] == ["red cat", "blue dog", ""]
    assert [addresses[f"/prompt/{place}/weight"] for place in (1, 2)] == [1.0, 0.5]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_encodings_of_windows(encoding: str) -> None:
    text = "prompt: größe 🎛\r\n"
    data = (b"\xff\xfe" if encoding == "utf-16-le" else b"") + text.encode(encoding)
    assert parse_preset(data, "x.yaml").addresses()["/prompt/1/text"] == "größe 🎛"


def test_comments_stay_comments() -> None:
    for text in (
        "prompt: room # five",
        "prompt: room  ## mine",
        "prompt: 'room #5'",
        "prompt: room#5",
        "#5\nprompt: a",
    ):
        assert parse_preset(text.encode(), "x.yaml").addresses()["/prompt/1/text"] in ("room", "room #5", "room#5", "a")


LORAS = {"lora1", "lora2", "lora3", "lora4"}
CONTROLNET = {"controlnet", "controlnet_preprocessor", "controlnet_depth_model"}
IP_ADAPTER = {"ip_adapter", "ip_adapter_encoder"}
FRAMING = {"fit", "zoom", "pan_x", "pan_y", "flip_x", "flip_y"}
MIX = {"source2", "mix_mode", "mix", "key_hue", "key_threshold", "key_softness"}


def test_addresses_leave_out_kept_keys_alone() -> None:
    addresses = parse_preset(b"strength: 0.2\nwidth: 512", "x.yaml").addresses()
    assert addresses["/strength"] == 0.2
    assert addresses["/seed"] == PARAMETERS["/seed"].default
    assert addresses["/prompt/1/text"] == PARAMETERS["/prompt/1/text"].default
    assert addresses["/width"] == 512
    named = {PARAMETERS[address].key for address in addresses}
    assert named == {*PRESET_KEYS} - KEPT_KEYS | {"width"}
    assert {
        "model", "autoencoder", "width", "height", "accelerator", "precision", "attention", "fallback", "engine",
        "reuse",
        *LORAS, *CONTROLNET, *IP_ADAPTER,
    } == REBUILD_KEYS  # fmt: skip
    assert {
        "morph",
        "morph_beats",
        "morph_pictures",
        "max_rate",
        "between",
        "source",
        *FRAMING,
        *MIX,
    } == KEPT_KEYS - REBUILD_KEYS, "set once for every preset that does not name them"
    assert parse_preset(b"morph: 0", "x.yaml").addresses()["/morph"] == 0


def test_model_without_engine_clears_the_engine() -> None:
    assert parse_preset(b"model: /models/other", "x.yaml").addresses()["/engine"] == ""
    assert parse_preset(b"model: /m\nengine: unet.onnx", "x.yaml").addresses()["/engine"] == "unet.onnx"
    assert "/engine" not in parse_preset(b"width: 512", "x.yaml").addresses(), "the engine stays with the model"
    assert "/model" not in parse_preset(b"engine: unet.onnx", "x.yaml").addresses()


def test_autoencoder_of_another_model_goes() -> None:
    """Not every model has both."""
    assert parse_preset(b"model: /models/other", "x.yaml").addresses()["/autoencoder"] == "auto"
    assert parse_preset(b"model: /m\nautoencoder: full", "x.yaml").addresses()["/autoencoder"] == "full"
    assert "/autoencoder" not in parse_preset(b"prompt: ice", "x.yaml").addresses()


def test_reuse_of_another_model_goes() -> None:
    """Not every model has it, and none with a ControlNet."""
    for named in (b"model: /models/other", b"controlnet: /nets/edges"):
        assert parse_preset(named, "x.yaml").addresses()["/reuse"] is False
        assert parse_preset(named + b"\nreuse: true", "x.yaml").addresses()["/reuse"] is True
    assert "/reuse" not in parse_preset(b"prompt: ice", "x.yaml").addresses()


def test_loras_of_another_preset_go() -> None:
    """A preset that names no model and no LoRA keeps both, and one that names either has its own LoRAs alone."""
    addresses = {f"/{key}" for key in LORAS}
    assert not addresses & parse_preset(b"prompt: ice\nlora1_weight: 0.5", "x.yaml").addresses().keys()
    for text in (b"model: /models/other", b"lora3: a.safetensors", b"model: /m\nlora3: a.safetensors"):
        found = parse_preset(text, "x.yaml").addresses()
        assert {address: found[address] for address in addresses} == dict.fromkeys(addresses, "") | (
            {"/lora3": "a.safetensors"} if b"lora3" in text else {}
        )
    assert "/model" not in parse_preset(b"lora3: a.safetensors", "x.yaml").addresses()


def test_controlnet_of_another_preset_goes() -> None:
    """A preset that names neither a model nor a ControlNet keeps the one on air, with its preprocessor."""

    def found(text: bytes) -> dict[str, object]:
        addresses = parse_preset(text, "x.yaml").addresses()
        return {key: addresses[f"/{key}"] for key in sorted(CONTROLNET) if f"/{key}" in addresses}

    assert found(b"prompt: ice\nlora1: a.safetensors\ncontrolnet_scale: 0.5") == {}
    none = {"controlnet": "", "controlnet_preprocessor": "none", "controlnet_depth_model": ""}
    assert found(b"model: /models/other") == none
    assert found(b"controlnet: /nets/tile") == none | {"controlnet": "/nets/tile"}
    assert found(b"controlnet_preprocessor: canny") == {"controlnet_preprocessor": "canny"}
    both = b"model: /m\ncontrolnet: /nets/edges\ncontrolnet_preprocessor: canny"
    assert found(both) == none | {"controlnet": "/nets/edges", "controlnet_preprocessor": "canny"}


def test_ip_adapter_of_another_preset_goes() -> None:
    """A preset that does not name an image has none, and one that names no IP-Adapter keeps the one on air."""
    kept = parse_preset(b"prompt: ice", "x.yaml").addresses()
    assert (kept["/ip_adapter_image"], "/ip_adapter" in kept, "/ip_adapter_encoder" in kept) == ("", False, False)
    for text, file in ((b"model: /m", ""), (b"ip_adapter: /a.safetensors", "/a.safetensors")):
        addresses = parse_preset(text, "x.yaml").addresses()
        assert (addresses["/ip_adapter"], addresses["/ip_adapter_encoder"]) == (file, "")


def test_a_name_alone_is_the_default_preset() -> None:
    assert parse_preset(b"name: plain", "x.yaml").values == {}


def test_text_is_put_on_one_line() -> None:
    preset = parse_preset(b"prompt: |\n  ice\n  cells\n", "x.yaml")
    assert preset.addresses()["/prompt/1/text"] == "ice cells"


@pytest.mark.parametrize(("word", "value"), [("1e-1", 0.1), ("1", 1.0), (".5", 0.5), ("0", 0.0)])
def test_number_formats(word: str, value: float) -> None:
    assert parse_preset(f"strength: {word}".encode(), "x").values["strength"] == value


@pytest.mark.parametrize("word", ["no", "on", "2024-01-01", "1:30", "=", "<<"])
def test_yaml_1_1_words_are_text(word: str) -> None:
    assert parse_preset(f"negative_prompt: {word}".encode(), "x").values["negative_prompt"] == word


def test_byte_order_mark_is_accepted() -> None:
    assert parse_preset(b"\xef\xbb\xbfseed: 3", "x").values == {"seed": 3}


YAML_PARTS = st.sampled_from(
    [*PRESET_KEYS, "text", "weight", "name", ":", ": ", "\n", "\n  ", "- ", "[", "]", "{", "}", ",", "&a ", "*a",
     "!!int ", "!<", "'", '"', "\\x", "\\U00110000", "|", ">", "|9", "#", "---", "...", "%YAML 1.1\n", "%TAG ! x", "?",
     "<<", "~", "\t", "0x", "0o9", "1e", "-.inf", ".nan", "1_0", "\ufeff", "\x85", "\u2028", "\x07", "%YAML 9999.1\n",
     "é"]
)  # fmt: skip


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.lists(YAML_PARTS, max_size=25).map("".join).map(str.encode) | st.binary(max_size=200))
@example(data=b"%YAML " + b"9" * 5000 + b".1\n--- 1")
@example(data=b"- " * 3000)
@example(data=b"[" * 60000)
@example(data=b"? " * 3000)
@example(data=b"{a: " * 2000)
def test_any_bytes_raise_only_preset_error(data: bytes) -> None:
    try:
        preset = parse_preset(data, "fuzz.yaml")
    except PresetError as refused:
        message = str(refused)
    else:
        Parameters.model_validate(dict(preset.values))
        return
    assert all(line.startswith("fuzz.yaml") for line in message.split("\n"))


TEXT = st.text(max_size=60) | st.sampled_from(
    ["1e3", "no", "null", "~", "0o7", "2024-01-01", "- a", "a: b", "#x", "'", ""]
)


def any_value(parameter: Parameter) -> st.SearchStrategy[object]:
    """Return values of a control by its declaration."""
    low, high = parameter.minimum, parameter.maximum
    if parameter.kind == "choice":
        return st.sampled_from(parameter.choices)
    if parameter.kind == "bool":
        return st.booleans()
    if parameter.kind == "text":
        return TEXT.filter(bool) if parameter.key in ("model", "source") else TEXT
    assert low is not None
    assert high is not None
    if parameter.kind == "float":
        return st.floats(low, high)
    step = parameter.multiple_of or 1
    return st.integers(-(-int(low) // step), int(high) // step).map(lambda number: number * step)


FIELDS: dict[str, st.SearchStrategy[object]] = {
    **{each.key: any_value(each) for each in PARAMETERS.values() if each.key in PRESET_KEYS and each.key not in NESTED},
    "prompt": st.lists(st.builds(WeightedPrompt, text=TEXT, weight=st.floats(0, 2)), max_size=4).map(tuple),
    "lfo": st.lists(
        st.builds(
            Lfo,
            target=st.sampled_from(LFO_TARGETS),
            shape=st.sampled_from(sorted(SHAPES)),
            amount=st.floats(-1, 1),
            period=st.floats(0.05, 600),
            timing=st.sampled_from(["beats", "seconds"]),
            phase=st.floats(0, 1),
        ),
        max_size=LFOS,
    ).map(tuple),
    "processor": st.lists(
        st.builds(
            ProcessorPlace,
            name=st.sampled_from(["mirror", "my-trails_2"]),
            active=st.booleans(),
            value1=st.floats(0, 1),
            value4=st.floats(0, 1),
        ),
        max_size=PROCESSORS,
    ).map(tuple),
}


@settings(deadline=None)
@given(
    values=st.fixed_dictionaries({}, optional=FIELDS),
    name=st.text(min_size=1, max_size=100),
    description=TEXT,
)
def test_round_trip(values: dict[str, object], name: str, description: str) -> None:
    preset = Preset(name, description, values)
    assert parse_preset(preset_text(preset).encode(), "x.yaml") == preset


def test_text_is_easy_to_edit() -> None:
    prompt = (WeightedPrompt(text="eis, grün"),)
    text = preset_text(Preset("ice", "cold", {"seed": 3, "strength": 0.5, "prompt": prompt}), stem="ice")
    assert text == "description: cold\nprompt: eis, grün\nstrength: 0.5\nseed: 3\n"


def test_writing_is_atomic(tmp_path: Path) -> None:
    path = tmp_path / "looks" / "ice.yaml"
    write_preset(path, Preset("ice", "", {"seed": 1}))
    write_preset(path, Preset("ice", "", {"seed": 2}))
    assert read_preset(path).values == {"seed": 2}
    assert [file.name for file in path.parent.iterdir()] == ["ice.yaml"]
    (tmp_path / "file").write_text("")
    with pytest.raises(PresetError, match="can't be written"):
        write_preset(tmp_path / "file" / "ice.yaml", Preset("ice"))


def test_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("seed: 1\n")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real.yaml")
    write_preset(tmp_path / "link.yaml", Preset("link", "", {"seed": 5}))
    assert (tmp_path / "link.yaml").is_symlink()
    assert "seed: 5" in (tmp_path / "real.yaml").read_text()


def test_processors_are_names_or_mappings() -> None:
    text = b"processor:\n- mirror\n- {name: trails, active: false, value2: 1}\n"
    preset = parse_preset(text, "x.yaml")
    mirror, trails = preset.values["processor"]
    assert (mirror, trails.name, trails.active, trails.values) == (
        ProcessorPlace(name="mirror"),
        "trails",
        False,
        (0.5, 1.0, 0.5, 0.5),
    )
    assert preset.addresses()["/processor/2/value2"] == 1.0
    assert preset.addresses()["/processor/3/name"] == ""


def test_one_length_of_a_morph_counts() -> None:
    addresses = parse_preset(b"morph_beats: 4", "x.yaml").addresses()
    assert [addresses[f"/{key}"] for key in ("morph", "morph_beats", "morph_pictures")] == [0.0, 4.0, 0]
