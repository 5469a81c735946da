"""Eager torch, on an NVIDIA GPU if torch sees one, else on the CPU. Tests compare every other accelerator with it."""

from typing import Any

import torch

from pipeline.accelerators.attention import with_attention
from pipeline.accelerators.engines import Engines, Preparation, Shapes, left_out
from pipeline.accelerators.precision import TYPES, CastNetwork, dtype_of
from pipeline.denoiser import ConditioningRows, Denoiser
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
    if preparation.engine is None:
        progress("loading the network", 0.1)
        unet = CastNetwork(model.unet.to(device), dtype)
        denoiser = _denoiser(with_attention(unet, preparation.attention, dtype, device))
    progress("loading the autoencoder", 0.6)
    encoder = EncoderGraph(model.autoencoder).to(device)
    decoder = DecoderGraph(model.autoencoder).to(device)
    encoder.encoder, decoder.decoder = (CastNetwork(each, dtype) for each in (encoder.encoder, decoder.decoder))

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
    return Engines(denoiser, encode, decode, sizes, device, precision, any_size=device.type == "cpu")


def _denoiser(unet: Any) -> Denoiser:
    @torch.inference_mode()
    def denoise(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        out: torch.Tensor = unet(latents, timesteps, conditioning.embeds)
        return out

    return denoise
