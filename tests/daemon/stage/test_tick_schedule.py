"""The grid of the output clock: exact over hours, and in step with pictures that come at nearly its rate."""

import random
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hand_clock import HandClock

from daemon.shared.clock import NS
from daemon.shared.mailbox import Mailbox
from daemon.stage.burst_spreader import BurstSpreader
from daemon.stage.loss_cover import LossCover
from daemon.stage.output_clock import OutputClock
from daemon.stage.phase_lock import PhaseLock
from daemon.stage.tick_schedule import TickSchedule
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.rates import exact_rate
from presets.parameters import Parameters

PARAMETERS = Parameters()
STANDARD = [23.976, 24, 25, 29.97, 30, 50, 59.94, 60]
PIXELS = np.zeros((2, 2, 3), np.uint8)


class Show:
    """An output clock whose time a test turns, with pictures that come from a sender with a clock of its own."""

    def __init__(self, fps: float, lock: PhaseLock | None = None) -> None:
        self.clock = HandClock()
        self.start = self.clock.now()
        self.rendered = BurstSpreader(self.clock)
        self.arrivals: list[tuple[int, RenderedFrame]] = []
        self.ticks: list[Tick] = []
        self.shown: list[int] = []
        self.stop_after = 0
        slate: Mailbox[RenderedFrame] = Mailbox()
        slate.put(RenderedFrame(PIXELS, -1, -1, 0, 0))
        cover = LossCover(fps, lambda: "hold")
        self.output = OutputClock(fps, self, lambda: PARAMETERS, self.rendered, slate, slate, self, cover, lock)

    def now(self) -> int:
        return self.clock.now()

    def sleep_until(self, moment: int) -> None:
        while self.arrivals and self.arrivals[-1][0] <= moment:
            at, frame = self.arrivals.pop()
            self.clock.time = at
            self.rendered.put(frame)
            self.output.arrived(frame, 0)
        self.clock.sleep_until(moment)

    def put(self, value: tuple[RenderedFrame, Tick]) -> None:
        self.shown.append(value[0].index)
        self.ticks.append(value[1])
        if len(self.ticks) >= self.stop_after:
            self.output.stop()

    def play(self, ticks: int) -> None:
        self.stop_after = ticks
        self.output.run()

    def expect(self, fps: float, seconds: float, uneven: float, first: float = 0.0) -> None:
        """Have pictures come at a rate, each up to `uneven` seconds late."""
        chance = random.Random(1)
        times = (first + number / fps + chance.uniform(0, uneven) for number in range(round(seconds * fps)))
        frames = [
            (self.start + round(at * NS), RenderedFrame(PIXELS, number, number, 1, 0))
            for number, at in enumerate(times)
        ]
        self.arrivals = frames[::-1]

    def beats(self, skip: int) -> int:
        """Return how many pictures were shown twice or left out after the first `skip` ticks."""
        shown = self.shown[skip:]
        return sum(later - earlier != 1 for earlier, later in pairwise(shown))


@pytest.mark.parametrize("fps", STANDARD)
def test_grid_is_exact_over_an_hour(fps: float) -> None:
    rate = exact_rate(fps)
    schedule = TickSchedule(rate)
    schedule.begin(1000)
    for _ in range(int(rate * 3600)):
        assert schedule.advance(schedule.due) == 0
    assert abs(schedule.due - 1000 - Fraction(int(rate * 3600) * NS) / rate) <= 1, "to a nanosecond"


@pytest.mark.parametrize(("fps", "seconds"), [(fps, 3600 if fps == 59.94 else 60) for fps in STANDARD])
def test_output_clock_keeps_the_grid(fps: float, seconds: int) -> None:
    rate = exact_rate(fps)
    ticks = int(rate * seconds) + 1
    show = Show(fps)
    show.play(ticks)
    assert len(show.ticks) == ticks
    assert show.output.missed == 0
    for number in (1, ticks // 2, ticks - 1):
        assert abs(show.ticks[number].at - show.start - Fraction(number * NS) / rate) <= 1, "to a nanosecond"


def test_rate_changes_without_a_jump() -> None:
    schedule = TickSchedule(Fraction(25))
    schedule.begin(1000)
    times = [schedule.due]
    for number in range(8):
        if number == 3:
            schedule.wanted = Fraction(50)
        schedule.advance(schedule.due)
        times.append(schedule.due)
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert steps == [NS // 25] * 4 + [NS // 50] * 4


def test_pushes_move_the_due_times_only() -> None:
    schedule = TickSchedule(Fraction(25))
    schedule.begin(0)
    for _ in range(10):
        schedule.advance(schedule.due, push=500)
    assert (schedule.due, schedule.lag) == (10 * NS // 25 + 9 * 500, 9 * 500)


def test_missed_ticks_stay_in_phase() -> None:
    schedule = TickSchedule(Fraction(25))
    schedule.begin(0)
    schedule.advance(0)
    assert schedule.advance(round(10.5 * NS / 25)) == 8
    assert schedule.due == 10 * NS // 25
    assert schedule.advance(schedule.due) == 0
    assert schedule.due == 11 * NS // 25


@pytest.mark.parametrize("fps", [24, 29.97, 60])
@pytest.mark.parametrize("millionths", [-80, 80])
def test_no_beat_beside_a_senders_clock(fps: float, millionths: int) -> None:
    """A quarter of an hour with a clock that is 80 millionths off, and times uneven by a third of a period."""
    sent = float(exact_rate(fps)) * (1 + millionths / 1e6)
    seconds, settled = 900, round(30 * fps)
    free, locked = Show(fps), Show(fps, PhaseLock())
    for show in (free, locked):
        show.expect(sent, seconds, uneven=0.33 / fps)
        show.play(round((seconds - 1) * fps))
    assert free.beats(settled) > 20, "without the lock the pictures drift past the ticks"
    assert locked.beats(settled) == 0
    steps = np.diff([tick.at for tick in locked.ticks])
    assert steps.max() - steps.min() <= 1, "recordings stay even"


def test_lock_covers_a_wrong_guess_of_the_rate() -> None:
    """29.97 a second measured as 30."""
    show = Show(30, PhaseLock())
    show.expect(30000 / 1001, 300, uneven=0.004)
    show.play(round(299 * 29.97))
    assert show.beats(900) == 0


@pytest.mark.parametrize("fps", [7.3, 11.0, 47.0])
def test_pictures_of_another_rate_move_nothing(fps: float) -> None:
    show = Show(30, PhaseLock())
    show.expect(fps, 60, uneven=0.005)
    show.play(30 * 59)
    assert abs(show.clock.now() - show.ticks[-1].at) < NS // 60, "less than half a period in a minute"
