"""Pictures between two drawn ones: when they are shown, and when nothing is between."""

import threading

import numpy as np
import pytest

from daemon.stage.between_frames import LONGEST, BetweenFrames
from io_bridges.between import BetweenMode
from io_bridges.frames import RenderedFrame

PERIOD = 20_000_000


def picture(index: int, value: int, shape: tuple[int, int, int] = (32, 48, 3)) -> RenderedFrame:
    return RenderedFrame(np.full(shape, value, np.uint8), index, index, index + 1, 0)


class Playing:
    """Ticks of the output, each after the picture that was ordered at the tick before is ready."""

    def __init__(self, mode: BetweenMode = "blend") -> None:
        self.between = BetweenFrames()
        self.mode = mode
        self.due = 0

    def ticks(self, newest: RenderedFrame, count: int, late: bool = False) -> list[int]:
        shown = []
        for _ in range(count):
            frame = self.between.choose(newest, self.mode, self.due, self.due + PERIOD)
            shown.append(int(frame.pixels[0, 0, 0]))
            if not late:
                self.between.make()
            self.due += PERIOD
        return shown


def test_pictures_are_filled_evenly() -> None:
    show = Playing()
    assert show.ticks(picture(0, 0), 4) == [0, 0, 0, 0]
    assert show.ticks(picture(1, 80), 4) == [0, 20, 40, 60]
    assert show.ticks(picture(2, 160), 6) == [80, 100, 120, 140, 160, 160]


def test_stamps_are_of_the_nearer_picture() -> None:
    show = Playing()
    show.ticks(picture(0, 0), 4)
    newest, indices = picture(1, 80), []
    for _ in range(6):
        indices.append(show.between.choose(newest, "blend", show.due, show.due + PERIOD).index)
        show.between.make()
        show.due += PERIOD
    assert indices == [0, 0, 1, 1, 1, 1]


def test_hold_shows_the_newest_at_once() -> None:
    show = Playing("hold")
    assert show.ticks(picture(0, 0), 4) + show.ticks(picture(1, 80), 2) == [0, 0, 0, 0, 80, 80]


def test_late_picture_holds_the_last() -> None:
    show = Playing()
    show.ticks(picture(0, 0), 4)
    assert show.ticks(picture(1, 80), 2) == [0, 20]
    assert show.ticks(show.between._newest or picture(9, 9), 2, late=True)[1] == 40
    assert show.ticks(show.between._newest or picture(9, 9), 1) == [80]


def test_fast_model_has_nothing_between() -> None:
    show = Playing()
    shown = [value for index in range(4) for value in show.ticks(picture(index, 50 * index), 1)]
    assert shown == [0, 50, 100, 150]


def test_long_pause_cuts() -> None:
    show = Playing()
    show.ticks(picture(0, 0), LONGEST // PERIOD + 2)
    assert show.ticks(picture(1, 80), 2) == [80, 80]


@pytest.mark.parametrize("first", [picture(-1, 0), picture(0, 0, (16, 16, 3))])
def test_slate_and_other_size_cut(first: RenderedFrame) -> None:
    show = Playing()
    show.ticks(first, 4)
    assert show.ticks(picture(1, 80), 2) == [80, 80]


def test_forgotten_picture_is_not_faded_from() -> None:
    show = Playing()
    show.ticks(picture(0, 0), 4)
    show.between.forget()
    assert show.ticks(picture(1, 80), 2) == [80, 80]


def test_thread_makes_what_is_ordered() -> None:
    show, stopping = Playing(), threading.Event()
    thread = threading.Thread(target=show.between.work, args=(stopping,))
    thread.start()
    try:
        show.ticks(picture(0, 0), 4, late=True)
        newest = picture(1, 80)
        show.between.choose(newest, "blend", show.due, show.due + PERIOD)
        for _ in range(500):
            if show.between._made is not None:
                break
            stopping.wait(0.01)
        show.due += PERIOD
        assert int(show.between.choose(newest, "blend", show.due, show.due + PERIOD).pixels[0, 0, 0]) == 20
    finally:
        stopping.set()
        thread.join()
