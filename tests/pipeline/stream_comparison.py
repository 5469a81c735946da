"""Frames drawn twice: by a diffusers pipeline, one at a time, and by the stream, several in flight."""

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
"""Largest difference of a latent between the stream and the pipeline."""
MIN_EFFECT = 100 * TOLERANCE
"""Smallest effect of another prompt or setting. A smaller one would make the comparison meaningless."""


class FrameSettings(NamedTuple):
    """Settings of one frame."""

    steps: int
    text: int
    seed: int
    guidance: float = 1.0
    strength: float = 1.0


def conditioning_for(text: int, shape: ConditioningShape) -> Conditioning:
    """Return random embeddings, and a mask of part of the tokens and a pooled vector if `shape` has them."""
    generator = torch.Generator().manual_seed(100 + text)
    tokens = shape.embeds[0]

    def random_text() -> EncodedText:
        embeds = torch.randn(shape.embeds, generator=generator)
        last = int(torch.randint(1, tokens, (), generator=generator))
        mask = (torch.arange(tokens) <= last).float() if shape.masked else None
        pooled = torch.randn(shape.pooled, generator=generator) if shape.pooled else None
        return EncodedText(embeds, mask, pooled)

    return Conditioning(random_text(), random_text())


def initial_noise(frame: FrameSettings, shape: tuple[int, int, int]) -> torch.Tensor:
    """Return the noise ``[1, C, h, w]`` that the frame starts from."""
    return unit_noise(frame.seed, ENTRY, shape)[None]


def source_latent(frame: FrameSettings, shape: tuple[int, int, int]) -> torch.Tensor:
    """Return the clean latent ``[1, C, h, w]`` of an image-to-image frame."""
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(900 + frame.seed))


class StreamRun(NamedTuple):
    """Output of a stream."""

    latents: list[torch.Tensor]
    max_timesteps: int
    """Most distinct timesteps in one call."""


def draw_in_stream(
    denoiser: Denoiser,
    frames: Sequence[FrameSettings],
    schedule: Callable[[FrameSettings], FlowSchedule],
    *,
    latent_shape: tuple[int, int, int],
    conditioning: ConditioningShape,
    embedded_guidance: bool = False,
    img2img: bool = False,
    slots: int = 4,
) -> StreamRun:
    """Draw all frames in one stream, with one admission a step while a slot is free.

    Args:
        denoiser: The network.
        frames: The frames, in order.
        schedule: Function from a frame to its schedule.
        latent_shape: ``(C, h, w)``.
        conditioning: Shape of the texts.
        embedded_guidance: True if guidance is an input of the network.
        img2img: True to start from each frame's `source_latent`, False to start from noise.
        slots: Frames in flight.

    Returns:
        Latents ``[1, C, h, w]``, in order.
    """
    max_timesteps = 0

    def watched(latents: torch.Tensor, timesteps: torch.Tensor, rows: object) -> torch.Tensor:
        nonlocal max_timesteps
        max_timesteps = max(max_timesteps, len(timesteps.unique()))
        return denoiser(latents, timesteps, rows)  # type: ignore[arg-type]

    stream = StreamPipeline(
        watched,
        slots=slots,
        latent_shape=latent_shape,
        conditioning=conditioning,
        sizes=(3, 5, 2 * slots),
        embedded_guidance=embedded_guidance,
    )
    waiting, latents = list(enumerate(frames)), dict[object, torch.Tensor]()
    while waiting or stream.in_flight:
        if waiting and stream.free:
            index, frame = waiting.pop(0)
            stream.admit(
                source_latent(frame, latent_shape)[0] if img2img else None,
                schedule(frame),
                conditioning_for(frame.text, conditioning),
                guidance=Guidance(frame.guidance),
                noise=(NoiseWeight(frame.seed),),
                ticket=index,
            )
        latents |= {ticket: latent[None].clone() for latent, ticket in stream.step()}
    return StreamRun([latents[index] for index in range(len(frames))], max_timesteps)


def assert_equal_latents(run: StreamRun, expected: Sequence[torch.Tensor]) -> None:
    """Check every latent against the pipeline's, and that the stream mixed three timesteps or more in a call."""
    assert run.max_timesteps >= 3
    for latent, reference in zip(run.latents, expected, strict=True):
        assert max_difference(latent, reference) < TOLERANCE


def max_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the largest difference of two latents."""
    assert a.shape == b.shape
    return float((a - b).abs().max())
