"""The choice of an accelerator: a table of them; `auto` picks and says why, a named one works or says why it can't."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from pipeline.accelerators import eager, foreign_engine, onnx_export, tensorrt_library
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.tensorrt_library import TENSORRT, TENSORRT_RTX
from pipeline.models import Model
from presets.errors import AcceleratorUnavailable


class Accelerator(NamedTuple):
    """A row of `ACCELERATORS`."""

    name: str
    """As presets have it."""
    title: str
    """As its makers have it."""
    missing: Callable[[], str]
    """Answers why it can't be used here, or nothing if it can. Asked anew for every choice."""
    remedy: str
    """What would mend that: a sentence, whole."""
    module: str
    """Imported when it is chosen, for its ``build(model, shapes, preparation) -> Engines``."""
    ahead: bool = False
    """Whether making it ready takes minutes, ahead of the show: `auto` takes it where all it needs is kept already,
    which the module's ``is_kept(model, shapes, preparation)`` answers."""

    attends: bool = False
    """Whether it heeds `Preparation.attention`; the others have an attention of their own."""

    def build(self, model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
        """Makes the model ready on this one. Raises `AcceleratorUnavailable` for an attention that it can't have."""
        if preparation.attention != "sdpa" and not self.attends:
            heeding = ", ".join(row.name for row in ACCELERATORS.values() if row.attends)
            raise AcceleratorUnavailable(
                f"{self.title} has an attention of its own; attention {preparation.attention} is for {heeding}."
            )
        module: Any = importlib.import_module(self.module)
        engines: Engines = module.build(model, shapes, preparation)
        return engines

    def is_kept(self, model: Model, shapes: Shapes, preparation: Preparation) -> bool:
        """Whether it was made ready ahead of the show."""
        module: Any = importlib.import_module(self.module)
        return not self.missing() and bool(module.is_kept(model, shapes, preparation))


class AcceleratorChoice(NamedTuple):
    """What was built, under which name, and why that."""

    name: str
    engines: Engines
    why: str


def _openvino_missing() -> str:
    try:
        openvino = importlib.import_module("openvino")
    except (ImportError, OSError) as error:
        return f"it can't be imported ({error})"
    devices = openvino.Core().available_devices
    return "" if "CPU" in devices else f"it finds no processor it knows, only {devices or 'nothing'}"


def _compile_missing() -> str:
    # Imported here: the compiler takes a second that no other accelerator has to wait for.
    from pipeline.accelerators import compiled

    return compiled.missing()


def _onnxruntime_missing() -> str:
    try:
        importlib.import_module("onnxruntime")
    except (ImportError, OSError) as error:
        return f"it can't be imported ({error})"
    return onnx_export.missing()


ACCELERATORS = {
    row.name: row
    for row in (
        Accelerator(
            "openvino",
            "OpenVINO",
            _openvino_missing,
            "Install it with: pip install openvino",
            "pipeline.accelerators.openvino",
        ),
        Accelerator(
            "onnxruntime",
            "ONNX Runtime",
            _onnxruntime_missing,
            "Install it with: pip install 'streamflow-live[onnx]'",
            "pipeline.accelerators.onnxruntime",
        ),
        Accelerator(
            "tensorrt",
            TENSORRT.title,
            lambda: tensorrt_library.missing(TENSORRT),
            TENSORRT.remedy,
            "pipeline.accelerators.tensorrt",
            ahead=True,
        ),
        Accelerator(
            "tensorrt_rtx",
            TENSORRT_RTX.title,
            lambda: tensorrt_library.missing(TENSORRT_RTX),
            TENSORRT_RTX.remedy,
            "pipeline.accelerators.tensorrt_rtx",
            ahead=True,
        ),
        Accelerator("eager", "torch", lambda: "", "", "pipeline.accelerators.eager", attends=True),
        Accelerator(
            "compile",
            "torch.compile",
            _compile_missing,
            "On a processor install g++ or clang++; on a GPU: pip install triton",
            "pipeline.accelerators.compiled",
            attends=True,
        ),
        Accelerator(
            "cuda_graphs",
            "CUDA graphs",
            lambda: "" if eager.available_device().type == "cuda" else "torch sees no NVIDIA GPU",
            "`streamflow-live doctor` tells what torch and the driver lack",
            "pipeline.accelerators.cuda_graphs",
            attends=True,
        ),
    )
}
"""Every accelerator by its name. Another one is a row here, and its name in `presets.parameters.Parameters`."""

NAMES = ("auto", *ACCELERATORS)


def choose(name: str) -> tuple[str, str]:
    """The accelerator that `name` means here, and why.

    Raises:
        AcceleratorUnavailable: an unknown name, or one that can't work here. Never another in its place.
    """
    if name == "auto":
        return _automatic()
    row = ACCELERATORS.get(name)
    if row is None:
        raise AcceleratorUnavailable(f"There is no accelerator '{name}'; it is one of {', '.join(NAMES)}.")
    if missing := row.missing():
        raise AcceleratorUnavailable(f"{row.title} can't be used: {missing}. {row.remedy}".rstrip())
    return name, "asked for"


def build(name: str, model: Model, shapes: Shapes, preparation: Preparation) -> AcceleratorChoice:
    """Makes the model ready on the accelerator that `name` means here; its denoiser is the foreign engine, if any.

    Raises:
        AcceleratorUnavailable: as in `choose`.
        ModelError: a network of the model can't be loaded, or the engine can't be its denoiser.
    """
    chosen, why = choose(name)
    if name == "auto":
        built = (row.name for row in ACCELERATORS.values() if row.ahead and row.is_kept(model, shapes, preparation))
        if fastest := next(built, ""):
            chosen, why = fastest, "the fastest on this GPU, and its engines are built"
    engine = preparation.engine
    if engine is not None:
        foreign_engine.reader(engine)  # what can be refused at once is not built for first
    engines = ACCELERATORS[chosen].build(model, shapes, preparation)
    if engine is not None:
        engines = foreign_engine.plug(engine, engines, shapes, preparation.threads)
    return AcceleratorChoice(chosen, engines, why)


def _automatic() -> tuple[str, str]:
    if eager.available_device().type == "cuda":
        return "eager", "torch sees a GPU; cuda_graphs and compile are faster there, and wait to be tried on hardware"
    if missing := ACCELERATORS["openvino"].missing():
        return "eager", f"OpenVINO, which is faster here, can't be used: {missing}"
    return "openvino", "the fastest on a processor"
