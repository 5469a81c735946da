"""Steps that are recorded and replayed: the same pictures, none touched by the preparation, each step recorded once.

A CUDA graph can't be made without a GPU. What stands in for its recorder keeps the rules of one: it does not run what
it records, and what it answers runs just that, with the arguments of then.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from stream_orders import FITS, MIXED, SHAPE, Order, alone, network, noise_of, picture, schedule_of, words

from pipeline.graph_capture import CapturedStep
from pipeline.guidance import Guidance, Kind
from pipeline.step_block import StepTerms
from pipeline.stream import StreamPipeline
from presets.errors import AcceleratorUnavailable

SIZES = (1, 2, 3, 4, 6, 8)


class Recorder:
    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, work: Callable[[], None]) -> Callable[[], Any]:
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            work()

        return replay


def stream_with(recorder: Recorder, denoiser: Any = network) -> StreamPipeline:
    return StreamPipeline(
        denoiser, slots=4, latent_shape=SHAPE, conditioning=FITS, sizes=SIZES, second_time=True, dtype=torch.float64,
        recorder=recorder,
    )  # fmt: skip


def admit(stream: StreamPipeline, index: int, order: Order) -> None:
    source = None if order.strength == 1 else picture(index)
    guidance = Guidance(order.guidance, order.kind)
    stream.admit(source, schedule_of(order), words(order.text), guidance=guidance, noise=noise_of(order), ticket=index)


def test_replayed_steps_draw_every_picture_as_it_is_alone_and_warming_up_in_flight_touches_none() -> None:
    recorder = Recorder()
    stream = stream_with(recorder)
    orders, out = MIXED * 3, dict[object, torch.Tensor]()
    for index, order in enumerate(orders):
        while not stream.free:
            out |= {ticket: latent.clone() for latent, ticket in stream.step()}
        admit(stream, index, order)
        if index == 2:
            stream.warm_up()
            assert recorder.recorded == 4 * len(SIZES)
            assert recorder.replayed == 0
        out |= {ticket: latent.clone() for latent, ticket in stream.step()}
    while stream.in_flight:
        out |= {ticket: latent.clone() for latent, ticket in stream.step()}
    assert list(out) == list(range(len(orders)))
    for index, order in enumerate(orders):
        torch.testing.assert_close(out[index], alone(order, index, torch.float64), rtol=0, atol=1e-10)
    assert recorder.replayed >= 5


@pytest.mark.parametrize(
    ("family", "kind", "fresh", "replayed"),
    [
        ("euler", "full", False, 4),
        ("euler", "self_negative", False, 4),
        ("euler", "onetime_negative", False, 4),  # its first row finds its anchor, where no picture has one yet
        ("everything", "full", True, 4),  # its last row adds no noise
        ("everything", "full", False, 1),
    ],
)
def test_each_kind_of_guidance_is_replayed_and_what_was_not_prepared_runs_plainly(
    family: str, kind: Kind, fresh: bool, replayed: int
) -> None:
    recorder = Recorder()
    stream = stream_with(recorder)
    stream.warm_up(fresh)
    before = recorder.recorded
    order = Order(4, 0.9, 2.0, 0, 0, family, kind)
    admit(stream, 0, order)
    finished = [each for _ in range(4) for each in stream.step()]
    assert recorder.recorded == before, "nothing is recorded during the show"
    assert recorder.replayed == replayed
    torch.testing.assert_close(finished[0].latent, alone(order, 0, torch.float64), rtol=0, atol=1e-10)


def test_pictures_of_every_kind_of_guidance_go_in_one_recorded_step() -> None:
    recorder = Recorder()
    stream = stream_with(recorder)
    stream.warm_up()
    kinds: tuple[tuple[Kind, float], ...] = (("full", 2.0), ("free", 1.5), ("onetime_negative", 1.8), ("full", 1.0))
    orders = [Order(4, 0.9, scale, index, index % 2, "euler", kind) for index, (kind, scale) in enumerate(kinds)]
    for index, order in enumerate(orders):
        admit(stream, index, order)
    out = {ticket: latent.clone() for _ in range(4) for latent, ticket in stream.step()}
    assert recorder.replayed == 4
    for index, order in enumerate(orders):
        torch.testing.assert_close(out[index], alone(order, index, torch.float64), rtol=0, atol=1e-10)


def test_the_recording_with_the_fewest_terms_beside_those_wanted_is_replayed() -> None:
    ran: list[tuple[int, StepTerms]] = []

    class State:
        def rest(self) -> None: ...

        def advance(self, size: int, terms: StepTerms) -> None:
            ran.append((size, terms))

    def terms(letters: str) -> StepTerms:
        return StepTerms(*(letter in letters for letter in "urfa"))

    recorded = CapturedStep(State(), Recorder())
    recorded.prepare([2, 4], map(terms, ("", "u", "r", "ura")))
    for wanted, replayed in (("", ""), ("u", "u"), ("r", "r"), ("a", "ura"), ("ur", "ura"), ("ua", "ura")):
        for _ in range(2):  # found once, and known from then on
            ran.clear()
            recorded.advance(2, terms(wanted))
            assert ran == [(2, terms(replayed))]
    ran.clear()
    recorded.advance(2, terms("f"))
    recorded.advance(3, terms("u"))
    assert ran == [(2, terms("f")), (3, terms("u"))], "what is in no recording runs as it is"


def test_what_can_not_be_recorded_is_an_accelerator_that_can_not_be_used() -> None:
    class State:
        def rest(self) -> None: ...

        def advance(self, size: int, terms: Any) -> None:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    with pytest.raises(AcceleratorUnavailable, match=r"A step of 3 rows can't be recorded .* not permitted"):
        CapturedStep(State(), Recorder()).prepare([1, 3], ["plain"])
