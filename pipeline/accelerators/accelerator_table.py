"""The table of accelerators: names, what each one needs here, and the module that builds with it."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from pipeline.accelerators import eager, onnx_export, tensorrt_library, torch_gpu
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.tensorrt_library import TENSORRT, TENSORRT_RTX
from pipeline.models import Model
from presets.errors import AcceleratorUnavailable


class Accelerator(NamedTuple):
    """A row of `ACCELERATORS`."""

    name: str
    """Name in presets."""
    title: str
    """Name that its makers use."""
    missing: Callable[[], str]
    """Returns the reason why it can't be used here, or an empty text. Called anew for every choice."""
    remedy: str
    """The sentence that says how to mend that."""
    module: str
    """Module with ``build(model, shapes, preparation) -> Engines``, or ``module:object`` for an object that has it. The
    module is imported when the accelerator is chosen.
    A module that keeps what it builds has ``is_kept(model, shapes, preparation)`` as well, and one with a text encoder
    of its own has ``text_encoder(model, preparation)``."""
    ahead: bool = False
    """True if preparing takes minutes and is done ahead of the show. `auto` then needs the engines in the cache."""
    attends: bool = False
    """True if it supports `Preparation.attention`. The others use their own attention kernel."""
    keeps: bool = False
    """True if its denoiser can keep deep features (`pipeline.reuse`)."""

    def build(self, model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
        """Prepare the model. Raises `AcceleratorUnavailable`, for an attention or a reuse that it can't have too."""
        if preparation.attention != "sdpa" and not self.attends:
            heeding = ", ".join(row.name for row in ACCELERATORS.values() if row.attends)
            raise AcceleratorUnavailable(
                f"{self.title} has an attention of its own; attention {preparation.attention} is for {heeding}."
            )
        self.check_reuse(shapes)
        engines: Engines = self._module().build(model, shapes, preparation)
        return engines

    def check_reuse(self, shapes: Shapes) -> None:
        """Raise `AcceleratorUnavailable` if the denoiser is to keep deep features and can't."""
        if shapes.kept is not None and not self.keeps:
            keeping = ", ".join(row.name for row in ACCELERATORS.values() if row.keeps)
            raise AcceleratorUnavailable(
                f"{self.title} can't keep deep features; reuse is for {keeping}. Set reuse to false or use one of them."
            )

    def text_encoder(self, model: Model, preparation: Preparation) -> Any:
        """Return the model's text encoder, for main memory: the accelerator's own, or that of transformers."""
        own = getattr(self._module(), "text_encoder", None)
        return model.text_encoder if own is None else own(model, preparation)

    @property
    def text_engine(self) -> str:
        """Name of what runs the text encoder: the accelerator, or torch."""
        return self.name if hasattr(self._module(), "text_encoder") else "torch"

    def is_kept(self, model: Model, shapes: Shapes, preparation: Preparation) -> bool:
        """Return True if the engine cache holds all that `build` needs, or if it needs nothing from there."""
        kept = getattr(self._module(), "is_kept", None)
        return not self.missing() and (kept is None or bool(kept(model, shapes, preparation)))

    def _module(self) -> Any:
        module, _, name = self.module.partition(":")
        imported = importlib.import_module(module)
        return getattr(imported, name) if name else imported


def _openvino_missing() -> str:
    try:
        importlib.import_module("openvino")
    except (ImportError, OSError) as error:
        return f"it can't be imported ({error})"
    # Imported here: OpenVINO may be missing.
    from pipeline.accelerators.openvino_convert import openvino_core

    devices = openvino_core().available_devices
    return "" if "CPU" in devices else f"it finds no processor it knows, only {devices or 'nothing'}"


def _compile_missing() -> str:
    # Imported here: the compiler takes a second that no other accelerator has to wait for.
    from pipeline.accelerators import compiled

    return compiled.unavailable_reason()


def _onnxruntime_missing() -> str:
    try:
        importlib.import_module("onnxruntime")
    except (ImportError, OSError) as error:
        return f"it can't be imported ({error})"
    return onnx_export.unavailable_reason()


ACCELERATORS = {
    row.name: row
    for row in (
        Accelerator(
            "openvino",
            "OpenVINO",
            _openvino_missing,
            "Install it with: pip install openvino",
            "pipeline.accelerators.openvino",
            keeps=True,
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
            lambda: tensorrt_library.unavailable_reason(TENSORRT),
            TENSORRT.remedy,
            "pipeline.accelerators.tensorrt:CLASSIC",
            ahead=True,
        ),
        Accelerator(
            "tensorrt_rtx",
            TENSORRT_RTX.title,
            lambda: tensorrt_library.unavailable_reason(TENSORRT_RTX),
            TENSORRT_RTX.remedy,
            "pipeline.accelerators.tensorrt:RTX",
            ahead=True,
        ),
        Accelerator("eager", "torch", lambda: "", "", "pipeline.accelerators.eager", attends=True, keeps=True),
        Accelerator(
            "compile",
            "torch.compile",
            _compile_missing,
            "On a processor install g++ or clang++; on a GPU: pip install triton",
            "pipeline.accelerators.compiled",
            attends=True,
            keeps=True,
        ),
        Accelerator(
            "cuda_graphs",
            "CUDA graphs",
            lambda: "" if eager.available_device().type == "cuda" else "torch sees no NVIDIA GPU",
            "`streamflow-live doctor` tells what torch and the driver lack",
            "pipeline.accelerators.torch_gpu:CUDA",
            attends=True,
            keeps=True,
        ),
        Accelerator(
            "mps",
            "Metal (MPS)",
            torch_gpu.mps_missing,
            "Use accelerator openvino or eager",
            "pipeline.accelerators.torch_gpu:MPS",
            attends=True,
            keeps=True,
        ),
    )
}
"""Every accelerator by its name. To add one, add a row here and its name in `presets.parameters.Parameters`."""

NAMES = ("auto", *ACCELERATORS)
