"""Conversion of a model's graphs from torch to OpenVINO, kept on disk and verified when it is read."""

import functools
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import openvino
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import nn

from pipeline.accelerators import cache
from pipeline.accelerators.engine_key import EngineKey, package_versions
from pipeline.accelerators.engines import Progress, Shapes
from pipeline.accelerators.released_networks import forget_networks, return_memory
from pipeline.graphs import REVISION, DecoderGraph, DenoiserGraph, EncoderGraph, FamilyGraph, TimestepGraph
from pipeline.models import Model
from pipeline.reuse.outer_unet import keeping_unet, outer_unet
from pipeline.reuse.reuse_graphs import KeepingGraph, OuterGraph
from presets.errors import CacheError

Graphs = dict[str, Any]
"""An ``openvino.Model`` for each of `names_of`. The batch dimensions of timesteps and denoiser are dynamic."""


@functools.cache
def openvino_core() -> Any:
    """Return the one ``openvino.Core`` of this process, which is never released.

    A Core makes a stack for the signals of the thread that creates it. If another thread releases the Core, that stack
    is unmapped and stays in use: the next signal that Python handles, such as Ctrl-C, crashes the process (seen with
    2026.4.1).
    """
    return openvino.Core()


def names_of(model: Model, shapes: Shapes) -> tuple[str, ...]:
    """Return the names of a model's graphs. ``timesteps`` is left out where the denoiser projects them itself, and
    ``outer``, its outermost blocks, where it keeps no deep features."""
    split = ("timesteps",) if model.splits_timesteps else ()
    outer = () if shapes.kept is None else ("outer",)
    return (*split, "denoiser", *outer, "encoder", "decoder")


def converted(core: Any, model: Model, shapes: Shapes, progress: Progress, root: Path | None) -> Graphs:
    """Return the graphs of `names_of`: from the cache if they are whole there, else converted and kept.

    A cache that can't be written is reported through `progress`, and the next start converts again.
    """
    key, made_for = _key(model, shapes), f"{model.name}{model.adapters.words} {shapes.width}x{shapes.height}"

    def convert() -> Graphs:
        graphs = _convert(model, shapes, progress)
        forget_networks(model)
        return graphs

    return kept_graphs(core, key, names_of(model, shapes), convert, made_for, progress, root)


def kept_graphs(
    core: Any,
    key: EngineKey,
    names: Iterable[str],
    convert: Callable[[], Graphs],
    made_for: str,
    progress: Progress,
    root: Path | None,
) -> Graphs:
    """Return the graphs of a cache entry, converted and kept first where they are missing or damaged.

    Args:
        core: OpenVINO's core, which reads the graphs.
        key: Key of the entry.
        names: Names of the graphs.
        convert: Returns the graphs by name.
        made_for: Model and size, for the list of engines.
        progress: Receives the current work.
        root: Folder of the cache, None for the user's.
    """
    root = cache.root_folder(root)
    entry, reason = cache.lookup(root, key)
    if entry is not None:
        progress("reading the converted network", 0.3)
        try:
            return {name: core.read_model(entry / f"{name}.xml") for name in names}
        except RuntimeError as error:  # removed meanwhile; OpenVINO raises this for a missing file
            if damage := cache.damage(entry, key, thorough=False):
                reason = f"{damage} ({str(error).strip().splitlines()[-1]})"
            else:
                raise
    if reason:
        progress(f"{root / key.folder} is damaged; converting the network again: {reason}", 0.0)
    graphs = convert()
    try:
        entry = cache.store(root, key, lambda folder: _write(graphs, folder), made_for)
        # The files are mapped into memory, which the system frees when it is short. The others hold torch's weights.
        graphs = {name: core.read_model(entry / f"{name}.xml") for name in names}
        return_memory()
    except CacheError as error:
        progress(f"{error} The next start converts again.", 0.4)
    except RuntimeError:  # removed meanwhile, as above
        pass
    return graphs


def is_kept(model: Model, shapes: Shapes, root: Path | None) -> bool:
    """Return True if the conversion is in the cache. Its content is verified when it is read."""
    return (cache.root_folder(root) / _key(model, shapes).folder).is_dir()


def _key(model: Model, shapes: Shapes) -> EngineKey:
    return EngineKey(
        accelerator="openvino",
        version=package_versions("openvino", "torch", "diffusers"),
        part="graphs",
        weights=model.fingerprint,
        revision=REVISION,
        shapes=shapes.key(),
        precision="float32",
        adapters=model.adapters.digests,
    )


def _write(graphs: Graphs, folder: Path) -> None:
    for name, graph in graphs.items():
        try:
            openvino.save_model(graph, folder / f"{name}.xml", compress_to_fp16=False)
        except RuntimeError as error:  # it raises this for a full disk
            raise OSError(f"OpenVINO could not write {name}.xml ({error})") from error


def _convert(model: Model, shapes: Shapes, progress: Progress) -> Graphs:
    progress("loading the network", 0.0)
    autoencoder = model.autoencoder
    with torch.no_grad():
        progress("converting the network", 0.1)
        graphs = _split_denoiser(model, shapes) if model.splits_timesteps else _whole_denoiser(model, shapes)
        progress("converting the autoencoder", 0.3)
        pixels = (1, shapes.height, shapes.width, 3)
        return graphs | {
            "encoder": graph_of(
                EncoderGraph(autoencoder, fold=True), (torch.zeros(pixels, dtype=torch.uint8),), [[*pixels]]
            ),
            "decoder": graph_of(
                DecoderGraph(autoencoder, fold=True), (torch.zeros(1, *shapes.latent),), [[1, *shapes.latent]]
            ),
        }


def _split_denoiser(model: Model, shapes: Shapes) -> Graphs:
    """Return the denoiser, and the projection of timesteps that is computed in float32 in every precision."""
    timesteps = torch.tensor([1000.0, 500.0])
    project = TimestepGraph(model.denoiser)
    projected = project(timesteps)
    latents, _, *others = shapes.row_inputs.values()
    sides = [latents, tuple(projected.shape[1:]), *others]
    example = tuple(projected if place == 1 else torch.zeros(2, *shape) for place, shape in enumerate(sides))
    denoiser = _denoiser_graphs(model, shapes, lambda unet: DenoiserGraph(unet, fold=True), example)
    return {"timesteps": graph_of(project, (timesteps,), [[-1]])} | denoiser


def _whole_denoiser(model: Model, shapes: Shapes) -> Graphs:
    """Return the denoiser of a family whose network projects timesteps itself."""
    example = tuple(torch.zeros(2, *shape) for shape in shapes.row_inputs.values())
    tokens = shapes.embeds[0]
    return _denoiser_graphs(
        model, shapes, lambda network: FamilyGraph(model.adapter(network, shapes.picture), tokens), example
    )


def _denoiser_graphs(
    model: Model, shapes: Shapes, graph: Callable[[nn.Module], nn.Module], example: tuple[torch.Tensor, ...]
) -> Graphs:
    """Return the denoiser, and its outermost blocks where it keeps deep features.

    Args:
        model: The model.
        shapes: Shapes of its inputs.
        graph: Makes a graph of its network.
        example: Inputs of the graph.
    """
    network, free = model.denoiser, [[-1, *tensor.shape[1:]] for tensor in example]
    if shapes.kept is None:
        return {"denoiser": graph_of(graph(network), example, free)}
    kept = torch.zeros(2, *shapes.kept)
    outer = OuterGraph(graph(outer_unet(network)))
    return {
        "denoiser": graph_of(KeepingGraph(graph(keeping_unet(network))), example, free),
        "outer": graph_of(outer, (*example, kept), [*free, [-1, *shapes.kept]]),
    }


def graph_of(graph: nn.Module, example: tuple[torch.Tensor, ...], shapes: list[list[int]]) -> Any:
    """Return a graph of torch as an ``openvino.Model``.

    Args:
        graph: The graph.
        example: Inputs that it is traced with.
        shapes: Shape of each input, -1 for a side of any length.
    """
    with warnings.catch_warnings():
        # The tracer warns of every shape that Python reads. Tests compare the graphs with eager torch.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(graph.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
    # openvino.convert_model takes three times as long: a second trace to check the first, and transformations that the
    # compiler repeats.
    frontend = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchScriptPythonDecoder(traced, example_input=example)  # must outlive the conversion
    converted_graph = frontend.convert(frontend.load(decoder))
    types = {torch.float32: openvino.Type.f32, torch.uint8: openvino.Type.u8, torch.int64: openvino.Type.i64}
    for parameter, shape, tensor in zip(converted_graph.get_parameters(), shapes, example, strict=True):
        parameter.set_partial_shape(openvino.PartialShape(shape))
        parameter.set_element_type(types[tensor.dtype])
    converted_graph.validate_nodes_and_infer_types()
    return converted_graph
