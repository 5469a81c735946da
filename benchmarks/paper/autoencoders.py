"""Autoencoders by themselves: several pictures in one decoding against one by one, tiny against full."""

import statistics
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.paper.contender import ContenderConfig
from benchmarks.paper.torch_model import TorchModel
from benchmarks.stream.timing import finish, repeat_for, seconds_of


def decode(subject: dict[str, Any], pictures: int, seconds: float) -> dict[str, Any]:
    """So many latents decoded in one call, against as many calls of one, by turns; eager torch, the model's own."""
    held = TorchModel(ContenderConfig(**subject))
    latents = torch.randn(pictures, *held.latent, generator=torch.Generator().manual_seed(1))
    latents = latents.to(held.device, held.dtype)

    def together() -> None:
        held.decoded(latents)
        finish(held.device)

    def one_by_one() -> None:
        for place in range(pictures):
            held.decoded(latents[place : place + 1])
        finish(held.device)

    batched, single = _by_turns(seconds, together, one_by_one)
    return held.description | {
        "ratio": statistics.median(one / all_at_once for all_at_once, one in zip(batched, single, strict=True)),
        "batched_ms_a_picture": statistics.median(batched) * 1000 / pictures,
        "one_by_one_ms_a_picture": statistics.median(single) * 1000 / pictures,
        "rounds": len(batched),
    }


def autoencoder(subject: dict[str, Any], seconds: float) -> dict[str, Any]:
    """A picture encoded and decoded: the model's tiny autoencoder against Stable Diffusion's full one, by turns."""
    asked = ContenderConfig(**subject)
    tiny, full = TorchModel(asked._replace(full_autoencoder=False)), TorchModel(asked._replace(full_autoencoder=True))
    picture = torch.rand(1, 3, asked.height, asked.width, generator=torch.Generator().manual_seed(1))
    picture = picture.to(tiny.device, tiny.dtype)
    work: list[Callable[[], None]] = []
    for held in (tiny, full):
        latent = held.encoded(picture)

        def encoding(held: TorchModel = held) -> None:
            held.encoded(picture)
            finish(held.device)

        def decoding(held: TorchModel = held, latent: torch.Tensor = latent) -> None:
            held.decoded(latent)
            finish(held.device)

        work += [encoding, decoding]
    tiny_in, tiny_out, full_in, full_out = _by_turns(seconds, *work)
    rounds = zip(tiny_in, tiny_out, full_in, full_out, strict=True)
    return {
        "precision": asked.precision,
        "device": str(tiny.device),
        "ratio": statistics.median((c + d) / (a + b) for a, b, c, d in rounds),
        "tiny_encode_ms": statistics.median(tiny_in) * 1000,
        "tiny_decode_ms": statistics.median(tiny_out) * 1000,
        "full_encode_ms": statistics.median(full_in) * 1000,
        "full_decode_ms": statistics.median(full_out) * 1000,
        "rounds": len(tiny_in),
    }


def _by_turns(seconds: float, *work: Callable[[], None]) -> list[list[float]]:
    """The seconds that each took in each round; the first round warms up and is left out."""
    with torch.inference_mode():
        rounds = [[seconds_of(each) for each in work] for _ in repeat_for(seconds, at_least=2)][1:]
    return [list(each) for each in zip(*rounds, strict=True)]
