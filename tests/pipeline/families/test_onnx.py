"""The ONNX export of every family equals torch, with rows at different timesteps. Compared by polygraphy."""

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
from test_adapters import SHAPE, TOKENS, adapter, inputs
from tiny_networks import unet_network, z_image_network
from torch import nn

from pipeline.accelerators.onnx_export import OUTPUT, export
from pipeline.families.unet import UNetDenoiser
from pipeline.families.z_image import ZImageDenoiser
from pipeline.graphs import FamilyGraph

TOLERANCE = 1e-4
FAMILIES = ["flux", "flux2", "sana", "sd3", "z-image", "unet with all inputs"]
"""The UNet has the size inputs of SDXL and the guidance embedding of LCM at once: one export covers both."""

Feed = OrderedDict[str, NDArray[np.generic]]


class TorchRunner(BaseRunner):  # type: ignore[misc]
    """The graph in torch, with the names of `feed` as its inputs."""

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


@pytest.mark.parametrize("family", FAMILIES)
def test_onnx_equals_torch_at_any_batch(family: str, tmp_path: Path) -> None:
    if family == "unet with all inputs":
        denoiser = UNetDenoiser(unet_network(guidance=32, sizes=True, blocks=1), (64, 64))
    elif family == "z-image":
        denoiser = ZImageDenoiser(z_image_network(layers=1), SHAPE)
    else:
        denoiser = adapter(family)
    if family == "sana":  # two equal layers would only make the export slower
        denoiser.transformer.transformer_blocks = denoiser.transformer.transformer_blocks[:1]
    latents, timesteps, rows = inputs(denoiser, family)
    graph = FamilyGraph(denoiser, TOKENS).eval()
    tensors = (latents, timesteps, *rows.parts().values())
    assert len(timesteps.unique()) == 3
    swapped = (
        part if name == "mask" else part.flip(0) for name, part in zip(graph.names[2:], tensors[2:], strict=True)
    )
    with torch.inference_mode():
        effect = (graph(*tensors) - graph(latents, timesteps, *swapped)).abs().amax((1, 2, 3))
    assert effect[[0, 2]].min() > 100 * TOLERANCE

    path = tmp_path / "network.onnx"
    export(graph, tensors, graph.names, path, True)
    feeds = [feed(graph.names, tensors), feed(graph.names, tensors, slice(2, 3))]
    runners = [OnnxrtRunner(SessionFromOnnx(str(path))), TorchRunner(graph, feeds[0])]
    with G_LOGGER.verbosity(G_LOGGER.ERROR):
        results = Comparator.run(runners, data_loader=feeds)
        assert bool(Comparator.compare_accuracy(results, compare_func=SimpleCompareFunc(atol=TOLERANCE, rtol=0.0)))
