"""Engines of modules that torch runs, for accelerators that change how its modules compute and not what."""

from typing import TypeVar

import torch

from pipeline.accelerators.engines import Engines, Shapes, left_out
from pipeline.accelerators.precision import InPrecision
from pipeline.accelerators.transfer import Decoding, Upload
from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.graph_capture import cuda_recorder
from pipeline.graphs import DecoderGraph, EncoderGraph
from pipeline.models import Model

M = TypeVar("M", bound=torch.nn.Module)

EVERY_SIZE = 6
"""Largest row count up to which every batch size is prepared. Above it only even sizes are, since guided frames have
two rows."""


def prepared_sizes(rows: int) -> tuple[int, ...]:
    """Return the batch sizes for up to `rows` rows."""
    return tuple(size for size in range(1, rows + 1) if size <= EVERY_SIZE or size % 2 == 0 or size == rows)


def torch_engines(
    unet: torch.nn.Module | None,
    encoder: EncoderGraph,
    decoder: DecoderGraph,
    shapes: Shapes,
    precision: str,
    device: torch.device,
    sizes: tuple[int, ...] = (),
) -> Engines:
    """Return engines of modules that are on their device. On a GPU steps are captured, and transfers run beside them.

    Args:
        unet: Network from latents, timesteps and embeds to its output; None leaves the denoiser out.
        encoder: Encoder of the autoencoder.
        decoder: Decoder of the autoencoder.
        shapes: Shapes of the engines.
        precision: Precision of the modules.
        device: Device of the modules.
        sizes: Batch sizes of the denoiser; empty is all of `prepared_sizes`.
    """
    pixels = (shapes.height, shapes.width, 3)
    upload = Upload((1, *pixels), torch.uint8, device)

    @torch.inference_mode()
    def encode(source: torch.Tensor) -> torch.Tensor:
        latent: torch.Tensor = encoder(upload(source))
        return latent

    decode = Decoding(torch.inference_mode()(decoder), shapes.latent, pixels, device, depth=shapes.rows)
    return Engines(
        left_out if unet is None else _denoiser(unet),
        encode,
        decode,
        sizes or prepared_sizes(shapes.rows),
        device,
        precision,
        begin_decode=decode.begin,
        recorder=cuda_recorder() if device.type == "cuda" else None,
    )


def _denoiser(unet: torch.nn.Module) -> Denoiser:
    @torch.inference_mode()
    def denoise(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        out: torch.Tensor = unet(latents, timesteps, conditioning.embeds)
        return out

    return denoise


def autoencoder_graphs(model: Model, dtype: torch.dtype, device: torch.device) -> tuple[EncoderGraph, DecoderGraph]:
    """Return the model's autoencoder on `device`, with its networks in `dtype` and the normalisation in float32."""
    encoder, decoder = EncoderGraph(model.autoencoder, fold=True), DecoderGraph(model.autoencoder, fold=True)
    encoder.encoder, decoder.decoder = InPrecision(encoder.encoder, dtype), InPrecision(decoder.decoder, dtype)
    return on_device(encoder, device), on_device(decoder, device)


def on_device(network: M, device: torch.device) -> M:
    """Move a network to the device. On a GPU its weights become channels last, which tensor cores read fastest."""
    network.to(device).eval().requires_grad_(False)
    if device.type == "cuda":
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs leave it out
    return network
