"""Engines from the modules that torch itself runs, for the accelerators that compile or record those modules."""

from collections.abc import Callable
from typing import TypeVar

import torch

from pipeline.accelerators.engines import Engines, Shapes, left_out
from pipeline.accelerators.precision import Attend, CastNetwork, autoencoder_type, plain_attention, torch_denoisers
from pipeline.accelerators.transfer import OverlappedDecoder, Upload
from pipeline.captured_call import CapturedCall
from pipeline.graph_capture import cuda_recorder
from pipeline.graphs import DecoderGraph, EncoderGraph
from pipeline.models import Model

M = TypeVar("M", bound=torch.nn.Module)

EVERY_SIZE = 6
"""Up to this many rows every batch size is prepared, above it the even ones: a guided frame has two rows."""


def prepared_sizes(rows: int) -> tuple[int, ...]:
    """Return the batch sizes to prepare for up to `rows` rows."""
    return tuple(size for size in range(1, rows + 1) if size <= EVERY_SIZE or size % 2 == 0 or size == rows)


def torch_engines(
    network: torch.nn.Module | None,
    encoder: EncoderGraph,
    decoder: DecoderGraph,
    shapes: Shapes,
    precision: str,
    device: torch.device,
    sizes: tuple[int, ...] = (),
    attend: Attend = plain_attention,
) -> Engines:
    """Return engines that call these modules, with overlapped transfers. On a GPU, steps are recorded as CUDA graphs.

    Args:
        network: Result of `precision.torch_network`. None leaves the denoiser out.
        encoder: Turns pixels into a latent.
        decoder: Turns a latent into pixels.
        shapes: Shapes of frames and latents.
        precision: Name of the precision of the modules.
        device: Device that the modules are on already.
        sizes: Batch sizes of the denoiser. Empty takes `prepared_sizes`.
        attend: Puts another attention kernel into a module.
    """
    pixels = (shapes.height, shapes.width, 3)
    upload = Upload((1, *pixels), torch.uint8, device)

    calls, remarks = recorded_autoencoder(encoder, decoder, upload, shapes)
    encode_uploaded, decode_latent = calls

    @torch.inference_mode()
    def encode(source: torch.Tensor) -> torch.Tensor:
        return encode_uploaded(upload(source))

    decode = OverlappedDecoder(
        torch.inference_mode()(decode_latent), shapes.latent, pixels, device, depth=shapes.most_rows
    )
    denoiser, outer = (left_out, None) if network is None else torch_denoisers(network, shapes, attend)
    return Engines(
        denoiser,
        encode,
        decode,
        sizes or shapes.with_most_rows(prepared_sizes(shapes.rows)),
        device,
        precision,
        begin_decode=decode.begin,
        outer=outer,
        recorder=cuda_recorder() if device.type == "cuda" else None,
        remarks=remarks,
    )


Call = Callable[[torch.Tensor], torch.Tensor]


@torch.inference_mode()
def recorded_autoencoder(
    encoder: Call, decoder: Call, upload: Upload, shapes: Shapes
) -> tuple[tuple[Call, Call], tuple[str, ...]]:
    """Return encoder and decoder, on an NVIDIA GPU recorded as CUDA graphs, and what failed about that.

    Each has memory of its own: they run beside the network and beside each other.

    Args:
        encoder: Encodes the memory of `upload`.
        decoder: Decodes a float32 latent ``[1, C, h, w]``.
        upload: Upload of the pictures to encode.
        shapes: Shapes of frames and latents.
    """
    device = upload.on_device.device
    if device.type != "cuda":
        return (encoder, decoder), ()
    encoding = CapturedCall("the encoder", encoder, upload.on_device, cuda_recorder())
    latent = torch.zeros(1, *shapes.latent, device=device)
    decoding = CapturedCall("the decoder", decoder, latent, cuda_recorder())
    return (encoding, decoding), tuple(filter(None, (encoding.problem, decoding.problem)))


def autoencoder_graphs(model: Model, dtype: torch.dtype, device: torch.device) -> tuple[EncoderGraph, DecoderGraph]:
    """Return the model's autoencoder on `device`: its networks in `dtype`, the normalisation around them in float32.

    One that overflows in float16 is computed in float32.
    """
    dtype = autoencoder_type(model, dtype)
    encoder, decoder = EncoderGraph(model.autoencoder, fold=True), DecoderGraph(model.autoencoder, fold=True)
    encoder.encoder, decoder.decoder = CastNetwork(encoder.encoder, dtype), CastNetwork(decoder.decoder, dtype)
    return on_device(encoder, device), on_device(decoder, device)


def on_device(network: M, device: torch.device) -> M:
    """Return the network on `device` in evaluation mode.

    On a GPU it has the channels-last layout, in which tensor cores read the weights of convolutions fastest; that is
    not measured yet. On a processor it gained nothing for UNets (docs/performance.md).
    """
    network.to(device).eval().requires_grad_(False)
    if device.type == "cuda":
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from torch's stubs
    return network
