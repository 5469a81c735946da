"""The player on a real link with the shipped model, one turn at a time: which frames it draws, when, and from what."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from daemon.link.client import LinkClient
from daemon.link.dealer import Sharing
from daemon.link.messages import NetworkCall
from daemon.link.renderer_report import RendererReport
from daemon.link.resolved_frame import ResolvedFrame
from daemon.link.server import LinkServer
from daemon.renderer.player import IDLE_PATIENCE, Player
from daemon.shared.clock import SystemClock
from io_bridges.frames import Frame, RenderedFrame
from pipeline.image_stream import ImageStream
from presets.build import Build
from presets.fades import Change, MorphTime
from presets.frame_parameters import without_morph
from presets.morph import MorphState, is_moving, start_morphs, update_morphs
from presets.morph import resolve_frame as moment_at
from presets.parameters import Parameters

SIDE, SLOTS = 64, 4
STEPS = 3
PLAIN = {"strength": 0.9, "steps": STEPS}
"""Three rows for each frame, so three frames in flight."""


def card(index: int) -> NDArray[np.uint8]:
    return np.random.default_rng(index).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def stream() -> ImageStream:
    torch.set_num_threads(1)
    return ImageStream.build(
        Build(width=SIDE, height=SIDE, accelerator="eager", slots=SLOTS, threads=1), lambda text, fraction: None
    )


class Rig:
    """The stage's end of a link, and a player, with access to both."""

    def __init__(self, stream: ImageStream) -> None:
        stream.clear()
        self.clock = SystemClock()
        self.stream = stream
        self.look: dict[str, object] = dict(PLAIN)
        self.revision = 1
        self.course: MorphState | None = None
        """Course of a morph to the new look, counted in frames."""
        self.asked = 0
        self.frame: Frame | None = None
        self.serial = 0
        self.live = False
        """True for a source that has a new frame at every ask."""
        self.drawn: list[RenderedFrame] = []
        self.places: list[tuple[int, int]] = []
        self.link = LinkServer(self, self.clock, self._on_delivery)
        self.link.start()
        self.report = self.link.expect()
        self.connection = LinkClient(self.link.endpoint, self.report.token)
        self.player = Player(self.connection, stream)

    @property
    def call(self) -> NetworkCall:
        return self.report.deliveries.call

    def close(self) -> None:
        self.connection.close()
        self.link.close()

    # Methods that the link calls.

    def resolved_frame(self) -> tuple[int, bytes]:
        if self.course is None:
            frame = without_morph(Parameters.model_validate(self.look))
            return self.revision, ResolvedFrame(frame, False).encode()
        self.asked += 1
        at = MorphTime(0.0, self.asked)
        frame = ResolvedFrame(moment_at(self.course, at), is_moving(self.course, at))
        return self.revision, frame.encode()

    def newest_frame(self, width: int, height: int) -> tuple[Frame | None, int]:
        if self.live:
            self.frame = Frame(card(self.serial), self.serial, self.clock.now())
            self.serial += 1
        return self.frame, self.serial

    def sharing(self) -> Sharing:
        return Sharing()

    def draws_from_text(self) -> bool:
        return self.look.get("mode") == "text" or self.serial == 0

    def _on_delivery(self, report: RendererReport, frame: RenderedFrame, place: int, of: int) -> None:
        self.drawn.append(frame)
        self.places.append((place, of))

    # Methods that a test calls.

    def show(self, pixels: NDArray[np.uint8]) -> None:
        """Give the source a new frame. Its index is the number of frames before it."""
        self.frame = Frame(pixels, self.serial, self.clock.now())
        self.serial += 1
        self.link.ring()

    def set(self, **values: object) -> None:
        """Change parameters."""
        self.look |= values
        self.revision += 1

    def morph(self, pictures: int, **values: object) -> None:
        """Change parameters by a morph."""
        before = start_morphs(Parameters.model_validate(self.look), MorphTime(0.0))
        self.set(morph_pictures=pictures, **values)
        wanted = Parameters.model_validate(self.look)
        self.course = update_morphs(before, wanted, MorphTime(0.0, self.asked + 1), Change.CONTROL)

    def turn(self, pixels: NDArray[np.uint8] | None = None) -> int:
        """Run one turn, with a new source frame or without. Return the number of admitted frames."""
        if pixels is not None:
            self.show(pixels)
        before = len(self._admitted)
        self.player.turn()
        return len(self._admitted) - before

    def rest(self) -> list[RenderedFrame]:
        """Wait until every frame in flight has reached the stage, and clear the record."""
        while self.stream.in_flight:
            self.player._step()
        self.connection.progress("playing", "the end", 1.0)
        deadline = time.monotonic() + 10
        while self.report.progress.text != "the end":
            assert time.monotonic() < deadline
            time.sleep(0.005)
        self.connection.progress("playing", "", 1.0)
        drawn, self.drawn = self.drawn, []
        return drawn

    def count(self) -> None:
        """Count admissions from here on."""
        self._admitted: list[object] = []
        admit: Callable[..., None] = self.stream.admit

        def counted(*arguments: object) -> None:
            admit(*arguments)
            self._admitted.append(arguments)

        self.stream.admit = counted  # type: ignore[method-assign]


@pytest.fixture
def rig(stream: ImageStream) -> Iterator[Rig]:
    rig = Rig(stream)
    rig.count()
    yield rig
    del stream.admit
    rig.close()


def indices(frames: list[RenderedFrame]) -> list[int]:
    return [frame.source_index for frame in frames]


def test_stream_admits_before_each_call(rig: Rig) -> None:
    flights = []
    for number in range(5):
        rig.turn(card(number))
        flights.append(rig.stream.in_flight)
    assert flights == [1, 2, 2, 2, 2], "the third call finishes the first picture"
    drawn = rig.rest()
    assert indices(drawn) == [0, 1, 2, 3, 4]
    assert all(frame.captured_at for frame in drawn)
    assert (rig.call.pacing, rig.call.in_flight) == ("stream", 1)


def test_low_latency_one_at_a_time(rig: Rig) -> None:
    rig.set(low_latency=True)
    assert [rig.turn(card(number)) for number in range(9)] == [1, 0, 0] * 3
    assert rig.report.progress.phase == "playing", "while it does not ask it says that it lives"
    assert indices(rig.rest()) == [0, 3, 6]
    assert (rig.call.pacing, rig.call.in_flight) == ("low latency", 1)


def test_low_latency_on_and_off(rig: Rig) -> None:
    for number in range(3):
        rig.turn(card(number))
    rig.set(low_latency=True)
    assert [rig.turn(card(number)) for number in range(3, 10)] == [1, 0, 0, 1, 0, 0, 1]
    rig.set(low_latency=False)
    assert [rig.turn(card(number)) for number in range(10, 16)] == [0, 0, 1, 1, 1, 1]
    assert indices(rig.rest()) == [0, 1, 2, 3, 6, 9, 12, 13, 14, 15]


@pytest.mark.parametrize(("together", "begun"), [(1, [1] * 6), (2, [2, 2, 0, 2, 2, 0]), (4, [4, 0, 0, 4, 0, 0])])
def test_frame_buffer_of_live_source(rig: Rig, together: int, begun: list[int]) -> None:
    rig.set(frame_buffer=together)
    rig.live = True
    assert [rig.turn() for _ in range(6)] == begun
    rig.live = False
    drawn = rig.rest()
    assert len(drawn) == sum(begun)
    assert indices(drawn) == sorted(set(indices(drawn)))
    assert rig.places == [(place, together) for _ in range(len(drawn) // together) for place in range(together)]


def test_frame_buffer_of_still_source(rig: Rig) -> None:
    rig.set(frame_buffer=4)
    assert [rig.turn(card(0)), rig.turn(), rig.turn()] == [1, 0, 0]
    assert indices(rig.rest()) == [0]


def test_frame_buffer_at_low_latency(rig: Rig) -> None:
    rig.set(frame_buffer=2, low_latency=True)
    rig.live = True
    assert [rig.turn() for _ in range(6)] == [2, 0, 0] * 2
    assert rig.rest()
    assert rig.call.in_flight == 2


def test_similar_frames_are_skipped(rig: Rig) -> None:
    rig.set(skip=2.0, skip_longest=3)
    before = card(0)
    assert rig.turn(before) == 1
    assert [rig.turn(np.maximum(before, 4)) for _ in range(4)] == [0, 0, 0, 1], "the longest run is three"
    assert rig.turn(card(1)) == 1
    assert rig.turn(card(1)) == 0
    rig.set(seed=5)
    assert rig.turn() == 1, "another seed draws it all the same"
    assert rig.turn(card(1)) == 0
    rig.set(feedback=0.5)
    assert [rig.turn(card(1)) for _ in range(3)] == [1, 1, 1]
    rig.set(feedback=0.0, mode="text")
    assert [rig.turn() for _ in range(3)] == [1, 1, 1]
    drawn = rig.rest()
    assert indices(drawn)[:4] == [0, 4, 5, 6], "the newest picture is the one that is drawn, not the one skipped from"
    assert indices(drawn)[-3:] == [-1, -1, -1]


def test_still_source_with_feedback(rig: Rig) -> None:
    assert [rig.turn(card(0)), rig.turn(), rig.turn()] == [1, 0, 0]
    rig.set(feedback=0.5, feedback_rotate=20.0)
    assert [rig.turn() for _ in range(8)] == [1] * 8
    rig.set(feedback=0.0)
    assert [rig.turn() for _ in range(3)] == [1, 0, 0]
    drawn = rig.rest()
    assert indices(drawn) == [0] * 10
    assert [bool(frame.captured_at) for frame in drawn] == [True] + [False] * 9, "drawn once more it is no measure"
    again = np.abs(drawn[-1].pixels.astype(int) - drawn[0].pixels).max()
    assert again <= 2, "up to the rounding of another batch, which is none on some processors"
    assert len({frame.pixels.tobytes() for frame in drawn[1:9]}) > 5


def test_revision_under_prompt_flood(rig: Rig) -> None:
    """The worst case for panic: a newer prompt is wanted with each frame, and every prompt has to be encoded."""
    known = rig.stream.vocabulary
    assert known is not None
    texts = known.phrases()  # unknown words would all be encoded as one
    rig.set(prompt=texts[0])
    rig.turn(card(0))
    rig.rest()
    panicked = rig.revision + 1
    rig.set(seed=9, prompt=texts[1])
    for number in range(2, 12):
        rig.turn(card(number))
        running = rig.player._words._running
        rig.set(prompt=texts[number])
        if running is not None:
            running[1].result(20)
    words = rig.player._words
    assert words._done is not None
    assert words._done[0] is not words._wanted, "newer ones are still on their way"
    assert any(frame.revision >= panicked for frame in rig.rest())


def test_morph_of_still_source(rig: Rig) -> None:
    rig.set(prompt="ice", seed=1)
    assert [rig.turn(card(0)), rig.turn(), rig.turn()] == [1, 0, 0]
    before = rig.rest()
    for text in ("ice", "fire"):
        rig.stream.encode(without_morph(Parameters(prompt=text)).wording)  # known texts: nothing is waited for
    rig.morph(4, prompt="fire", seed=2)
    assert [rig.turn() for _ in range(7)] == [1, 1, 1, 1, 0, 0, 0]
    drawn = rig.rest()
    assert indices(drawn) == [0] * 4
    assert {frame.revision for frame in drawn} == {rig.revision}
    looks = [before[0].pixels, *(frame.pixels for frame in drawn)]
    assert all(np.abs(one.astype(int) - other).mean() > 1 for one, other in pairwise(looks))
    rig.course = None
    rig.set(brightness=0.5)  # a new revision draws it once more, at rest
    assert rig.turn() == 1
    assert np.abs(rig.rest()[0].pixels.astype(int) - drawn[-1].pixels).max() <= 2, "up to a batch's own rounding"


def test_morph_does_not_wait_for_source(rig: Rig) -> None:
    rig.turn(card(0))
    rig.rest()
    rig.morph(100, seed=2)
    assert rig.turn() == 1
    assert rig.player._patience(0) == 0.0
    assert rig.turn(card(1)) == 1
    assert 0.0 < rig.player._patience(0) <= IDLE_PATIENCE, "another fresh picture may be on its way"
    assert indices(rig.rest()) == [0, 1]
