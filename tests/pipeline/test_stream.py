"""The stream is exact, ordered and makes one call a step. Each test is shown to fail where that is broken."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_frames import (
    CONDITIONING_SHAPE,
    FAMILIES,
    MIXED_FRAMES,
    SHAPE,
    FrameSettings,
    conditioning,
    drain,
    draw_alone,
    make_stream,
    max_error,
    network,
    network_with_swap,
    noise_weights,
    run_stream,
    schedule_of,
    source,
)

from pipeline.conditioning import Conditioning, EncodedText
from pipeline.denoiser import ConditioningRows
from pipeline.guidance import GUIDANCE_KINDS, Guidance, GuidanceKind
from pipeline.noise import ENTRY, unit_noise
from pipeline.schedule import FlowSchedule
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.stream import StreamPipeline
from presets.errors import StreamError

frames_strategy = st.lists(
    st.builds(
        FrameSettings,
        steps=st.integers(1, 8),
        strength=st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1)),
        guidance=st.one_of(st.just(1.0), st.floats(1, 8, width=32)),
        seed=st.integers(0, 5),
        text=st.integers(0, 3),
        family=st.sampled_from(sorted(FAMILIES)),
        kind=st.sampled_from(GUIDANCE_KINDS),
        drift=st.one_of(st.just(0.0), st.floats(0.1, 4)),
        seen=st.none(),
        image_guidance=st.just(1.0),
    ),
    min_size=1,
    max_size=14,
)

admissions_strategy = st.lists(st.integers(0, 3), min_size=1, max_size=6)

texts_strategy = st.lists(st.one_of(st.none(), st.none(), st.integers(4, 7)), max_size=12)


@settings(max_examples=100, deadline=None)
@given(frames=frames_strategy, admissions=admissions_strategy, texts=texts_strategy)
def test_frames_equal_themselves_alone(
    frames: list[FrameSettings], admissions: list[int], texts: list[int | None]
) -> None:
    run = run_stream(frames, admissions, texts=texts)
    assert run.tickets == list(range(len(frames)))  # in order, each once
    assert max_error(run, frames) < 1e-10
    assert max(run.calls_per_step) <= 1


@settings(max_examples=30, deadline=None)
@given(frames=frames_strategy, admissions=admissions_strategy)
def test_float32_error_below_1e_4(frames: list[FrameSettings], admissions: list[int]) -> None:
    run = run_stream(frames, admissions, dtype=torch.float32)
    assert run.tickets == list(range(len(frames)))
    assert max_error(run, frames, torch.float32) < 1e-4


@pytest.mark.parametrize("part", ["latents", "timestep", "second_time", "embeds", "mask", "pooled"])
def test_swapped_input_fails_exactness(part: str) -> None:
    assert max_error(run_stream(MIXED_FRAMES, [1]), MIXED_FRAMES) < 1e-10
    assert max_error(run_stream(MIXED_FRAMES, [1], network_with_swap(part)), MIXED_FRAMES) > 1e-3


@pytest.mark.parametrize(
    "changed",
    [
        *({"seed": 9}, {"text": 9}, {"guidance": 1.5}, {"strength": 0.5}, {"steps": 7}, {"drift": 0.3}),
        *({"kind": kind} for kind in GUIDANCE_KINDS[1:]),
    ],
)
def test_every_setting_changes_the_frame(changed: dict[str, Any]) -> None:
    frames = [FrameSettings(4, 0.8, 2.0, 0, 0, "euler")]
    assert max_error(run_stream(frames, [1]), [frames[0]._replace(**changed)]) > 1e-3


def test_one_call_a_step() -> None:
    run = run_stream([FrameSettings(3, 1.0, 2.0, seed, 0, "euler") for seed in range(6)], [1])
    assert run.calls_per_step == [1] * 8


def test_empty_schedules_make_no_call() -> None:
    run = run_stream([FrameSettings(3, 0.0, 1.0, 0, 0, "euler")] * 3, [1])
    assert run.calls_per_step == [0, 0, 0]
    assert torch.equal(run.latents[2], source(2))


def test_full_stream_gives_a_frame_a_step() -> None:
    stream, tickets = make_stream(network), []
    for index in range(10):
        stream.admit(None, flow_matching_schedule(4, 1.0), conditioning(0), ticket=index)
        tickets.append([ticket for _, ticket in stream.step()])
    assert tickets == [[], [], [], [0], [1], [2], [3], [4], [5], [6]]


def test_frame_waits_for_older_one() -> None:
    stream = make_stream(network)
    stream.admit(None, flow_matching_schedule(3, 1.0), conditioning(0), ticket="older")
    stream.admit(source(0), flow_matching_schedule(3, 0.2), conditioning(0), ticket="newer")
    assert stream.step() == []
    assert stream.in_flight == 2
    assert stream.step() == []
    assert [ticket for _, ticket in stream.step()] == ["older", "newer"]
    assert (stream.in_flight, stream.free) == (0, 4)


def test_denoiser_sees_static_batches() -> None:
    calls: list[tuple[int, int]] = []

    def watched(latents: torch.Tensor, timesteps: torch.Tensor, rows: ConditioningRows) -> torch.Tensor:
        assert torch.isfinite(latents).all()
        assert (timesteps[:, 0] > 0).all()  # padding repeats a row in use
        calls.append((len(latents), latents.data_ptr()))
        return network(latents, timesteps, rows)

    run_stream([FrameSettings(4, 1.0, 1.0 + index % 2, index, 0, "euler") for index in range(20)], [1], watched)
    assert {size for size, _ in calls} <= {1, 2, 3, 5, 8}
    assert len(set(calls)) == len({size for size, _ in calls})


@pytest.mark.parametrize("kinds", itertools.combinations(GUIDANCE_KINDS, 2))
def test_guidance_kinds_mix_in_a_batch(kinds: tuple[GuidanceKind, GuidanceKind]) -> None:
    families = sorted(FAMILIES)
    frames = [
        FrameSettings(2 + index % 4, 0.5 + index % 3 / 4, 3.0 if index % 3 else 1.0, index, index % 4, family, kind)
        for index, family, kind in zip(range(20), itertools.cycle(families), itertools.cycle((*kinds, "full")))
    ]
    assert max_error(run_stream(frames, [1, 2]), frames) < 1e-10


def test_recondition_in_flight() -> None:
    frames = [FrameSettings(4, 1.0, 2.0, index, 0, "euler") for index in range(3)]
    stream = make_stream(network)
    for index, frame in enumerate(frames):
        stream.admit(
            source(index),
            schedule_of(frame),
            conditioning(0),
            guidance=Guidance(2.0),
            noise=noise_weights(frame),
            ticket=index,
        )
        assert stream.step() == []
    with pytest.raises(StreamError, match="positive text"):
        stream.recondition(Conditioning(EncodedText(torch.zeros(4, 2)), conditioning(0).negative))
    stream.recondition(conditioning(7))
    latents = drain(stream)
    for index, frame in enumerate(frames):  # the oldest has taken three rows, the newest one
        changed = draw_alone(frame, index, changes=[(3 - index, 7)])
        torch.testing.assert_close(latents[index], changed, rtol=0, atol=1e-10)
        assert (latents[index] - draw_alone(frame, index)).abs().max() > 1e-3


def test_embedded_guidance_has_no_second_row() -> None:
    def watched(latents: torch.Tensor, timesteps: torch.Tensor, rows: ConditioningRows) -> torch.Tensor:
        assert len(latents) <= 3
        return network(latents, timesteps, rows)

    stream = StreamPipeline(
        watched, slots=3, latent_shape=SHAPE, conditioning=CONDITIONING_SHAPE, sizes=(1, 2, 3), second_time=True,
        embedded_guidance=True, dtype=torch.float64,
    )  # fmt: skip
    schedule, scales = flow_matching_schedule(3, 1.0), (1.0, 2.5, 7.0)
    latents = dict[object, torch.Tensor]()
    for index, scale in enumerate(scales):
        stream.admit(source(index), schedule, conditioning(index), guidance=Guidance(scale), ticket=index)
        latents |= {ticket: latent.clone() for latent, ticket in stream.step()}
    latents |= drain(stream)
    for index, scale in enumerate(scales):
        text, z = conditioning(index).positive, unit_noise(0, ENTRY, SHAPE).double()
        for row in range(3):
            rows = ConditioningRows(
                text.embeds[None], text.mask[None], text.pooled[None], torch.tensor([scale]).double()
            )
            t = torch.tensor([[float(schedule.timestep[row]), 0.0]], dtype=torch.float64)
            z = z + float(schedule.b[row]) * network(z[None], t, rows)[0]
        torch.testing.assert_close(latents[index], z, rtol=0, atol=1e-10)


def test_half_precision_keeps_float32_times() -> None:
    def watched(latents: torch.Tensor, timesteps: torch.Tensor, rows: ConditioningRows) -> torch.Tensor:
        assert latents.dtype == rows.embeds.dtype == torch.bfloat16
        assert timesteps.dtype == torch.float32
        return network(latents.float(), timesteps, ConditioningRows(*(p.float() for p in rows[:3]))).bfloat16()

    run = run_stream(MIXED_FRAMES, [1], watched, torch.bfloat16)
    assert max_error(run, MIXED_FRAMES, torch.float32) < 0.1


def test_finished_latent_is_admitted_again() -> None:
    stream = make_stream(network)
    stream.admit(source(0), flow_matching_schedule(1, 0.0), conditioning(0))
    (finished,) = stream.step()
    stream.admit(finished.latent, flow_matching_schedule(1, 0.0), conditioning(0))
    torch.testing.assert_close(stream.step()[0].latent, source(0))


@pytest.mark.parametrize("kind", ["self_negative", "free"])
def test_residual_guidance_without_noise(kind: GuidanceKind) -> None:
    """A latent with q = 0 says nothing about the noise, so uncond is the mean output, out_x·x."""
    rows = {"timestep": [500.0], "a": [1.0], "b": [-0.5], "p": [1.0], "q": [0.0], "out_x": [-1.0], "out_n": [0.0]}
    schedule = FlowSchedule.from_columns(**rows, strength=0.5)
    stream, x = make_stream(network), source(0)
    stream.admit(x, schedule, conditioning(0), guidance=Guidance(3.0, kind))
    (finished,) = stream.step()
    text, time = conditioning(0).positive, torch.tensor([[500.0, 0.0]], dtype=torch.float64)
    out = network(x[None], time, ConditioningRows(text.embeds[None], text.mask[None], text.pooled[None]))[0]
    expected = x - 0.5 * (3.0 * out + (1.0 - 3.0) * -x)
    torch.testing.assert_close(finished.latent, expected, rtol=0, atol=1e-10)
