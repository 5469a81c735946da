"""Times at which the pictures of one network call are shown."""

import numpy as np
from hand_clock import HandClock

from daemon.shared.clock import NS
from daemon.stage.burst_spreader import LONGEST, WAITING, BurstSpreader
from io_bridges.frames import RenderedFrame

PERIOD = NS // 10


def picture(index: int) -> RenderedFrame:
    return RenderedFrame(np.zeros((2, 2, 3), np.uint8), index, index, 1, 0)


class Rig:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.spread = BurstSpreader(self.clock)

    def burst(self, *indices: int) -> None:
        for place, index in enumerate(indices):
            self.spread.put(picture(index), place, len(indices))

    def shown(self, after: float = 0.0) -> int | None:
        """Return the index on air after so many periods."""
        self.clock.time += round(after * PERIOD)
        frame = self.spread.peek()
        return None if frame is None else frame.index


def test_single_picture_is_shown_immediately() -> None:
    rig = Rig()
    assert rig.shown() is None
    for index in range(3):
        rig.burst(index)
        assert rig.shown() == index
        assert rig.shown(after=1) == index


def test_pictures_of_one_call_are_spread() -> None:
    rig = Rig()
    rig.burst(0, 1, 2, 3)
    rig.shown(after=1)
    rig.burst(4, 5, 6, 7)
    assert [rig.shown(after) for after in (0, 0.2, 0.1, 0.2, 0.26, 0.2)] == [4, 4, 5, 6, 7, 7]


def test_next_call_drops_what_waits() -> None:
    rig = Rig()
    rig.burst(0, 1)
    rig.shown(after=1)
    rig.burst(2, 3)
    assert rig.shown(after=0.3) == 2
    rig.burst(4)
    assert rig.shown() == 4
    assert rig.shown(after=5) == 4


def test_no_spread_after_a_pause() -> None:
    rig = Rig()
    rig.burst(0, 1)
    assert rig.shown() == 1
    rig.clock.time += LONGEST + 1
    rig.burst(2, 3)
    assert rig.shown() == 3


def test_waiting_pictures_are_bounded() -> None:
    rig = Rig()
    rig.burst(0)
    rig.shown(after=1)
    rig.burst(*range(100))
    assert len(rig.spread._waiting) <= WAITING
    assert rig.shown(after=1) == 99
