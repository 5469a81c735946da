"""Extra inputs, numbers and tensors: each frame has its own at every row, whatever is in flight beside it."""

import pytest
import torch
from reference_frames import (
    MIXED_FRAMES,
    Network,
    conditioning,
    drain,
    draw_alone,
    make_stream,
    network,
    noise_weights,
    schedule_of,
    source,
)

from pipeline.accelerators.adaptive import AdaptiveDenoiser
from pipeline.denoiser import ConditioningRows
from pipeline.guidance import Guidance
from presets.errors import StreamError

INPUTS = (("tint", 2), ("gain", 1))
NUMBERS = [(0.25 * index - 0.5, 0.5 * (index % 3), 1.0 + 0.125 * index) for index in range(len(MIXED_FRAMES))]
"""Numbers of each of `MIXED_FRAMES`, which float32 has exactly."""


def with_numbers(roll: int = 0) -> Network:
    """Return the reference network with both inputs in it, those of another row with a `roll`."""

    def denoise(latents: torch.Tensor, timesteps: torch.Tensor, rows: ConditioningRows) -> torch.Tensor:
        tint, gain = (rows.part(name).roll(roll, 0) for name, _ in INPUTS)
        out = network(latents * gain.view(-1, 1, 1, 1), timesteps, rows)
        return out + torch.sin(latents.roll(1, 1) * tint[:, :, None, None])

    return denoise


def alone(index: int) -> torch.Tensor:
    """Return a frame drawn by itself."""
    tint, gain = torch.tensor([NUMBERS[index][:2]]).double(), torch.tensor([NUMBERS[index][2:]]).double()

    def denoise(latents: torch.Tensor, timesteps: torch.Tensor, rows: ConditioningRows) -> torch.Tensor:
        return with_numbers()(latents, timesteps, rows._replace(extra={"tint": tint, "gain": gain}))

    return draw_alone(MIXED_FRAMES[index], index, denoiser=denoise)


def worst_error(denoiser: Network, exchanged: bool = False) -> float:
    """Draw all frames, one admitted before each step, and return the largest difference from those drawn alone."""
    stream, found = make_stream(denoiser, numbers=INPUTS), dict[object, torch.Tensor]()
    for index, frame in enumerate(MIXED_FRAMES):
        while not stream.free:
            found |= {ticket: latent.clone() for latent, ticket in stream.step()}
        stream.admit(
            source(index),
            schedule_of(frame),
            conditioning(frame.text),
            guidance=Guidance(frame.guidance, frame.kind),
            noise=noise_weights(frame),
            numbers=NUMBERS[index],
            ticket=index,
        )
        if exchanged:
            other = make_stream(denoiser, numbers=INPUTS)
            other.take_over(stream)
            stream = other
        found |= {ticket: latent.clone() for latent, ticket in stream.step()}
    found |= drain(stream)
    return max(float((found[index] - alone(index)).abs().max()) for index in range(len(MIXED_FRAMES)))


SHEET = ("sheet", (2, 3, 5))
"""An input of one tensor a frame, with the shape of a latent."""


def sheet(index: int) -> torch.Tensor:
    return torch.linspace(-1.0, 1.0, 30, dtype=torch.float64).view(SHEET[1]).roll(index, 2) * (1 + index % 4)


def with_sheet(latents: torch.Tensor, timesteps: torch.Tensor, rows: ConditioningRows) -> torch.Tensor:
    return with_numbers()(latents, timesteps, rows) + torch.tanh(latents.roll(1, 1) * rows.part("sheet"))


def test_each_frame_has_its_tensor() -> None:
    """Frames that give none have that of an earlier frame, which their numbers must switch off."""

    def alone_with_sheet(index: int, shown: int) -> torch.Tensor:
        parts = {"tint": torch.tensor([NUMBERS[0][:2]]).double(), "gain": torch.ones(1, 1).double()}

        def denoise(latents: torch.Tensor, timesteps: torch.Tensor, rows: ConditioningRows) -> torch.Tensor:
            return with_sheet(latents, timesteps, rows._replace(extra=parts | {"sheet": sheet(shown)[None]}))

        return draw_alone(MIXED_FRAMES[index], index, denoiser=denoise)

    stream, found = make_stream(with_sheet, numbers=INPUTS, tensors=[SHEET]), dict[object, torch.Tensor]()
    given = sheet(0).clone()  # one memory for all frames, as a source has
    for index, frame in enumerate(MIXED_FRAMES):
        while not stream.free:
            found |= {ticket: latent.clone() for latent, ticket in stream.step()}
        stream.admit(
            source(index),
            schedule_of(frame),
            conditioning(frame.text),
            guidance=Guidance(frame.guidance, frame.kind),
            noise=noise_weights(frame),
            numbers=(*NUMBERS[0][:2], 1.0),
            tensors={"sheet": given.copy_(sheet(index))},
            ticket=index,
        )
        if index % 3 == 0:
            other = make_stream(with_sheet, numbers=INPUTS, tensors=[SHEET])
            other.take_over(stream)
            stream = other
        found |= {ticket: latent.clone() for latent, ticket in stream.step()}
    found |= drain(stream)
    errors = [float((found[index] - alone_with_sheet(index, index)).abs().max()) for index in range(len(MIXED_FRAMES))]
    assert max(errors) < 1e-10
    assert float((alone_with_sheet(0, 1) - found[0]).abs().max()) > 1e-2, (
        "the tensor of another frame would not be seen"
    )


@pytest.mark.parametrize("tensors", [{"sheet": torch.zeros(3, 5)}, {"other": torch.zeros(SHEET[1])}])
def test_other_tensors_are_refused(tensors: dict[str, torch.Tensor]) -> None:
    stream, frame = make_stream(with_sheet, tensors=[SHEET]), MIXED_FRAMES[0]
    with pytest.raises(StreamError, match="this stream takes"):
        stream.admit(source(0), schedule_of(frame), conditioning(0), tensors=tensors)
    assert stream.free == stream.slots


def test_each_frame_has_its_numbers() -> None:
    assert worst_error(with_numbers()) < 1e-10
    assert worst_error(with_numbers(roll=1)) > 1e-2, "numbers of another row would not be seen"


def test_exchange_carries_numbers() -> None:
    assert worst_error(with_numbers(), exchanged=True) < 1e-10


def test_grouped_rows_have_their_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = ConditioningRows.of(
        {name: torch.randn(3, *shape, generator=generator) for name, shape in (("embeds", (2, 1)), ("tint", (2,)))}
    )
    assert set(rows.parts()) == {"embeds", "tint"}

    def tinted(latents: torch.Tensor, timesteps: torch.Tensor, rows: ConditioningRows) -> torch.Tensor:
        return latents * rows.part("tint")[:, :, None, None] * timesteps[0]

    latents, timesteps = torch.randn(3, 2, 1, 1, generator=generator), torch.tensor([3.0, 2.0, 3.0])
    expected = latents * rows.extra["tint"][:, :, None, None] * timesteps[:, None, None, None]
    assert torch.equal(AdaptiveDenoiser(tinted)(latents, timesteps, rows), expected)


@pytest.mark.parametrize("numbers", [(), (1.0, 2.0), (1.0, float("nan"), 1.0)])
def test_other_numbers_are_refused(numbers: tuple[float, ...]) -> None:
    stream, frame = make_stream(with_numbers(), numbers=INPUTS), MIXED_FRAMES[0]
    with pytest.raises(StreamError, match="takes 3 finite numbers"):
        stream.admit(source(0), schedule_of(frame), conditioning(0), numbers=numbers)
    assert stream.free == stream.slots
