"""Eager torch, on an NVIDIA GPU if torch sees one, else on the CPU. Tests compare every other accelerator with it."""

import copy
from functools import partial

import torch

from pipeline.accelerators.attention import with_attention
from pipeline.accelerators.engines import Engines, Preparation, Shapes, left_out
from pipeline.accelerators.precision import (
    TYPES,
    CastNetwork,
    autoencoder_type,
    dtype_of,
    torch_denoisers,
    torch_network,
)
from pipeline.denoiser import Denoiser
from pipeline.graphs import DecoderGraph, EncoderGraph
from pipeline.models import Model


def available_device() -> torch.device:
    """Return the device that eager torch runs on here."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build(model: Model, shapes: Shapes, preparation: Preparation) -> Engines:
    """Prepare the model's own modules, for every batch size.

    The default precision is float32, on a GPU too, and without TF32 (`pipeline.torch_settings.disable_tf32`), because
    other accelerators are compared with it.

    Threads are torch's on the CPU, a setting of the whole process; None leaves them unchanged.
    """
    progress = preparation.progress
    if preparation.threads is not None:
        torch.set_num_threads(preparation.threads)
    device = available_device()
    precision = preparation.precision or "float32"
    dtype = dtype_of(precision, tuple(TYPES), "eager torch")
    denoiser: Denoiser = left_out
    outer: Denoiser | None = None
    if preparation.engine is None:
        progress("loading the network", 0.1)
        network = torch_network(model, shapes, dtype, device)
        attend = partial(with_attention, name=preparation.attention, dtype=dtype, device=device)
        denoiser, outer = torch_denoisers(network, shapes, attend)
    progress("loading the autoencoder", 0.6)
    # A copy where it is converted or moved in place: other accelerators need the model's own in float32.
    as_it_is = dtype == torch.float32 and device.type == "cpu"
    autoencoder = model.autoencoder if as_it_is else copy.deepcopy(model.autoencoder)
    encoder, decoder = EncoderGraph(autoencoder).to(device), DecoderGraph(autoencoder).to(device)
    encoder.encoder, decoder.decoder = (
        CastNetwork(each, autoencoder_type(model, dtype)) for each in (encoder.encoder, decoder.decoder)
    )

    @torch.inference_mode()
    def encode(pixels: torch.Tensor) -> torch.Tensor:
        latent: torch.Tensor = encoder(pixels.to(device))
        return latent

    @torch.inference_mode()
    def decode(latent: torch.Tensor) -> torch.Tensor:
        pixels: torch.Tensor = decoder(latent)
        return pixels.cpu()

    preparation.meanwhile()
    progress("ready", 1.0)
    sizes = tuple(range(1, shapes.most_rows + 1))
    any_size = device.type == "cpu"
    return Engines(denoiser, encode, decode, sizes, device, precision, outer=outer, any_size=any_size)
