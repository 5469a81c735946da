"""Adaptive forward: rows of one timestep together, in as few calls as possible, and nothing read from a GPU."""

from itertools import pairwise

import pytest
import torch

from pipeline.accelerators.adaptive import AdaptiveDenoiser, calls
from pipeline.conditioning import Conditioning, ConditioningShape, EncodedText
from pipeline.denoiser import ConditioningRows, HostTimesteps
from pipeline.guidance import Guidance
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.stream import StreamPipeline

SHAPE, TEXT = (3, 4, 4), (5, 3)


def vector(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
    """A network that is nonlinear in latent, timestep and text, so that a mix-up of rows shows."""
    told = torch.sin(timesteps / 300.0).view(-1, 1, 1, 1)
    heard = torch.tanh(conditioning.embeds.sum(1)).view(-1, 3, 1, 1)
    return torch.tanh(latents * (1.0 + told) + heard * told) + 0.1 * heard


class Scalar:
    """The same network with one timestep for all its rows, and a record of its calls."""

    def __init__(self, batch: int | None = None) -> None:
        self.batch = batch
        self.called: list[tuple[int, float]] = []

    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        assert self.batch in (None, len(latents))
        assert len(latents) == len(timesteps) == len(conditioning.embeds)
        self.called.append((len(latents), float(timesteps[0])))
        return vector(latents, timesteps[:1].expand(len(latents)), conditioning)


def inputs(told: list[float]) -> tuple[torch.Tensor, torch.Tensor, ConditioningRows]:
    generator = torch.Generator().manual_seed(len(told))
    latents = torch.randn(len(told), *SHAPE, generator=generator)
    return latents, torch.tensor(told), ConditioningRows(torch.randn(len(told), *TEXT, generator=generator))


@pytest.mark.parametrize("batch", [None, 1, 2, 3, 8])
@pytest.mark.parametrize(
    "told",
    [[750.0], [500.0] * 3, [1000.0, 750.0, 500.0], [750.0, 500.0, 750.0, 1000.0, 750.0], [900.0, 100.0, 100.0, 100.0]],
)
def test_rows_match_vector_network(told: list[float], batch: int | None) -> None:
    network = Scalar(batch)
    latents, timesteps, text = inputs(told)
    expected = vector(latents, timesteps, text)
    swapped = vector(latents, timesteps.flip(0), text)
    assert len(set(told)) == 1 or (swapped - expected).abs().max() > 1e-2
    denoiser = AdaptiveDenoiser(network, batch=batch)
    for _ in range(2):
        torch.testing.assert_close(denoiser(latents, timesteps, text), expected, rtol=0, atol=1e-6)
    each = {timestep: told.count(timestep) for timestep in told}
    fewest = sum(-(-count // (batch or count)) for count in each.values())
    assert len(network.called) == 2 * fewest


def test_fixed_batch_is_called_in_parts() -> None:
    network = Scalar(2)
    latents, timesteps, text = inputs([750.0] * 5)
    out = AdaptiveDenoiser(network, scalar=False, batch=2)(latents, timesteps, text)
    torch.testing.assert_close(out, vector(latents, timesteps, text), rtol=0, atol=1e-6)
    assert [rows for rows, _ in network.called] == [2, 2, 2]
    assert calls([3.0, 2.0, 3.0], scalar=False, batch=2) == [[0, 1], [2, 2]]
    assert calls([3.0, 2.0, 3.0], batch=2) == [[0, 2], [1, 1]]
    assert calls([3.0, 2.0, 3.0]) == [[0, 2], [1]]


def conditioning(seed: int) -> Conditioning:
    generator = torch.Generator().manual_seed(seed)
    return Conditioning(*(EncodedText(torch.randn(TEXT, generator=generator)) for _ in range(2)))


def streamed(denoiser: object) -> list[torch.Tensor]:
    stream = StreamPipeline(
        denoiser, slots=3, latent_shape=SHAPE, conditioning=ConditioningShape(TEXT), sizes=(1, 2, 3, 4, 6)
    )  # type: ignore[arg-type]
    stream.warm_up()
    out: list[torch.Tensor] = []
    for picture in range(7):
        steps = 3 + picture % 2
        schedule = flow_matching_schedule(steps, 1.0)
        stream.admit(None, schedule, conditioning(picture), guidance=Guidance(1.0 + picture % 3))
        while not stream.free:
            out += [latent.clone() for latent, _ in stream.step()]
        out += [latent.clone() for latent, _ in stream.step()]
    while stream.in_flight:
        out += [latent.clone() for latent, _ in stream.step()]
    return out


def test_announced_stream_matches_one_call() -> None:
    network = Scalar()
    denoiser = AdaptiveDenoiser(network)
    assert isinstance(denoiser, HostTimesteps)
    told: list[list[float]] = []

    class Watched(AdaptiveDenoiser):
        def announce_timesteps(self, timesteps: object) -> None:
            told.append(list(timesteps))  # type: ignore[call-overload]
            super().announce_timesteps(timesteps)  # type: ignore[arg-type]

        def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, text: ConditioningRows) -> torch.Tensor:
            assert not timesteps.any() or timesteps.tolist() == told[-1]  # zeros when it warms up
            return super().__call__(latents, timesteps, text)

    pictures, expected = streamed(Watched(network)), streamed(vector)
    assert len(pictures) == len(expected) == 7
    assert all((one - other).abs().max() > 1e-2 for one, other in pairwise(expected))
    for picture, wanted in zip(pictures, expected, strict=True):
        torch.testing.assert_close(picture, wanted, rtol=0, atol=1e-5)
    assert max(len(set(timesteps)) for timesteps in told) >= 3
    assert len(network.called) > len(told)


def test_announcement_is_used_once() -> None:
    """Meta tensors have no values: reading one raises."""
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
