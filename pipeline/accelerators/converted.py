"""OpenVINO's form of a model's graphs, converted from torch once and kept on disk, verified whenever it is read."""

import hashlib
import json
import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openvino
import platformdirs
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import nn

from pipeline.accelerators.engines import Progress, Shapes
from pipeline.graphs import REVISION, DecoderGraph, DenoiserGraph, EncoderGraph, TimestepGraph
from pipeline.models import Model

NAMES = ("timesteps", "denoiser", "encoder", "decoder")
DIGESTS = "digests.json"

Graphs = dict[str, Any]
"""An ``openvino.Model`` for each of `NAMES`; batch dimensions of the first two are dynamic."""


def converted(core: Any, model: Model, shapes: Shapes, progress: Progress, cache: Path | None) -> Graphs:
    """The four graphs, from the cache where they are whole there, else converted and put there.

    A cache that can't be written costs the next start its speed, and is said through `progress`; nothing else.
    """
    cache = cache or Path(platformdirs.user_cache_dir("streamflow-live")) / "openvino"
    entry = cache / _key(model, shapes)
    if entry.is_dir():
        if _whole(entry):
            progress("reading the converted network", 0.3)
            return {name: core.read_model(entry / f"{name}.xml") for name in NAMES}
        progress(f"{entry} is damaged; converting the network again", 0.0)
    graphs = _convert(model, shapes, progress)
    try:
        _keep(graphs, entry)
    except OSError as error:
        progress(f"the converted network can't be kept in {cache} ({error}); the next start converts again", 0.4)
    return graphs


def _key(model: Model, shapes: Shapes) -> str:
    parts = [model.fingerprint, repr(shapes), REVISION, *map(version, ("openvino", "torch", "diffusers"))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _whole(entry: Path) -> bool:
    """Whether every file is there as it was written. OpenVINO itself reads a changed weights file without a word."""
    try:
        digests = json.loads((entry / DIGESTS).read_text())
        names = {f"{name}{suffix}" for name in NAMES for suffix in (".xml", ".bin")}
        return isinstance(digests, dict) and set(digests) == names and all(
            _digest(entry / name) == digest for name, digest in digests.items()
        )  # fmt: skip
    except (OSError, ValueError):
        return False


def _keep(graphs: Graphs, entry: Path) -> None:
    """Writes beside the entry and renames, so that a start that is cut short leaves nothing to be read."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix="new-", dir=entry.parent))
    try:
        for name, graph in graphs.items():
            openvino.save_model(graph, aside / f"{name}.xml", compress_to_fp16=False)
        (aside / DIGESTS).write_text(json.dumps({path.name: _digest(path) for path in sorted(aside.iterdir())}))
        shutil.rmtree(entry, ignore_errors=True)
        aside.rename(entry)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _convert(model: Model, shapes: Shapes, progress: Progress) -> Graphs:
    progress("loading the network", 0.0)
    unet, autoencoder = model.unet, model.autoencoder
    timesteps, latents = torch.tensor([1000.0, 500.0]), torch.zeros(2, *shapes.latent)
    embeds = torch.zeros(2, *shapes.embeds)
    project = TimestepGraph(unet)
    with torch.no_grad():
        projected = project(timesteps)
        progress("converting the network", 0.1)
        denoiser = _graph(
            DenoiserGraph(unet, fold=True),
            (latents, projected, embeds),
            [[-1, *shapes.latent], [-1, projected.shape[1]], [-1, *shapes.embeds]],
        )
        progress("converting the autoencoder", 0.3)
        pixels = (1, shapes.height, shapes.width, 3)
        return {
            "timesteps": _graph(project, (timesteps,), [[-1]]),
            "denoiser": denoiser,
            "encoder": _graph(
                EncoderGraph(autoencoder, fold=True), (torch.zeros(pixels, dtype=torch.uint8),), [[*pixels]]
            ),
            "decoder": _graph(DecoderGraph(autoencoder, fold=True), (latents[:1],), [[1, *shapes.latent]]),
        }


def _graph(graph: nn.Module, example: tuple[torch.Tensor, ...], shapes: list[list[int]]) -> Any:
    with warnings.catch_warnings():
        # The tracer warns of every shape that Python looked at; the graphs are held against eager torch by tests.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(graph.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
    # The frontend itself and not openvino.convert_model, which takes three times as long (a second trace to check the
    # first, transformations that the compiler does again) and reports its use over the network from a child process.
    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchScriptPythonDecoder(traced, example_input=example)  # must outlive the conversion
    converted_graph = frontend.convert(frontend.load(decoder))
    types = {torch.float32: openvino.Type.f32, torch.uint8: openvino.Type.u8}
    for parameter, shape, tensor in zip(converted_graph.get_parameters(), shapes, example, strict=True):
        parameter.set_partial_shape(openvino.PartialShape(shape))
        parameter.set_element_type(types[tensor.dtype])
    converted_graph.validate_nodes_and_infer_types()
    return converted_graph
