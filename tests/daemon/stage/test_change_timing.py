"""Changes for a beat, played through a renderer of whole microseconds: the first picture is on the nearest tick."""

import numpy as np
import pytest

from daemon.shared.clock import NS
from daemon.stage.change_timing import ChangeTiming
from daemon.stage.metrics import Lead
from daemon.stage.tick_schedule import TickSchedule
from io_bridges.rates import exact_rate

MS = 1_000_000
BEGIN = 1000 * NS
PERIOD = NS // 30


class PlayedRenderer:
    """Asks, draws and delivers as a renderer does, on the time of the test.

    It waits for the frames of a source if there are any. A lively one, whose look moves by itself, never waits.
    """

    def __init__(self, drawing: int, frames: int | None, is_lively: bool) -> None:
        """`drawing` is the time of a picture, give or take a millisecond.

        `frames` is the time of a frame of a source of 30 a second. All are in ns.
        """
        self.lead = Lead()
        self.timing = ChangeTiming(schedule := TickSchedule(exact_rate(30)), self.lead)
        schedule.begin(BEGIN)
        self.answers = [BEGIN - PERIOD]
        self.timing.interval = lambda: float(np.mean(np.diff(self.answers[-16:])))
        self.drawing, self.frames, self.is_lively = drawing, frames, is_lively
        self.now = BEGIN
        self.pictures = 0

    def next_frame(self) -> int | None:
        """Return the time of the next frame."""
        return None if self.frames is None else self.now + (self.frames - self.now) % PERIOD

    def draw(self, changes: tuple[int, int] | None = None) -> tuple[int, int]:
        """Draw one picture. Return when it was begun and when it came.

        `changes` are the time of a change, and that at which it wakes a renderer that waits.
        """
        if not self.is_lively:
            made, woken = changes or (1 << 62, 1 << 62)
            wakes = max(self.now, woken if made <= woken else made)
            frame = self.next_frame()
            self.now = wakes if frame is None else min(frame, wakes)
        begun = self.now
        self.answers.append(begun)
        self.pictures += 1
        self.now += self.drawing + (self.pictures % 3 - 1) * MS
        self.timing.arrived(begun, self.now)
        self.lead.mark(tick_after(self.now) - begun, self.now)
        return begun, self.now

    def landed(self, beat: int, late: int = 0) -> int:
        """Return the tick with the first picture of a change that is made for a beat, so many ns too late."""
        made, woken = self.timing.times(beat, self.now)
        assert made > self.now, "the beat is far enough"
        while True:
            begun, came = self.draw((made + late, woken))
            if begun >= made + late:
                return tick_after(came)


def tick_after(moment: int) -> int:
    return BEGIN + -(-(moment - BEGIN) // PERIOD) * PERIOD


@pytest.mark.parametrize("drawing", [3 * MS, 14 * MS, 23 * MS, 31 * MS])
@pytest.mark.parametrize("frames", [1 * MS, 9 * MS, 17 * MS, 26 * MS, None])
@pytest.mark.parametrize("is_lively", [False, True])
def test_change_lands_on_the_nearest_tick(drawing: int, frames: int | None, is_lively: bool) -> None:
    for offset in range(40):
        renderer = PlayedRenderer(drawing, None if frames is None else BEGIN + frames, is_lively)
        if frames is not None or is_lively:
            for _ in range(50):
                renderer.draw()
        else:  # a still picture: one was drawn, long ago
            renderer.timing.arrived(renderer.now - drawing, renderer.now)
            renderer.answers.append(BEGIN)
        beat = renderer.now + 300 * MS + offset * PERIOD // 40 + 137
        assert abs(renderer.landed(beat) - beat) <= PERIOD // 2 + 1000, f"the beat is {offset / 40} periods on"


@pytest.mark.parametrize("drawing", [14 * MS, 23 * MS, 31 * MS])
@pytest.mark.parametrize("frames", [1 * MS, 9 * MS, 17 * MS, 26 * MS])
def test_change_in_step_may_be_late(drawing: int, frames: int) -> None:
    """A timer and a disk take some milliseconds. With a picture for each tick, wherever it comes, there is time."""
    for offset in range(0, 40, 3):
        renderer = PlayedRenderer(drawing, BEGIN + frames, is_lively=False)
        for _ in range(50):
            renderer.draw()
        beat = renderer.now + 300 * MS + offset * PERIOD // 40 + 137
        assert abs(renderer.landed(beat, late=8 * MS) - beat) <= PERIOD // 2 + 1000, offset


def test_slow_renderer_lands_next_to_the_beat() -> None:
    for offset in range(0, 200, 7):
        renderer = PlayedRenderer(100 * MS, None, is_lively=True)
        for _ in range(50):
            renderer.draw()
        beat = renderer.now + 400 * MS + offset * MS
        assert abs(renderer.landed(beat) - beat) <= 50 * MS + PERIOD, "half a picture of its own, and a tick"


def test_pictures_between_two_are_made_up_for() -> None:
    renderer = PlayedRenderer(20 * MS, None, is_lively=False)
    renderer.timing.arrived(BEGIN, BEGIN + 20 * MS)
    renderer.answers.append(BEGIN)
    at_once = renderer.timing.times(BEGIN + NS, BEGIN)
    renderer.timing.delay = 50 * MS
    later = renderer.timing.times(BEGIN + NS, BEGIN)
    assert [before - after for before, after in zip(at_once, later, strict=True)] == [50 * MS] * 2
