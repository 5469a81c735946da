"""Memory that a model needs on an accelerator, estimated from the headers of its weights. Nothing is loaded.

The factors are those of measurements on a processor with networks of 220 and 860 million weights (``docs/models.md``).
Those of a GPU have not been measured.
"""

from pathlib import Path
from typing import NamedTuple

from pipeline.accelerators import eager
from pipeline.accelerators.candidates import Candidate
from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.accelerators.processor import usable_cores
from pipeline.component_loading import LARGE_TEXT_NETWORKS
from pipeline.models import Model
from pipeline.weight_counts import count_denoiser, count_weights

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float16_sums": 2, "fp8": 1, "int8": 1}
"""Bytes of a weight by precision."""

LIBRARIES = 300_000_000
"""Bytes of the libraries that are imported to load a model, and of buffers."""

WORKING = {"openvino": 0.4, "onnxruntime": 1.3}
"""Share of the weights of a network that its calls and its compiler take, by accelerator."""

TORCH_WORKING = 0.1
"""The same share where torch runs the network."""

CONVERSION = 8
"""Bytes of a weight while OpenVINO's graphs are made: torch's in float32, and the converted one."""

ONNX_EXPORT = 2
"""Copies of the network where torch exports it in the same process, each with ONNX Runtime's working share."""

GPU_LIBRARIES = 500_000_000
"""Bytes of a GPU that CUDA, its libraries and the buffers of a stream take."""


class MemoryNeed(NamedTuple):
    """Bytes that a model needs."""

    main: int
    """Main memory."""
    device: int = 0
    """Memory of the GPU."""


def memory_need(
    model: Model, shapes: Shapes, candidate: Candidate, preparation: Preparation, converts: bool = False
) -> MemoryNeed:
    """Return what `model` needs while it plays, or at its peak while it is converted and plays.

    Args:
        model: The model. Only headers and configurations are read.
        shapes: Shapes that it is prepared for.
        candidate: The way to play it.
        preparation: Settings that it is prepared with.
        converts: True if what the accelerator keeps on disk has to be made first.

    Raises:
        ModelError: a header can't be read.
    """
    main, device = engines_need(model, shapes, candidate, preparation, converts)
    return MemoryNeed(LIBRARIES + _texts(model) + main, GPU_LIBRARIES + device if device else 0)


def engines_need(
    model: Model, shapes: Shapes, candidate: Candidate, preparation: Preparation, converts: bool = False
) -> MemoryNeed:
    """Return what the engines of a model need beside libraries and text encoders. The arguments are as above."""
    name = candidate.accelerator
    has_card = eager.available_device().type == "cuda"
    precision = candidate.precision or preparation.precision or _usual_precision(name, model, has_card)
    network, autoencoder = count_denoiser(model), count_weights(model.weights["vae"]).weights
    engine = _engine_bytes(preparation.engine)
    size = engine or network * BYTES[precision]
    rest = autoencoder * BYTES[precision]
    working = WORKING.get(name, TORCH_WORKING)
    if name == "openvino":
        copies = 0 if engine else _openvino_copies(model, shapes, candidate, preparation)
        converting = CONVERSION * network if converts else 0
        return MemoryNeed(max(converting, round((1 + working) * (copies * size + engine + rest))))
    if name == "mps" or not has_card:
        exports = name == "onnxruntime" and converts and not engine
        return MemoryNeed(round((1 + working) * ((ONNX_EXPORT if exports else 1) * size + rest)))
    return MemoryNeed(max(size, 4 * autoencoder), size + rest)


def _usual_precision(accelerator: str, model: Model, has_card: bool) -> str:
    """Return the precision that an accelerator takes where none is asked for."""
    if accelerator == "openvino":
        from pipeline.accelerators import openvino  # imported only where it plays

        return openvino.precisions(model)[0]
    halves = accelerator in ("cuda_graphs", "mps", "tensorrt", "tensorrt_rtx")
    return "float16" if halves or (has_card and accelerator in ("compile", "onnxruntime")) else "float32"


def _texts(model: Model) -> int:
    """Return the bytes of the text encoders, and of an image encoder beside them. They stay in main memory."""
    total = 0
    for component in (name for name in model.weights if name.startswith("text_encoder")):
        count = count_weights(model.weights[component])
        total += count.stored if model.classes[component] in LARGE_TEXT_NETWORKS else 4 * count.weights
    if (image := model.adapters.ip_adapter) is not None:
        total += 4 * count_weights((image.path, *image.encoder_weights)).weights
    return total


def _openvino_copies(model: Model, shapes: Shapes, candidate: Candidate, preparation: Preparation) -> int:
    """Return the number of networks that OpenVINO compiles, each with a copy of the weights."""
    from pipeline.accelerators import openvino  # imported only where it plays

    threads = candidate.threads or preparation.threads or usable_cores().physical
    return len(openvino.kinds_of(model, shapes, preparation, min(candidate.requests or 2, threads)))


def _engine_bytes(engine: Path | None) -> int:
    """Return the size of a foreign engine; 0 without one, or where it can't be read, which is told later."""
    try:
        return engine.stat().st_size if engine else 0
    except (OSError, ValueError):
        return 0
