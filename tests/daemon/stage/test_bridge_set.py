"""Bridges that hang are replaced, but not without end."""

import threading
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hand_clock import HandClock

from daemon.shared.clock import NS
from daemon.stage.bridge_set import MOST_HUNG, BridgeSet
from daemon.stage.newest_frame import NewestFrame
from daemon.stage.sink_thread import SinkThread
from daemon.stage.source_thread import Fitting, SourceThread
from io_bridges.builtin_sources import EmptySource
from io_bridges.frames import RenderedFrame, Tick
from presets.errors import BridgeError
from presets.parameters import Parameters


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.005)


class Disk:
    """A sink whose writes hang until `stuck` is set."""

    stuck = threading.Event()
    users = 0
    written = 0

    def open(self, width: int, height: int, fps: float) -> None:
        if Disk.users > MOST_HUNG:
            raise BridgeError("it is in use")
        Disk.users += 1

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        Disk.stuck.wait(30)
        Disk.written += 1

    def close(self) -> None:
        Disk.users -= 1

    def status(self) -> dict[str, object]:
        return {}


def test_hung_sink_threads_are_bounded() -> None:
    clock = HandClock()
    made: list[SinkThread] = []

    def make_sink() -> SinkThread:
        made.append(SinkThread("disk:", Disk(), clock, 8, 8, 25.0))
        return made[-1]

    bridges = BridgeSet(
        lambda: SourceThread("none:", EmptySource(), clock, NewestFrame(clock, Parameters), lambda: Fitting(8, 8)),
        [make_sink],
    )
    bridges.sinks[0].start()
    picture = (RenderedFrame(np.zeros((8, 8, 3), np.uint8), 1, 1, 1, 1), Tick(0, 0, False))
    for _ in range(3 * MOST_HUNG):
        bridges.put(picture)
        until(lambda: bridges.sinks[0]._called_at is not None)
        clock.time += 6 * NS
        bridges.replace_stuck()
    assert bridges.abandoned == MOST_HUNG
    assert len(made) == MOST_HUNG + 1
    Disk.stuck.set()
    for thread in made[:-1]:
        thread.join(20)
    written = Disk.written
    bridges.put(picture)
    until(lambda: Disk.written > written)
    bridges.replace_stuck()
    assert len(made) == MOST_HUNG + 1, "the last one works again"
    bridges.sinks[0].stop()
    bridges.sinks[0].join(20)


class Board:
    """A sink that keeps the numbers of its ticks."""

    def __init__(self) -> None:
        self.ticks: list[int] = []
        self.closed = 0

    def open(self, width: int, height: int, fps: float) -> None:
        pass

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        self.ticks.append(tick.index)

    def close(self) -> None:
        self.closed += 1

    def status(self) -> dict[str, object]:
        return {}


def test_sinks_come_and_go_between_ticks() -> None:
    clock = HandClock()
    boards = [Board(), Board(), Board()]

    def make(number: int) -> SinkThread:
        return SinkThread(f"board:{number}", boards[number - 1], clock, 8, 8, 25.0, number=number)

    bridges = BridgeSet(
        lambda: SourceThread("none:", EmptySource(), clock, NewestFrame(clock, Parameters), lambda: Fitting(8, 8)),
        [lambda: make(1), lambda: make(2)],
    )
    for sink in bridges.sinks:
        sink.start()
    frame = RenderedFrame(np.zeros((8, 8, 3), np.uint8), 1, 1, 1, 1)

    def tick(number: int, *receivers: int) -> None:
        bridges.put((frame, Tick(number, 0, False)))
        until(lambda: all(number in boards[receiver - 1].ticks for receiver in receivers))

    tick(0, 1, 2)
    added = make(3)
    added.start()
    bridges.add_sink(added, lambda: make(3))
    tick(1, 1, 2, 3)
    removed = bridges.remove_sink(2)
    assert removed is not None
    removed.join(20)
    assert not removed.is_alive()
    tick(2, 1, 3)
    assert bridges.remove_sink(2) is None
    assert [sink.number for sink in bridges.sinks] == [1, 3]
    assert [board.ticks for board in boards] == [[0, 1, 2], [0, 1], [1, 2]]
    assert (boards[1].closed, bridges.abandoned, bridges.leaving()) == (1, 0, [])
    bridges.sinks[0].stop()
    bridges.sinks[1].stop()
    for sink in bridges.sinks:
        sink.join(20)


class Faulty(Board):
    """A sink whose writes crash while `is_faulty`."""

    is_faulty = True

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        if self.is_faulty:
            raise ZeroDivisionError
        super().write(frame, tick)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_crashes_back_off() -> None:
    clock, board = HandClock(), Faulty()
    made: list[int] = []

    def make() -> SinkThread:
        made.append(clock.now())
        return SinkThread("board:", board, clock, 8, 8, 25.0, number=1)

    bridges = BridgeSet(
        lambda: SourceThread("none:", EmptySource(), clock, NewestFrame(clock, Parameters), lambda: Fitting(8, 8)),
        [make],
    )
    bridges.sinks[0].start()
    picture = (RenderedFrame(np.zeros((8, 8, 3), np.uint8), 1, 1, 1, 1), Tick(0, 0, False))

    def crash() -> None:
        bridges.put(picture)
        until(lambda: not bridges.sinks[0].is_alive())

    def play(seconds: float) -> None:
        """Look twice a second, as the stage does. Each new thread crashes with its first picture."""
        for _ in range(round(seconds * 2)):
            bridges.replace_stuck()
            if bridges.sinks[0].is_alive():
                crash()
            clock.time += NS // 2

    crash()
    assert bridges.sinks[0].status()["failure"] == "its thread crashed"
    play(120)
    pauses = [round((later - earlier) / NS, 1) for earlier, later in pairwise(made[1:])]
    assert pauses[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0], "the first is replaced at once"
    assert set(pauses[6:]) == {8.0}
    assert "it is opened again in" in bridges.sinks[0].status()["failure"]
    board.is_faulty = False
    clock.time += 8 * NS
    bridges.replace_stuck()
    bridges.put(picture)
    until(lambda: board.ticks)
    assert bridges.sinks[0].status()["failure"] == ""
    clock.time += 60 * NS
    board.is_faulty = True
    crash()
    before = len(made)
    bridges.replace_stuck()
    crash()
    bridges.replace_stuck()
    assert len(made) == before + 1, "a crash after a minute is the first one again"
    clock.time += NS
    bridges.replace_stuck()
    assert len(made) == before + 2
    bridges.sinks[0].stop()
    bridges.sinks[0].join(20)
