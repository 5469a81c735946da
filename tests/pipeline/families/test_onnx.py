"""ONNX is torch for every family, rows at different timesteps in one call: held against each other by polygraphy."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from polygraphy.backend.base import BaseRunner
from polygraphy.backend.onnxrt import OnnxrtRunner, SessionFromOnnx
from polygraphy.common import TensorMetadata
from polygraphy.comparator import Comparator, SimpleCompareFunc
from polygraphy.logger import G_LOGGER
from test_adapters import TOKENS, adapter, inputs
from torch import nn

from pipeline.accelerators.onnx_export import OUTPUT, export
from pipeline.graphs import DecoderGraph, EncoderGraph, FamilyGraph
from pipeline.models import load_model

TOLERANCE = 1e-4
FAMILIES = {"flux": True, "sana": True, "sd3": True, "unet": False, "sdxl": True, "lcm": False}
"""Whether the batch is left free, which takes the exporter twice as long: once a kind of network."""

Feed = OrderedDict[str, NDArray[np.generic]]


class TorchRunner(BaseRunner):  # type: ignore[misc]
    """The graph itself, with its inputs called `names`."""

    def __init__(self, graph: nn.Module, feed: Feed) -> None:
        super().__init__(name="torch")
        self._graph = graph
        self._feed = feed

    def get_input_metadata_impl(self) -> TensorMetadata:
        metadata = TensorMetadata()
        for name, array in self._feed.items():
            metadata.add(name, array.dtype, (-1, *array.shape[1:]))
        return metadata

    @torch.inference_mode()
    def infer_impl(self, feed_dict: Feed) -> Feed:
        self.inference_time = 0.0
        return OrderedDict({OUTPUT: self._graph(*(torch.from_numpy(feed_dict[name]) for name in self._feed)).numpy()})


def feed(names: tuple[str, ...], tensors: tuple[torch.Tensor, ...], rows: slice = slice(None)) -> Feed:
    return OrderedDict((name, part[rows].numpy()) for name, part in zip(names, tensors, strict=True))


def compare(
    graph: nn.Module,
    names: tuple[str, ...],
    tensors: tuple[torch.Tensor, ...],
    path: Path,
    tolerance: float,
    free: bool = True,
) -> None:
    """Exports, and runs all rows and, with a free batch, the last alone; `tolerance` is absolute."""
    export(graph, tensors, names, path, free)
    feeds = [feed(names, tensors), *([feed(names, tensors, slice(2, 3))] if free else [])]
    runners = [OnnxrtRunner(SessionFromOnnx(str(path))), TorchRunner(graph, feeds[0])]
    with G_LOGGER.verbosity(G_LOGGER.ERROR):
        results = Comparator.run(runners, data_loader=feeds)
        assert bool(Comparator.compare_accuracy(results, compare_func=SimpleCompareFunc(atol=tolerance, rtol=0.0)))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_answers_mixed_timesteps_as_torch_does(family: str, tmp_path: Path) -> None:
    denoiser = adapter(family)
    latents, timesteps, rows = inputs(denoiser, family)
    graph = FamilyGraph(denoiser, TOKENS).eval()
    tensors = (latents, timesteps, *(part for part in rows if part is not None))
    assert len(timesteps.unique()) == 3
    another = (latents, timesteps, *(part if name == "mask" else part.flip(0) for name, part in
               zip(graph.names[2:], tensors[2:], strict=True)))  # fmt: skip
    with torch.inference_mode():
        assert (graph(*tensors) - graph(*another)).abs().amax((1, 2, 3))[[0, 2]].min() > 100 * TOLERANCE
    compare(graph, graph.names, tensors, tmp_path / "network.onnx", TOLERANCE, FAMILIES[family])


def test_the_folded_tiny_autoencoder_means_the_same_pixels(tiny_folder: Path, tmp_path: Path) -> None:
    model = load_model(tiny_folder)
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(3, 4, 8, 8, generator=generator)
    pixels = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8, generator=generator)
    for name, graph, tensor, tolerance in (
        ("pixels", EncoderGraph(model.autoencoder, fold=True), pixels, TOLERANCE),
        ("latents", DecoderGraph(model.autoencoder, fold=True), latents, 1.0),
    ):
        with torch.inference_mode():
            out = graph(tensor).float()
        assert (out - out.flip(0)).abs().max() > 5 * tolerance
        compare(graph, (name,), (tensor,), tmp_path / f"{name}.onnx", tolerance)
