"""The stream refuses what does not fit and survives failures, without a change to the frames in flight."""

import itertools
from typing import Any

import pytest
import torch
from reference_frames import (
    CONDITIONING_SHAPE,
    SHAPE,
    FrameSettings,
    conditioning,
    drain,
    draw_alone,
    make_stream,
    network,
    noise_weights,
    schedule_of,
    source,
)

from pipeline.conditioning import Conditioning, EncodedText
from pipeline.guidance import Guidance
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.stream import FinishedLatent, StreamPipeline
from presets.errors import StreamError
from presets.frame_parameters import NoiseWeight


def test_nan_frame_spoils_no_other() -> None:
    good = FrameSettings(4, 0.8, 1.0, 0, 0, "euler")
    stream = make_stream(network)
    stream.admit(source(0), schedule_of(good), conditioning(0), ticket=0)
    stream.step()
    stream.admit(torch.full(SHAPE, float("nan")), schedule_of(good), conditioning(0), ticket=1)
    stream.admit(source(2), flow_matching_schedule(1, 0.5), conditioning(0), ticket=2)
    out = drain(stream)
    assert out[1].isnan().all()
    torch.testing.assert_close(out[0], draw_alone(good, 0), rtol=0, atol=1e-10)
    torch.testing.assert_close(out[2], draw_alone(FrameSettings(1, 0.5, 1.0, 0, 0, "euler"), 2), rtol=0, atol=1e-10)


def test_clear_drops_frames() -> None:
    stream = make_stream(network)
    stream.admit(None, flow_matching_schedule(4, 1.0), conditioning(0), ticket="dropped")
    stream.step()
    stream.clear()
    assert (stream.in_flight, stream.free, stream.step()) == (0, 4, [])
    stream.admit(source(0), flow_matching_schedule(1, 0.5), conditioning(0), ticket="next")
    assert [ticket for _, ticket in stream.step()] == ["next"]


def test_warm_up_keeps_frames_in_flight() -> None:
    frame = FrameSettings(3, 0.8, 2.0, 0, 0, "euler")
    stream, finished = make_stream(network), list[FinishedLatent]()
    stream.admit(source(0), schedule_of(frame), conditioning(0), guidance=Guidance(2.0))
    while stream.in_flight:
        stream.warm_up()
        finished += stream.step()
    torch.testing.assert_close(finished[0].latent, draw_alone(frame, 0), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"latent": torch.zeros(2, 3, 4)}, r"\(2, 3, 4\); this stream takes .*\(2, 3, 5\)"),
        ({"latent": torch.zeros(SHAPE, dtype=torch.int64)}, "torch.int64"),
        ({"latent": None}, "strength 0.5 needs a source"),
        (
            {"conditioning": Conditioning(EncodedText(torch.zeros(4, 2)), conditioning(0).negative)},
            r"The positive text has .*4, 2",
        ),
        (
            {"conditioning": Conditioning(conditioning(0).positive, EncodedText(torch.zeros(4, 3)))},
            r"The negative text has .*False",
        ),
        ({"guidance": Guidance(float("nan"))}, "guidance is nan"),
        ({"guidance": Guidance(2.0, "most")}, "guidance kind is 'most'; it is one of full, self_negative"),
        ({"noise": (NoiseWeight(-1),)}, "seed is -1; it must be from 0 to 2147483647"),
        ({"noise": (NoiseWeight(2**31),)}, "seed is 2147483648"),
        ({"guidance": Guidance(1e39)}, "guidance is 1e.39; it must be a number up to 1e.06"),
        ({"guidance": Guidance("loud")}, "guidance is 'loud'"),
        *(
            (
                {"noise": tuple(NoiseWeight(0, 0, weight) for weight in weights)},
                "weights must be finite and must not cancel",
            )
            for weights in ([], [0.0], [float("nan")], [float("inf")], [1.0, -1.0], [1e-300])
        ),
    ],
)
def test_misfit_is_refused(changed: dict[str, object], says: str) -> None:
    stream = make_stream(network)
    valid = {
        "latent": source(0),
        "schedule": flow_matching_schedule(2, 0.5),
        "conditioning": conditioning(0),
        "guidance": Guidance(),
        "noise": (NoiseWeight(0),),
    }
    with pytest.raises(StreamError, match=says):
        stream.admit(**(valid | changed))
    assert (stream.in_flight, stream.free) == (0, 4)


def test_full_stream_refuses_a_frame() -> None:
    stream = make_stream(network)
    for _ in range(4):
        stream.admit(None, flow_matching_schedule(2, 1.0), conditioning(0))
    with pytest.raises(StreamError, match="All 4 slots are in use"):
        stream.admit(None, flow_matching_schedule(2, 1.0), conditioning(0))


def test_too_small_batch_is_refused() -> None:
    with pytest.raises(StreamError, match="4 slots with guidance need 8 rows"):
        StreamPipeline(network, slots=4, latent_shape=SHAPE, conditioning=CONDITIONING_SHAPE, sizes=(1, 4))
    with pytest.raises(StreamError, match="slots is 0"):
        StreamPipeline(network, slots=0, latent_shape=SHAPE, conditioning=CONDITIONING_SHAPE, sizes=(1, 4))


def test_wrong_output_shape_is_refused() -> None:
    stream = make_stream(lambda latents, timesteps, conditioning: latents[:, :1])
    stream.admit(None, flow_matching_schedule(2, 1.0), conditioning(0))
    with pytest.raises(StreamError, match="The denoiser returned"):
        stream.step()


def test_failed_admit_takes_no_slot() -> None:
    stream = make_stream(network)
    for _ in range(5):
        with pytest.raises(NotImplementedError):  # a meta tensor has no memory
            stream.admit(torch.empty(SHAPE, device="meta"), flow_matching_schedule(2, 0.5), conditioning(0))
    assert (stream.in_flight, stream.free) == (0, 4)


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_failed_step_can_be_repeated(failing: int) -> None:
    calls = itertools.count(1)

    def flaky(*batch: Any) -> torch.Tensor:
        if next(calls) == failing:
            raise MemoryError
        return network(*batch)

    frame = FrameSettings(3, 0.9, 2.0, 0, 0, "synthetic", "free")  # uses the path noise, which changes every row
    stream, finished = make_stream(flaky), list[FinishedLatent]()
    stream.admit(
        source(0), schedule_of(frame), conditioning(0), guidance=Guidance(2.0, "free"), noise=noise_weights(frame)
    )
    while stream.in_flight:
        try:
            finished += stream.step()
        except MemoryError:
            continue
    torch.testing.assert_close(finished[0].latent, draw_alone(frame, 0), rtol=0, atol=1e-10)
