"""The stream where something does not fit or fails: refused, and the pictures in flight are as they were."""

import itertools
from typing import Any

import pytest
import torch
from stream_orders import (
    FITS,
    SHAPE,
    Order,
    alone,
    network,
    noise_of,
    picture,
    schedule_of,
    stream_of,
    words,
)

from pipeline.conditioning import Conditioning, EncodedText
from pipeline.guidance import Guidance
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.stream import FinishedLatent, StreamPipeline
from presets.errors import StreamError
from presets.frame_parameters import NoiseWeight


def test_a_sick_picture_does_not_touch_its_neighbours() -> None:
    healthy = Order(4, 0.8, 1.0, 0, 0, "euler")
    stream, out = stream_of(network), dict[object, torch.Tensor]()
    stream.admit(picture(0), schedule_of(healthy), words(0), ticket=0)
    stream.step()
    stream.admit(torch.full(SHAPE, float("nan")), schedule_of(healthy), words(0), ticket=1)
    stream.admit(picture(2), flow_matching_schedule(1, 0.5), words(0), ticket=2)
    while stream.in_flight:
        out |= {ticket: latent.clone() for latent, ticket in stream.step()}
    assert out[1].isnan().all()
    torch.testing.assert_close(out[0], alone(healthy, 0, torch.float64), rtol=0, atol=1e-10)
    torch.testing.assert_close(out[2], alone(Order(1, 0.5, 1.0, 0, 0, "euler"), 2, torch.float64), rtol=0, atol=1e-10)


def test_clear_drops_what_is_in_flight() -> None:
    stream = stream_of(network)
    stream.admit(None, flow_matching_schedule(4, 1.0), words(0), ticket="dropped")
    stream.step()
    stream.clear()
    assert (stream.in_flight, stream.free, stream.step()) == (0, 4, [])
    stream.admit(picture(0), flow_matching_schedule(1, 0.5), words(0), ticket="next")
    assert [ticket for _, ticket in stream.step()] == ["next"]


def test_warm_up_touches_no_picture_in_flight() -> None:
    order = Order(3, 0.8, 2.0, 0, 0, "euler")
    stream, finished = stream_of(network), list[FinishedLatent]()
    stream.admit(picture(0), schedule_of(order), words(0), guidance=Guidance(2.0))
    while stream.in_flight:
        stream.warm_up()
        finished += stream.step()
    torch.testing.assert_close(finished[0].latent, alone(order, 0, torch.float64), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"latent": torch.zeros(2, 3, 4)}, r"\(2, 3, 4\); this stream takes .*\(2, 3, 5\)"),
        ({"latent": torch.zeros(SHAPE, dtype=torch.int64)}, "torch.int64"),
        ({"latent": None}, "strength 0.5 needs a picture to start from"),
        (
            {"conditioning": Conditioning(EncodedText(torch.zeros(4, 2)), words(0).negative)},
            r"The positive text has .*4, 2",
        ),
        (
            {"conditioning": Conditioning(words(0).positive, EncodedText(torch.zeros(4, 3)))},
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
                "weights must be finite, and not cancel",
            )
            for weights in ([], [0.0], [float("nan")], [float("inf")], [1.0, -1.0], [1e-300])
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(changed: dict[str, object], says: str) -> None:
    stream = stream_of(network)
    fits = {
        "latent": picture(0),
        "schedule": flow_matching_schedule(2, 0.5),
        "conditioning": words(0),
        "guidance": Guidance(),
        "noise": (NoiseWeight(0),),
    }
    with pytest.raises(StreamError, match=says):
        stream.admit(**(fits | changed))
    assert (stream.in_flight, stream.free) == (0, 4)


def test_no_more_pictures_than_slots() -> None:
    stream = stream_of(network)
    for _ in range(4):
        stream.admit(None, flow_matching_schedule(2, 1.0), words(0))
    with pytest.raises(StreamError, match="All 4 slots are in use"):
        stream.admit(None, flow_matching_schedule(2, 1.0), words(0))


def test_a_stream_that_could_not_hold_its_slots_is_refused() -> None:
    with pytest.raises(StreamError, match="4 slots with guidance need 8 rows"):
        StreamPipeline(network, slots=4, latent_shape=SHAPE, conditioning=FITS, sizes=(1, 4))
    with pytest.raises(StreamError, match="slots is 0"):
        StreamPipeline(network, slots=0, latent_shape=SHAPE, conditioning=FITS, sizes=(1, 4))


def test_an_answer_of_the_wrong_shape_is_refused() -> None:
    stream = stream_of(lambda latents, timesteps, conditioning: latents[:, :1])
    stream.admit(None, flow_matching_schedule(2, 1.0), words(0))
    with pytest.raises(StreamError, match="The denoiser answered"):
        stream.step()


def test_a_picture_that_can_not_be_written_takes_no_slot() -> None:
    stream = stream_of(network)
    for _ in range(5):
        with pytest.raises(NotImplementedError):  # a latent without memory
            stream.admit(torch.empty(SHAPE, device="meta"), flow_matching_schedule(2, 0.5), words(0))
    assert (stream.in_flight, stream.free) == (0, 4)


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_a_step_whose_network_call_failed_can_be_taken_again(failing: int) -> None:
    calls = itertools.count(1)

    def at_times_broken(*batch: Any) -> torch.Tensor:
        if next(calls) == failing:
            raise MemoryError
        return network(*batch)

    order = Order(3, 0.9, 2.0, 0, 0, "everything", "free")  # reads the noise on its path, which is another every row
    stream, finished = stream_of(at_times_broken), list[FinishedLatent]()
    stream.admit(picture(0), schedule_of(order), words(0), guidance=Guidance(2.0, "free"), noise=noise_of(order))
    while stream.in_flight:
        try:
            finished += stream.step()
        except MemoryError:
            continue
    torch.testing.assert_close(finished[0].latent, alone(order, 0, torch.float64), rtol=0, atol=1e-10)
