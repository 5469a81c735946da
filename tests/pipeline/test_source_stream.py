"""Networks that see their source: exact beside frames without one, with image guidance, in captured steps."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_frames import (
    FAMILIES,
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

from pipeline.denoiser import ConditioningRows
from pipeline.guidance import GUIDANCE_KINDS, Guidance
from pipeline.stream import StreamPipeline
from presets.errors import StreamError

SOURCE_FRAMES = [
    FrameSettings(4, 1.0, 1.0, 0, 0, "euler", seen=1),
    FrameSettings(5, 0.7, 3.0, 1, 1, "euler", seen=2, image_guidance=1.5),
    FrameSettings(3, 1.0, 2.0, 2, 2, "synthetic"),
    FrameSettings(6, 0.4, 2.5, 3, 3, "euler", "self_negative", seen=3),
    FrameSettings(4, 1.0, 1.0, 4, 0, "stochastic", seen=4, image_guidance=3.0),
    FrameSettings(5, 0.9, 2.0, 2, 1, "euler", seen=5, image_guidance=2.0),
    FrameSettings(5, 1.0, 2.0, 4, 0, "synthetic", "onetime_negative", seen=6),
    FrameSettings(3, 0.8, 4.0, 5, 1, "euler", image_guidance=2.5),
]
"""Every mix of texts, sources and guidance. The last has no source, so its image guidance does nothing."""


@st.composite
def source_frames(draw: st.DrawFn) -> FrameSettings:
    image_guidance = draw(st.sampled_from([1.0, 1.0, 0.0, 2.5]) | st.floats(0, 5, width=32))
    guidance = draw(st.sampled_from([1.0, image_guidance]) | st.floats(1, 8, width=32))
    return FrameSettings(
        steps=draw(st.integers(1, 6)),
        strength=draw(st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1)),
        guidance=guidance,
        seed=draw(st.integers(0, 5)),
        text=draw(st.integers(0, 3)),
        family=draw(st.sampled_from(sorted(FAMILIES))),
        kind=draw(st.sampled_from(GUIDANCE_KINDS)) if image_guidance == 1.0 else "full",
        seen=draw(st.none() | st.integers(0, 20)),
        image_guidance=image_guidance,
    )


@settings(max_examples=60, deadline=None)
@given(
    frames=st.lists(source_frames(), min_size=1, max_size=12),
    admissions=st.lists(st.integers(0, 3), min_size=1, max_size=6),
    texts=st.lists(st.none() | st.integers(4, 7), max_size=8),
)
def test_frames_with_and_without_source(
    frames: list[FrameSettings], admissions: list[int], texts: list[int | None]
) -> None:
    run = run_stream(frames, admissions, texts=texts, sees_source=True)
    assert run.tickets == list(range(len(frames)))
    assert max_error(run, frames, sees_source=True) < 1e-10
    assert max(run.calls_per_step) <= 1


@pytest.mark.parametrize("part", ["source", "latents", "timestep", "embeds"])
def test_swapped_source_fails_exactness(part: str) -> None:
    run = run_stream(SOURCE_FRAMES, [1], sees_source=True)
    assert max_error(run, SOURCE_FRAMES, sees_source=True) < 1e-10
    swapped = run_stream(SOURCE_FRAMES, [1], network_with_swap(part), sees_source=True)
    assert max_error(swapped, SOURCE_FRAMES, sees_source=True) > 1e-3


@pytest.mark.parametrize("changed", [{"seen": 9}, {"seen": None}, {"image_guidance": 1.0}, {"guidance": 2.0}])
def test_source_settings_change_frame(changed: dict[str, Any]) -> None:
    frames = [FrameSettings(4, 1.0, 3.0, 0, 0, "euler", seen=1, image_guidance=1.5)]
    run = run_stream(frames, [1], sees_source=True)
    assert max_error(run, [frames[0]._replace(**changed)], sees_source=True) > 1e-3


@pytest.mark.parametrize(
    ("guidance", "rows"),
    [((1.0, 1.0), 1), ((3.0, 1.0), 2), ((3.0, 3.0), 2), ((3.0, 1.5), 3), ((1.0, 1.5), 3), ((3.0, 0.0), 3)],
)
def test_rows_only_where_guidance_acts(guidance: tuple[float, float], rows: int) -> None:
    stream = make_stream(network, sees_source=True)
    frame = FrameSettings(4, 1.0, guidance[0], 0, 0, "euler", seen=1, image_guidance=guidance[1])
    admit(stream, 0, frame)
    assert_equal_alone(stream, {0: frame})
    assert stream.calls == dict.fromkeys(stream.calls, 0) | {rows: 4}


def admit(stream: StreamPipeline, index: int, frame: FrameSettings) -> None:
    stream.admit(
        source(index),
        schedule_of(frame),
        conditioning(frame.text),
        guidance=Guidance(frame.guidance, frame.kind, frame.image_guidance),
        noise=noise_weights(frame),
        source=None if frame.seen is None else source(frame.seen),
        ticket=index,
    )


def assert_equal_alone(stream: StreamPipeline, frames: dict[int, FrameSettings]) -> None:
    latents = drain(stream)
    for index, frame in frames.items():
        expected = draw_alone(frame, index, sees_source=True)
        torch.testing.assert_close(latents[index], expected, rtol=0, atol=1e-10)


def test_exchange_carries_sources() -> None:
    frames = dict(enumerate(SOURCE_FRAMES[:4]))
    one, other = make_stream(network, sees_source=True), make_stream(network, sees_source=True)
    for index, frame in frames.items():
        admit(one, index, frame)
    one.step()
    other.take_over(one)
    assert one.in_flight == 0
    assert_equal_alone(other, frames)


def test_slot_forgets_its_source() -> None:
    stream = make_stream(network, slots=1, sees_source=True)
    for index, seen in enumerate((1, None, 2, None)):
        frame = FrameSettings(3, 1.0, 2.0, index, 0, "euler", seen=seen, image_guidance=2.0)
        admit(stream, index, frame)
        assert_equal_alone(stream, {index: frame})


def test_empty_source_of_a_model() -> None:
    """Rows without a source see the model's own latent of none, those of image guidance too."""
    seen: list[torch.Tensor] = []

    def recorder(latents: torch.Tensor, timesteps: torch.Tensor, texts: ConditioningRows) -> torch.Tensor:
        seen.extend(latents[:, SHAPE[0] :].clone())
        return network(latents, timesteps, texts)

    stream = make_stream(recorder, slots=1, sees_source=True, empty_source=source(17))
    frame = FrameSettings(3, 1.0, 2.0, 0, 0, "euler")
    admit(stream, 0, frame)
    latents = drain(stream)
    expected = draw_alone(frame._replace(seen=17), 0, sees_source=True)
    torch.testing.assert_close(latents[0], expected, rtol=0, atol=1e-10)
    seen.clear()
    admit(stream, 1, FrameSettings(1, 1.0, 2.0, 0, 0, "euler", seen=1, image_guidance=1.5))
    drain(stream)
    assert sorted(float(each.sum()) for each in seen) == sorted(float(source(index).sum()) for index in (1, 1, 17))


def test_captured_steps_with_source() -> None:
    captured = 0

    def record(work: Callable[[], None]) -> Callable[[], Any]:
        nonlocal captured
        captured += 1
        return work

    stream = make_stream(network, sees_source=True)
    recorded = StreamPipeline(
        network,
        slots=4,
        latent_shape=SHAPE,
        conditioning=stream._requirements.conditioning,
        sizes=(4, 12),
        second_time=True,
        sees_source=True,
        dtype=torch.float64,
        recorder=record,
    )
    recorded.warm_up(fresh=True)
    assert captured == 2 * 5
    for start in (0, 4):
        frames = dict(enumerate(SOURCE_FRAMES[start : start + 4], start))
        for index, frame in frames.items():
            admit(recorded, index, frame)
        assert_equal_alone(recorded, frames)
    assert captured == 2 * 5, "nothing is captured during the show"


def test_source_without_input_is_refused() -> None:
    stream = make_stream(network)
    with pytest.raises(StreamError, match="has a source latent, which the network of this stream has no input for"):
        admit(stream, 0, SOURCE_FRAMES[0])
    assert stream.in_flight == 0


def test_bad_source_is_refused() -> None:
    stream = make_stream(network, sees_source=True)
    frame = SOURCE_FRAMES[0]
    for bad, says in (
        (torch.zeros(1, 3, 5), r"The source is torch.float32 \(1, 3, 5\)"),
        (torch.zeros(SHAPE).int(), "int32"),
    ):
        with pytest.raises(StreamError, match=says):
            stream.admit(None, schedule_of(frame), conditioning(0), source=bad)
    with pytest.raises(StreamError, match="'free'; image guidance 2 needs full"):
        stream.admit(None, schedule_of(frame), conditioning(0), guidance=Guidance(2.0, "free", 2.0), source=source(0))
    with pytest.raises(StreamError, match="image guidance is nan; it must be a number up to"):
        Guidance(1.0, "full", float("nan")).validated()
    assert stream.in_flight == 0
    with pytest.raises(StreamError, match="4 slots with guidance need 12 rows"):
        StreamPipeline(
            network,
            slots=4,
            latent_shape=SHAPE,
            conditioning=stream._requirements.conditioning,
            sizes=(8,),
            sees_source=True,
        )
