"""ONNX files of a model's networks, exported once and cached. Each network has an entry of its own in the cache, so
that an interrupted export continues with the next network."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from pipeline.accelerators import cache, eight_bits
from pipeline.accelerators.calibration import calibration_rows
from pipeline.accelerators.engine_key import EngineKey, package_versions
from pipeline.accelerators.engines import Progress, Shapes
from pipeline.accelerators.onnx_export import OPSET, export
from pipeline.accelerators.precision import autoencoder_overflows
from pipeline.accelerators.released_networks import forget_networks, return_memory
from pipeline.graphs import REVISION, DecoderGraph, EncoderGraph, precise
from pipeline.models import Model
from presets.build import EIGHT_BITS
from presets.errors import CacheError

PARTS = ("encoder", "decoder", "denoiser")
FILE = "graph.onnx"
"""Name of the ONNX file in its cache entry. Large weights are in a second file beside it."""

INPUT_NAMES = {"encoder": ("pixels",), "decoder": ("latents",)}
"""Input names of encoder and decoder. Those of the denoiser are `Shapes.row_inputs`, float32 in every precision."""


@contextlib.contextmanager
def exported_files(
    model: Model,
    shapes: Shapes,
    progress: Progress,
    root: Path | None = None,
    precision: str = "float32",
    parts: Sequence[str] = PARTS,
) -> Iterator[dict[str, Path]]:
    """Yield the ONNX file of each of `parts`, exporting those that are not in the cache.

    The files exist as long as the context is open. If the cache can't be written, the files are temporary, and
    `progress` receives the reason.

    Raises:
        ModelError: a network can't be loaded or exported.
        AcceleratorUnavailable: a network in 8 bits can't be made.
    """
    root = cache.root_folder(root)
    with contextlib.ExitStack() as stack:
        files: dict[str, Path] = {}
        # Another process may remove an entry while the next one is exported; then it is exported again.
        while absent := [part for part in parts if part not in files or not files[part].is_file()]:
            part = absent[0]
            fraction = parts.index(part) / len(parts)
            in_precision = precision_of(precision, part, autoencoder_overflows(model))
            key = _key(model, shapes, in_precision, part)
            entry, reason = cache.lookup(root, key)
            if entry is None:
                if reason:
                    progress(f"{root / key.folder} is damaged; exporting the {part} again: {reason}", fraction)
                progress(f"exporting the {part}", fraction)
                write = _writer(model, shapes, progress, root, in_precision, part)
                try:
                    made_for = f"{model.name}{model.adapters.words} {shapes.width}x{shapes.height}"
                    entry = cache.store(root, key, write, made_for)
                except CacheError as error:
                    progress(f"{error} The next start exports again.", fraction)
                    entry = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamflow-live-")))
                    write(entry)
                if part == parts[-1]:  # the denoiser, the largest
                    forget_networks(model)
                    return_memory()
            files[part] = entry / FILE
        yield files


def _key(model: Model, shapes: Shapes, precision: str, part: str) -> EngineKey:
    latent = f"latent {'x'.join(map(str, shapes.inputs if part == 'denoiser' else shapes.latent))}"
    return EngineKey(
        accelerator="onnx",
        version=f"opset {OPSET}, {package_versions(*packages_of(precision))}",
        part=part,
        weights=model.fingerprint,
        revision=REVISION,
        shapes=f"{latent}, {texts_in_words(shapes)}, any batch" if part == "denoiser" else latent,
        precision=precision,
        adapters=model.adapters.digests if part == "denoiser" else (),
    )


def texts_in_words(shapes: Shapes) -> str:
    """Return the inputs behind latents and timesteps in words."""
    texts = list(shapes.row_inputs.items())[2:]
    return ", ".join(f"{name} {'x'.join(map(str, shape))}".rstrip() for name, shape in texts)


def precision_of(precision: str, part: str, overflows: bool) -> str:
    """Return the precision of a network where `precision` is asked for: only the denoiser has 8 bits.

    An autoencoder that overflows in float16 has float32 in its place.
    """
    if part == "denoiser":
        return precision
    wider = eight_bits.wider(precision)
    return "float32" if overflows and wider == "float16" else wider


def packages_of(precision: str) -> tuple[str, ...]:
    """Return the packages that the ONNX file of a network in this precision depends on."""
    return ("torch", "onnxscript", "diffusers", *(("nvidia-modelopt",) if precision in EIGHT_BITS else ()))


def _writer(
    model: Model, shapes: Shapes, progress: Progress, root: Path, precision: str, part: str
) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        if precision in EIGHT_BITS:
            _quantise(model, shapes, progress, root, precision, folder)
            return
        # Folded upsampling is a transposed convolution, which TensorRT-RTX does not support in bfloat16.
        graph, example = _graph(model, shapes, part, precision != "bfloat16")
        names = tuple(shapes.row_inputs) if part == "denoiser" else INPUT_NAMES[part]
        export(precise(graph, precision), example, names, folder / FILE, part == "denoiser")

    return write


def _quantise(model: Model, shapes: Shapes, progress: Progress, root: Path, precision: str, folder: Path) -> None:
    """Write the denoiser in 8 bits, from its file in `eight_bits.WIDER`, which is exported if it is not kept."""
    eight_bits.check_installed(precision)
    with exported_files(model, shapes, progress, root, eight_bits.WIDER, ("denoiser",)) as files:
        progress(f"measuring the ranges of the denoiser in {precision}", 0.5)
        # A copy, because the optimiser writes to its source.
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            copied = [Path(shutil.copy(file, scratch)) for file in files["denoiser"].parent.iterdir()]
            external = any(file.suffix == ".data" for file in copied)
            rows = calibration_rows(model, shapes)
            eight_bits.quantise(Path(scratch) / FILE, folder / FILE, precision, rows, external)


def _graph(model: Model, shapes: Shapes, part: str, fold: bool) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """Return the graph of a network with example inputs. A batch of 2 for the denoiser, whose batch is dynamic."""
    if part == "encoder":
        pixels = torch.zeros(1, shapes.height, shapes.width, 3, dtype=torch.uint8)
        return EncoderGraph(model.autoencoder, fold=fold), (pixels,)
    if part == "decoder":
        return DecoderGraph(model.autoencoder, fold=fold), (torch.zeros(1, *shapes.latent),)
    example = {name: torch.zeros(2, *shape) for name, shape in shapes.row_inputs.items()}
    example["timesteps"] += 500.0
    return model.step_graph(shapes.picture, fold), tuple(example.values())
