"""CUDA graphs: torch's own kernels in half precision, with a whole step of the stream launched as one. For NVIDIA GPUs.

Nothing is compiled, so it plays at once. Not run on hardware yet.
"""

import torch

from pipeline.accelerators.attention import with_attention
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.precision import TYPES, InPrecision, type_of
from pipeline.accelerators.torch_engines import autoencoder_graphs, on_device, torch_engines
from pipeline.models import Model


def build(model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """Prepare the model's own modules on the GPU, channels last, in float16 unless another precision is asked for."""
    progress, device = preparation.progress, torch.device("cuda")
    precision = preparation.precision or "float16"
    dtype = type_of(precision, tuple(TYPES), "CUDA")
    unet = None
    if preparation.engine is None:
        progress("loading the network", 0.1)
        unet = on_device(InPrecision(model.unet, dtype), device)
        unet = with_attention(unet, preparation.attention, dtype, device)
    progress("loading the autoencoder", 0.6)
    encoder, decoder = autoencoder_graphs(model, dtype, device)
    preparation.meanwhile()
    progress("ready", 1.0)
    return torch_engines(unet, encoder, decoder, shapes, precision, device, preparation.sizes)
