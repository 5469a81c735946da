"""Bridges that hang are replaced, but not without end."""

import threading
import time
from collections.abc import Callable

import numpy as np
from hand_clock import HandClock

from daemon.shared.clock import NS
from daemon.stage.bridge_set import MOST_HUNG, BridgeSet
from daemon.stage.bridge_threads import SinkThread
from daemon.stage.newest_frame import NewestFrame
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
        bridges.outlets[0].put(picture)
        until(lambda: bridges.sinks[0]._called_at is not None)
        clock.time += 6 * NS
        bridges.replace_stuck()
    assert bridges.abandoned == MOST_HUNG
    assert len(made) == MOST_HUNG + 1
    Disk.stuck.set()
    for thread in made[:-1]:
        thread.join(20)
    written = Disk.written
    bridges.outlets[0].put(picture)
    until(lambda: Disk.written > written)
    bridges.replace_stuck()
    assert len(made) == MOST_HUNG + 1, "the last one works again"
    bridges.sinks[0].stop()
    bridges.sinks[0].join(20)
