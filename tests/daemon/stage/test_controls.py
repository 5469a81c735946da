"""Every control has an effect: each declared parameter is changed on a running show with the shipped model.

A new parameter needs a line in `ANOTHER`, or a test of its own and a place in `SEPARATE`.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from control_show import SAME, another_model, difference, settled, show_values
from show import Show

from presets.declaration import Effect
from presets.parameter_table import PARAMETERS, Parameter, Value

ANOTHER: dict[str, Value] = {
    "/prompt/1/text": "white ice",
    "/prompt/1/weight": 0.1,
    "/negative_prompt": "fire",
    "/prompt_mix": "spherical",
    "/mode": "text",
    "/strength": 0.4,
    "/steps": 1,
    "/guidance": 6.0,
    "/guidance_kind": "self_negative",
    "/seed": 12345,
    "/seed_to": 12345,
    "/seed_mix": 0.6,
    "/feedback": 0.7,
    "/feedback_zoom": 1.5,
    "/feedback_rotate": 45.0,
    "/feedback_x": 0.3,
    "/feedback_y": 0.3,
    "/preset": "ice-cells",
    "/zoom": 3.0,
    "/pan_x": 1.0,
    "/pan_y": 1.0,
    "/flip_x": True,
    "/flip_y": True,
    "/blackout": True,
    "/brightness": 0.4,
}
"""Another value for each parameter. The further prompts take those of the first."""

CONTEXT: dict[str, dict[str, Any]] = {
    "/negative_prompt": {"guidance": 5.0},
    **{f"/pan_{axis}": {"zoom": 3.0} for axis in ("x", "y")},
    "/guidance_kind": {"guidance": 6.0},
    **{f"/feedback_{warp}": {"feedback": 0.2} for warp in ("zoom", "rotate", "x", "y")},
    "/seed_to": {"seed_mix": 0.6},
    # Far from an even mix, because the model normalises the text and hears the direction alone.
    "/prompt_mix": {
        "mode": "text",
        "steps": 1,
        "guidance": 1.0,
        "prompt/1/text": "candy",
        "prompt/2/text": "toxic halftone",
        "prompt/2/weight": 0.5,
    },
    "/prompt/1/weight": {"prompt/2/text": "white ice"},
    **{f"/prompt/{place}/weight": {f"prompt/{place}/text": "white ice"} for place in (2, 3, 4)},
}
"""Values that other controls need for this one to have an effect."""

REBUILDS = {address for address, parameter in PARAMETERS.items() if parameter.effect is Effect.REBUILD}
REBUILD_ORDER = (("accelerator", "attention", "width", "height"), ("model",), ("engine",))
"""Keys that start a renderer, in the order in which `tests/daemon/stage/test_rebuilds.py` changes them."""
PERMISSION = {"/fallback"}
"""Allows another build and is none itself. See `tests/daemon/supervision/test_fallback.py`."""
PACE = {"/skip", "/skip_longest", "/low_latency", "/frame_buffer", "/max_rate"}
SOURCE = {"/structure", "/image_guidance"}
"""Act in models that see their source."""
FRAMES_IN = {"/source", "/fit", "/lost", "/lost_after", "/lost_fade"}
"""Act where frames come in. See `test_show_switches.py`, `test_show_losses.py` and `test_newest_frame.py`."""
PASSAGES = {"/morph", "/morph_pictures", "/drift", "/prompt_change"}
SEPARATE = {"/freeze", "/fade", "/between", *PACE, *PASSAGES, *SOURCE, *FRAMES_IN}
"""Parameters with a test of their own here or in `tests/daemon/stage/test_paced_controls.py`."""


def another_value(parameter: Parameter) -> Value | None:
    """Return another value for a parameter; None if there is none."""
    first = f"/prompt/1/{parameter.address.rsplit('/', 1)[-1]}" if parameter.key == "prompt" else ""
    return ANOTHER.get(parameter.address, ANOTHER.get(first))


def missing_test(parameter: Parameter) -> str:
    """Return what to add where, so that the effect of a parameter is tested; empty if it is tested."""
    address, value = parameter.address, another_value(parameter)
    if parameter.effect is Effect.REBUILD:
        if address in PERMISSION or any(address[1:] in keys for keys in REBUILD_ORDER):
            return ""
        return (
            f"{address} starts a renderer, and no test shows its effect. In {__file__}, add {address[1:]!r} to"
            " REBUILD_ORDER and to the values that test_rebuilds changes."
        )
    if address in SEPARATE or (value is not None and value != parameter.default):
        return ""
    return (
        f"{address} has no test of its effect. In {__file__}, add this line to ANOTHER:\n"
        f'    "{address}": ...,  # a value that looks different from the default, {parameter.default!r}\n'
        f"or write a test of its own and add {address!r} to SEPARATE."
    )


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=lambda each: each.address)
def test_every_control_has_a_test(parameter: Parameter) -> None:
    assert not missing_test(parameter), missing_test(parameter)


def test_missing_test_names_file_and_line() -> None:
    strength, model = PARAMETERS["/strength"], PARAMETERS["/model"]
    message = missing_test(replace(strength, address="/glitter", key="glitter"))
    assert '/test_controls.py, add this line to ANOTHER:\n    "/glitter": ...,  # a value' in message
    assert "the default, 0.9" in message
    assert "REBUILD_ORDER" in missing_test(replace(model, address="/second_model", key="second_model"))
    assert missing_test(strength) == missing_test(model) == ""


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "parameter",
    [each for each in PARAMETERS.values() if each.address not in SEPARATE | REBUILDS],
    ids=lambda each: each.address,
)
def test_control_changes_the_picture(show: Show, parameter: Parameter) -> None:
    value = another_value(parameter)
    assert value is not None, missing_test(parameter)
    context = CONTEXT.get(parameter.address, {})
    show.set(**context)
    # With feedback, pictures are drawn repeatedly until they converge.
    before = settled(show, drawn=10 if "feedback" in context else 1)
    values = show_values(show)
    show.set(**{parameter.address[1:]: value})
    show.picture(lambda meta, pixels: difference(pixels, before) > SAME)
    show.set(**{address[1:]: old for address, old in values.items() if address != "/preset"})
    show.picture(lambda meta, pixels: difference(pixels, before) < SAME)
    show.set(**{key: PARAMETERS[f"/{key}"].default for key in context})


def model_with_source(folder: Path) -> str:
    """Return the shipped model with further random weights by which it sees its source."""
    import torch
    from safetensors.torch import load_file, save_file

    path = Path(another_model(folder))
    config = json.loads((path / "unet" / "config.json").read_text())
    (weights,) = (path / "unet").glob("*.safetensors")
    tensors = load_file(weights)
    first = tensors["conv_in.weight"]
    if config["in_channels"] == config["out_channels"]:
        tensors["conv_in.weight"] = torch.cat([first, first.flip(1)], 1)
        save_file(tensors, weights, metadata={"format": "pt"})
        (path / "unet" / "config.json").write_text(json.dumps(config | {"in_channels": 2 * config["out_channels"]}))
    return str(path)


@pytest.mark.timeout(240)
def test_source_controls_change_the_picture(show: Show, tmp_path: Path) -> None:
    shipped, drawn = show_values(show)["/model"], settled(show)
    show.set(model=model_with_source(tmp_path))
    show.picture(lambda meta, pixels: difference(pixels, drawn) > SAME)
    for key, value in (("structure", 0.2), ("image_guidance", 4.0)):
        before = settled(show)
        show.set(**{key: value})
        show.picture(lambda meta, pixels, before=before: difference(pixels, before) > SAME)
        show.set(**{key: 1.0})
        show.picture(lambda meta, pixels, before=before: difference(pixels, before) < SAME)
    show.set(model=shipped)
    show.picture(lambda meta, pixels: difference(pixels, drawn) < SAME)
