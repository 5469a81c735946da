"""Pictures drawn twice: by a whole diffusers pipeline, one at a time, and by the stream, several in flight."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from pipeline.conditioning import Conditioning, ConditioningShape, EncodedText
from pipeline.denoiser import Denoiser
from pipeline.guidance import Guidance
from pipeline.noise import ENTRY, unit_noise
from pipeline.schedule import FlowSchedule
from pipeline.stream import StreamPipeline
from presets.frame_parameters import NoiseWeight

TOLERANCE = 1e-4
"""How far a latent of the stream may lie from the pipeline's."""
HEARD = 100 * TOLERANCE
"""How far another prompt must move it, or the comparison would say little."""


class Order(NamedTuple):
    """One picture to be drawn."""

    steps: int
    text: int
    seed: int
    guidance: float = 1.0
    strength: float = 1.0


def words(text: int, shape: ConditioningShape) -> Conditioning:
    """Random embeddings, a mask that hides some of the tokens and a pooled vector, as `shape` asks for."""
    generator = torch.Generator().manual_seed(100 + text)
    tokens = shape.embeds[0]

    def one() -> EncodedText:
        embeds = torch.randn(shape.embeds, generator=generator)
        counted = int(torch.randint(1, tokens, (), generator=generator))
        mask = (torch.arange(tokens) <= counted).float() if shape.masked else None
        pooled = torch.randn(shape.pooled, generator=generator) if shape.pooled else None
        return EncodedText(embeds, mask, pooled)

    return Conditioning(one(), one())


def start(order: Order, shape: tuple[int, int, int]) -> torch.Tensor:
    """The noise ``[1, C, h, w]`` that the picture grows from."""
    return unit_noise(order.seed, ENTRY, shape)[None]


def source(order: Order, shape: tuple[int, int, int]) -> torch.Tensor:
    """The clean latent ``[1, C, h, w]`` of an image-to-image picture."""
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(900 + order.seed))


class Streamed(NamedTuple):
    """What came out of a stream."""

    latents: list[torch.Tensor]
    mixed: int
    """The most different timesteps that stood in one call."""


def drawn(
    denoiser: Denoiser,
    orders: Sequence[Order],
    schedule: Callable[[Order], FlowSchedule],
    *,
    latent_shape: tuple[int, int, int],
    conditioning: ConditioningShape,
    embedded_guidance: bool = False,
    pictures: bool = False,
    slots: int = 4,
) -> Streamed:
    """All orders through one stream, one admitted a step while a slot is free; latents ``[1, C, h, w]`` in order.

    Of noise alone or, with `pictures`, of each order's `source`.
    """
    mixed = 0

    def watched(latents: torch.Tensor, timesteps: torch.Tensor, rows: object) -> torch.Tensor:
        nonlocal mixed
        mixed = max(mixed, len(timesteps.unique()))
        return denoiser(latents, timesteps, rows)  # type: ignore[arg-type]

    stream = StreamPipeline(
        watched,
        slots=slots,
        latent_shape=latent_shape,
        conditioning=conditioning,
        sizes=(3, 5, 2 * slots),
        embedded_guidance=embedded_guidance,
    )
    waiting, out = list(enumerate(orders)), dict[object, torch.Tensor]()
    while waiting or stream.in_flight:
        if waiting and stream.free:
            index, order = waiting.pop(0)
            stream.admit(
                source(order, latent_shape)[0] if pictures else None,
                schedule(order),
                words(order.text, conditioning),
                guidance=Guidance(order.guidance),
                noise=(NoiseWeight(order.seed),),
                ticket=index,
            )
        out |= {ticket: latent[None].clone() for latent, ticket in stream.step()}
    return Streamed([out[index] for index in range(len(orders))], mixed)


def farthest(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference of two latents."""
    assert one.shape == other.shape
    return float((one - other).abs().max())
