"""The adaptive forward: one call for each distinct timestep, and no tensor is read back from a GPU."""

from itertools import pairwise

import pytest
import torch

from pipeline.accelerators.adaptive import AdaptiveDenoiser, group_rows
from pipeline.conditioning import Conditioning, ConditioningShape, EncodedText
from pipeline.denoiser import ConditioningRows, HostTimesteps
from pipeline.guidance import Guidance
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.stream import StreamPipeline

SHAPE, TEXT = (3, 4, 4), (5, 3)


def vector(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
    """Compute a function that is nonlinear in latent, timestep and text, so that swapped rows change the result."""
    time = torch.sin(timesteps / 300.0).view(-1, 1, 1, 1)
    text = torch.tanh(conditioning.embeds.sum(1)).view(-1, 3, 1, 1)
    return torch.tanh(latents * (1.0 + time) + text * time) + 0.1 * text


class Scalar:
    """`vector` with one timestep for all its rows. It records its calls."""

    def __init__(self, batch: int | None = None) -> None:
        self.batch = batch
        self.calls: list[tuple[int, float]] = []

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        assert self.batch in (None, len(latents))
        assert len(latents) == len(timesteps) == len(conditioning.embeds)
        self.calls.append((len(latents), float(timesteps[0])))
        return vector(latents, timesteps[:1].expand(len(latents)), conditioning)


def inputs(timesteps: list[float]) -> tuple[torch.Tensor, torch.Tensor, ConditioningRows]:
    rows = len(timesteps)
    generator = torch.Generator().manual_seed(rows)
    latents = torch.randn(rows, *SHAPE, generator=generator)
    return latents, torch.tensor(timesteps), ConditioningRows(torch.randn(rows, *TEXT, generator=generator))


@pytest.mark.parametrize("batch", [None, 1, 2, 3, 8])
@pytest.mark.parametrize(
    "values",
    [[750.0], [500.0] * 3, [1000.0, 750.0, 500.0], [750.0, 500.0, 750.0, 1000.0, 750.0], [900.0, 100.0, 100.0, 100.0]],
)
def test_rows_equal_the_vector_network(values: list[float], batch: int | None) -> None:
    network = Scalar(batch)
    latents, timesteps, text = inputs(values)
    expected = vector(latents, timesteps, text)
    swapped = vector(latents, timesteps.flip(0), text)
    assert len(set(values)) == 1 or (swapped - expected).abs().max() > 1e-2
    denoiser = AdaptiveDenoiser(network, batch=batch)
    for _ in range(2):
        torch.testing.assert_close(denoiser(latents, timesteps, text), expected, rtol=0, atol=1e-6)
    counts = {timestep: values.count(timestep) for timestep in values}
    fewest = sum(-(-count // (batch or count)) for count in counts.values())
    assert len(network.calls) == 2 * fewest


def test_fixed_batch_of_a_vector_network() -> None:
    network = Scalar(2)
    latents, timesteps, text = inputs([750.0] * 5)
    out = AdaptiveDenoiser(network, scalar=False, batch=2)(latents, timesteps, text)
    torch.testing.assert_close(out, vector(latents, timesteps, text), rtol=0, atol=1e-6)
    assert [rows for rows, _ in network.calls] == [2, 2, 2]
    assert group_rows([3.0, 2.0, 3.0], scalar=False, batch=2) == [[0, 1], [2, 2]]
    assert group_rows([3.0, 2.0, 3.0], batch=2) == [[0, 2], [1, 1]]
    assert group_rows([3.0, 2.0, 3.0]) == [[0, 2], [1]]


def conditioning(seed: int) -> Conditioning:
    generator = torch.Generator().manual_seed(seed)
    return Conditioning(*(EncodedText(torch.randn(TEXT, generator=generator)) for _ in range(2)))


def play(denoiser: object) -> list[torch.Tensor]:
    stream = StreamPipeline(
        denoiser, slots=3, latent_shape=SHAPE, conditioning=ConditioningShape(TEXT), sizes=(1, 2, 3, 4, 6)
    )  # type: ignore[arg-type]
    stream.warm_up()
    out: list[torch.Tensor] = []
    for frame in range(7):
        steps = 3 + frame % 2
        schedule = flow_matching_schedule(steps, 1.0)
        stream.admit(None, schedule, conditioning(frame), guidance=Guidance(1.0 + frame % 3))
        while not stream.free:
            out += [latent.clone() for latent, _ in stream.step()]
        out += [latent.clone() for latent, _ in stream.step()]
    while stream.in_flight:
        out += [latent.clone() for latent, _ in stream.step()]
    return out


def test_stream_announces_timesteps() -> None:
    network = Scalar()
    denoiser = AdaptiveDenoiser(network)
    assert isinstance(denoiser, HostTimesteps)
    announced: list[list[float]] = []

    class Recorder(AdaptiveDenoiser):
        def announce_timesteps(self, timesteps: object) -> None:
            announced.append(list(timesteps))  # type: ignore[call-overload]
            super().announce_timesteps(timesteps)  # type: ignore[arg-type]

        def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, text: ConditioningRows) -> torch.Tensor:
            assert not timesteps.any() or timesteps.tolist() == announced[-1]  # zeros during warm-up
            return super().__call__(latents, timesteps, text)

    frames, expected = play(Recorder(network)), play(vector)
    assert len(frames) == len(expected) == 7
    assert all((one - other).abs().max() > 1e-2 for one, other in pairwise(expected))
    for frame, wanted in zip(frames, expected, strict=True):
        torch.testing.assert_close(frame, wanted, rtol=0, atol=1e-5)
    assert max(len(set(timesteps)) for timesteps in announced) >= 3
    assert len(network.calls) > len(announced)


def test_nothing_is_read_back_from_a_device() -> None:
    """Meta tensors have no values, so reading one back raises."""
    seen: list[int] = []

    def network(latents: torch.Tensor, timesteps: torch.Tensor, text: ConditioningRows) -> torch.Tensor:
        seen.append(len(latents))
        return torch.empty_like(latents)

    latents, timesteps, text = inputs([750.0, 500.0, 750.0])
    on_meta = latents.to("meta"), timesteps.to("meta"), ConditioningRows(text.embeds.to("meta"))
    denoiser = AdaptiveDenoiser(network)
    denoiser.announce_timesteps([750.0, 500.0, 750.0])
    assert denoiser(*on_meta).shape == latents.shape
    assert seen == [2, 1]
    with pytest.raises((RuntimeError, NotImplementedError)):
        denoiser(*on_meta)
