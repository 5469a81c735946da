"""Speed of the autoencoder by itself: a batch against one by one, and tiny against full."""

import statistics
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.paper.contender import ContenderConfig
from benchmarks.paper.torch_model import TorchModel
from benchmarks.stream.timing import interleaved, synchronize


def measure_batch(config: dict[str, Any], pictures: int, seconds: float) -> dict[str, Any]:
    """Compare one decoder call of `pictures` latents with one call for each, in eager torch."""
    model = TorchModel(ContenderConfig(**config))
    latents = torch.randn(pictures, *model.latent, generator=torch.Generator().manual_seed(1))
    latents = latents.to(model.device, model.dtype)

    def together() -> None:
        model.decode(latents)
        synchronize(model.device)

    def one_by_one() -> None:
        for place in range(pictures):
            model.decode(latents[place : place + 1])
        synchronize(model.device)

    with torch.inference_mode():
        batched, single = interleaved(seconds, together, one_by_one)
    return model.description | {
        "ratio": statistics.median(apart / batch for batch, apart in zip(batched, single, strict=True)),
        "batched_ms_a_picture": statistics.median(batched) * 1000 / pictures,
        "one_by_one_ms_a_picture": statistics.median(single) * 1000 / pictures,
        "rounds": len(batched),
    }


def measure_tiny_and_full(config: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Compare the model's tiny autoencoder with Stable Diffusion's full one: one picture encoded and decoded."""
    shared = ContenderConfig(**config)
    models = [TorchModel(shared._replace(full_autoencoder=full)) for full in (False, True)]
    picture = torch.rand(1, 3, shared.height, shared.width, generator=torch.Generator().manual_seed(1))
    picture = picture.to(models[0].device, models[0].dtype)
    with torch.inference_mode():
        work = [call for model in models for call in _encode_and_decode(model, picture)]
        tiny_in, tiny_out, full_in, full_out = interleaved(seconds, *work)
    rounds = zip(tiny_in, tiny_out, full_in, full_out, strict=True)
    return {
        "precision": shared.precision,
        "device": str(models[0].device),
        "ratio": statistics.median((c + d) / (a + b) for a, b, c, d in rounds),
        "tiny_encode_ms": statistics.median(tiny_in) * 1000,
        "tiny_decode_ms": statistics.median(tiny_out) * 1000,
        "full_encode_ms": statistics.median(full_in) * 1000,
        "full_decode_ms": statistics.median(full_out) * 1000,
        "rounds": len(tiny_in),
    }


def _encode_and_decode(model: TorchModel, picture: torch.Tensor) -> tuple[Callable[[], None], Callable[[], None]]:
    latent = model.encode(picture)

    def encode() -> None:
        model.encode(picture)
        synchronize(model.device)

    def decode() -> None:
        model.decode(latent)
        synchronize(model.device)

    return encode, decode
