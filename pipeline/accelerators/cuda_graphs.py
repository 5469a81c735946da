"""The CUDA graphs accelerator: torch's kernels in half precision, with each step of the stream launched as one graph.

It needs an NVIDIA GPU. Nothing is compiled, so it starts at once. It has not run on hardware.
"""

import torch

from pipeline.accelerators.attention import with_attention
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.precision import TYPES, CastNetwork, dtype_of
from pipeline.accelerators.torch_engines import autoencoder_graphs, on_device, torch_engines
from pipeline.models import Model


def build(model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """Move the model's networks to the GPU, in channels-last layout. The default precision is float16."""
    progress, device = preparation.progress, torch.device("cuda")
    precision = preparation.precision or "float16"
    dtype = dtype_of(precision, tuple(TYPES), "CUDA")
    unet = None
    if preparation.engine is None:
        progress("loading the network", 0.1)
        unet = on_device(CastNetwork(model.unet, dtype), device)
        unet = with_attention(unet, preparation.attention, dtype, device)
    progress("loading the autoencoder", 0.6)
    encoder, decoder = autoencoder_graphs(model, dtype, device)
    preparation.meanwhile()
    progress("ready", 1.0)
    return torch_engines(unet, encoder, decoder, shapes, precision, device, preparation.sizes)
