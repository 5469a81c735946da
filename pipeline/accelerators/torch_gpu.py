"""Accelerators that run torch's own kernels on a GPU in half precision: CUDA graphs on NVIDIA cards, MPS on Macs.

Nothing is compiled, so they start at once. On an NVIDIA card each step of the stream is launched as one graph. Neither
has run on hardware, and `auto` leaves MPS out until it has been measured on a Mac.
"""

import platform
import sys
from functools import partial
from typing import NamedTuple

import torch

from pipeline.accelerators.attention import with_attention
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.precision import TYPES, dtype_of, torch_network
from pipeline.accelerators.torch_engines import autoencoder_graphs, on_device, torch_engines
from pipeline.models import Model


class TorchGpu(NamedTuple):
    """A kind of GPU that torch knows."""

    title: str
    """Name in messages."""
    device: torch.device

    def build(self, model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
        """Move the model's networks to the GPU. The default precision is float16.

        Raises:
            AcceleratorUnavailable: the precision or the attention is not to be had on this GPU.
        """
        progress = preparation.progress
        precision = preparation.precision or "float16"
        dtype = dtype_of(precision, tuple(TYPES), self.title)
        network = None
        attend = partial(with_attention, name=preparation.attention, dtype=dtype, device=self.device)
        if preparation.engine is None:
            progress("loading the network", 0.1)
            network = on_device(torch_network(model, shapes, dtype, self.device), self.device)
        progress("loading the autoencoder", 0.6)
        encoder, decoder = autoencoder_graphs(model, dtype, self.device)
        preparation.meanwhile()
        progress("ready", 1.0)
        return torch_engines(network, encoder, decoder, shapes, precision, self.device, preparation.sizes, attend)


CUDA = TorchGpu("CUDA", torch.device("cuda"))
MPS = TorchGpu("Metal (MPS)", torch.device("mps"))


def mps_missing() -> str:
    """Return the reason why torch has no Metal GPU here, or an empty text."""
    if torch.backends.mps.is_available():
        return ""
    if sys.platform != "darwin":
        return "it runs on macOS only"
    if not torch.backends.mps.is_built():
        return f"torch {torch.__version__} is built without it"
    return f"macOS {platform.mac_ver()[0]} on {platform.machine()} offers torch no Metal GPU"
