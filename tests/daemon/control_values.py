"""Another value for each declared parameter, by which a test sees its effect on a running show.

A new parameter needs a line in `ANOTHER`, or a test of its own and a place in `SEPARATE`.
"""

from pathlib import Path
from typing import Any

from presets.declaration import LFOS, LOCK, Effect
from presets.lfo_parameters import Lfo
from presets.parameter_table import NESTED, PARAMETERS, Parameter, Value

COLOURS = str(Path(__file__).parents[2] / "docs" / "looks.jpg")
"""An image of many colours."""
SECOND = f"file:{COLOURS}"
"""A second source."""

ANOTHER: dict[str, Value] = {
    "/prompt/1/text": "white ice",
    "/prompt/1/weight": 0.1,
    "/negative_prompt": "fire",
    "/prompt_mix": "spherical",
    "/travel": 2.0,
    "/mode": "text",
    "/strength": 0.4,
    "/structure": 0.2,
    "/steps": 1,
    "/guidance": 6.0,
    "/guidance_kind": "self_negative",
    "/image_guidance": 4.0,
    "/seed": 12345,
    "/seed_to": 12345,
    "/seed_mix": 0.6,
    "/feedback": 0.7,
    "/feedback_zoom": 1.5,
    "/feedback_rotate": 45.0,
    "/feedback_x": 0.3,
    "/feedback_y": 0.3,
    **{f"/lora{place}_weight": 2.0 for place in (1, 2, 3, 4)},
    "/controlnet_scale": 2.0,
    "/ip_adapter_image": COLOURS,
    "/ip_adapter_scale": 2.0,
    **dict.fromkeys(("/canny_low", "/canny_high"), 0.0),
    "/preset": "ice-cells",
    "/zoom": 3.0,
    "/pan_x": 1.0,
    "/pan_y": 1.0,
    "/flip_x": True,
    "/flip_y": True,
    "/source2": SECOND,
    "/mix_mode": "difference",
    "/mix": 1.0,
    "/key_hue": 0.0,
    "/key_threshold": 0.6,
    "/key_softness": 1.0,
    "/blackout": True,
    "/brightness": 0.4,
    "/lfo/1/target": "brightness",
    "/lfo/1/shape": "rise",
    "/lfo/1/amount": -1.0,
    "/lfo/1/period": 0.2,
    "/lfo/1/phase": 0.5,
}
"""Another value for each parameter. The further prompts and LFOs take those of the first."""

DIMMED = {"target": "brightness", "shape": "square", "amount": -1.0, "period": 600.0, "timing": "beats"}
"""Settings of an LFO that hold the brightness at a half for the first 900 seconds of a show at 20 beats a minute."""

CONTEXT: dict[str, dict[str, Any]] = {
    "/negative_prompt": {"guidance": 5.0},
    **{f"/pan_{axis}": {"zoom": 3.0} for axis in ("x", "y")},
    "/mix_mode": {"source2": SECOND, "mix": 1.0},
    "/mix": {"source2": SECOND},
    "/key_hue": {"source2": SECOND, "mix": 1.0, "mix_mode": "chroma_key"},
    **{f"/key_{edge}": {"source2": SECOND, "mix": 1.0, "mix_mode": "luma_key"} for edge in ("threshold", "softness")},
    "/guidance_kind": {"guidance": 6.0},
    **{f"/feedback_{warp}": {"feedback": 0.2} for warp in ("zoom", "rotate", "x", "y")},
    "/seed_to": {"seed_mix": 0.6},
    "/ip_adapter_scale": {"ip_adapter_image": COLOURS, "ip_adapter_scale": 0.5},
    **{
        f"/canny_{each}": {"controlnet_scale": 2.0, "canny_low": 200.0, "source2": SECOND, "mix": 1.0}
        for each in ("low", "high")
    },
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
    "/travel": {"prompt/2/text": "white ice"},
    **{f"/prompt/{place}/weight": {f"prompt/{place}/text": "white ice"} for place in (2, 3, 4)},
    **{
        f"/lfo/1/{field}": {
            "bpm": 20.0,
            **{f"lfo/1/{name}": value for name, value in DIMMED.items() if name not in own},
        }
        for field, own in (("target", ["target"]), ("amount", ["amount"]), ("shape", []), ("period", []), ("phase", []))
    },
}
"""Values that other controls need for this one to have an effect."""

REBUILDS = {address for address, parameter in PARAMETERS.items() if parameter.effect is Effect.REBUILD}
LORAS = ("lora1", "lora2", "lora3", "lora4")
CONTROLNET = ("controlnet", "controlnet_preprocessor", "controlnet_depth_model")
IP_ADAPTER = ("ip_adapter", "ip_adapter_encoder")
REBUILD_ORDER = (
    ("accelerator", "attention", "width", "height"),
    (*LORAS, *CONTROLNET, *IP_ADAPTER),
    ("model",),
    ("engine",),
)
"""Keys that start a renderer, in the order in which `tests/daemon/stage/test_rebuilds.py` changes them."""
PERMISSION = {"/fallback"}
"""Allows another build and is none itself. See `tests/daemon/supervision/test_fallback.py`."""
APART = {"/reuse", "/precision", "/autoencoder"}
"""Start a renderer, and are tested without one. See `tests/pipeline/reuse/test_reused_pictures.py` for the first one,
`test_presets_choose_the_precision` in `tests/pipeline/test_image_stream.py` for the second, and
`tests/pipeline/test_autoencoder_choice.py` for the third."""
PACE = {"/skip", "/skip_longest", "/low_latency", "/frame_buffer", "/max_rate"}
REUSE = {"/reuse_longest", "/reuse_change"}
"""See `tests/pipeline/reuse/test_reused_pictures.py`."""
FRAMES_IN = {"/source", "/fit", "/lost", "/lost_after", "/lost_fade"}
"""Act where frames come in. See `test_show_switches.py`, `test_show_losses.py` and `test_newest_frame.py`."""
PASSAGES = {"/morph", "/morph_beats", "/morph_pictures", "/drift", "/prompt_change"}
TEMPO = {"/bpm", "/lfo/1/timing", "/quantise", "/lfo/1/attack", "/lfo/1/start"}
"""See `test_quantised_show.py` for the third one, `tests/presets/test_movement.py` for those of envelopes."""
FURTHER_LFOS = {f"/lfo/{place}/{field}" for place in range(2, LFOS + 1) for field in Lfo.model_fields}
"""Act as the first one does. See `tests/presets/test_movement.py`."""
PROCESSED = {address for address, parameter in PARAMETERS.items() if parameter.key == "processor"}
"""Need files of processors. See `tests/daemon/stage/test_show_processors.py`."""
SEPARATE = {
    *("/freeze", "/fade", "/between", "/takeover", LOCK),
    *(*PACE, *REUSE, *PASSAGES, *TEMPO, *FURTHER_LFOS, *FRAMES_IN, *PROCESSED),
}
"""Parameters with a test of their own, in `tests/daemon/stage/test_controls.py` where nothing else is said.

The lock has `test_show_lock.py`.
"""


def another_value(parameter: Parameter) -> Value | None:
    """Return another value for a parameter; None if there is none."""
    first = f"/{parameter.key}/1/{parameter.address.rsplit('/', 1)[-1]}" if parameter.key in NESTED else ""
    return ANOTHER.get(parameter.address, ANOTHER.get(first))


def missing_test(parameter: Parameter) -> str:
    """Return what to add where, so that the effect of a parameter is tested; empty if it is tested."""
    address, value = parameter.address, another_value(parameter)
    if parameter.effect is Effect.REBUILD:
        if address in PERMISSION | APART or any(address[1:] in keys for keys in REBUILD_ORDER):
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
