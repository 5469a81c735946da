"""The choice of an accelerator: `auto` picks and says why, a named one works or says why it can't."""

import importlib
from typing import NamedTuple

from pipeline.accelerators import eager
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.models import Model
from presets.errors import AcceleratorUnavailable

NAMES = ("auto", "openvino", "eager")


class Chosen(NamedTuple):
    """What was built, under which name, and why that."""

    name: str
    engines: Engines
    why: str


def choose(name: str) -> tuple[str, str]:
    """The accelerator that `name` means here, and why.

    Raises:
        AcceleratorUnavailable: an unknown name, or one that can't work here. Never another in its place.
    """
    if name not in NAMES:
        raise AcceleratorUnavailable(f"There is no accelerator '{name}'; it is one of {', '.join(NAMES)}.")
    if name == "eager":
        return "eager", "asked for"
    missing = _openvino_missing()
    if name == "openvino":
        if missing:
            raise AcceleratorUnavailable(f"OpenVINO can't be used: {missing}. Install it with: pip install openvino")
        return "openvino", "asked for"
    if eager.available_device().type == "cuda":
        return "eager", "torch sees a GPU, and OpenVINO is for processors"
    if missing:
        return "eager", f"OpenVINO, which is faster here, can't be used: {missing}"
    return "openvino", "the fastest on a processor"


def build(name: str, model: Model, shapes: Shapes, preparation: Preparation) -> Chosen:
    """Makes the model ready on the accelerator that `name` means here.

    Raises:
        AcceleratorUnavailable: as in `choose`.
        ModelError: a network of the model can't be loaded.
    """
    name, why = choose(name)
    if name == "eager":
        return Chosen(name, eager.build(model, shapes, preparation), why)
    from pipeline.accelerators import openvino

    return Chosen(name, openvino.build(model, shapes, preparation), why)


def _openvino_missing() -> str:
    """Why OpenVINO can't be used here, or nothing if it can."""
    try:
        openvino = importlib.import_module("openvino")
    except (ImportError, OSError) as error:
        return f"it can't be imported ({error})"
    devices = openvino.Core().available_devices
    return "" if "CPU" in devices else f"it finds no processor it knows, only {devices or 'nothing'}"
