"""`BridgeSet`: the source and the sinks of a show, each in its place; a thread in trouble gives way to another."""

import logging
from collections.abc import Callable, Sequence

from daemon.stage.bridge_threads import SinkThread, SourceThread
from io_bridges.frames import RenderedFrame, Tick

log = logging.getLogger("stage")

MOST_HUNG = 3
"""Threads of one address that may hang in a call that does not come back; then no more are started behind them."""


class BridgeSet:
    """Made whole; nothing is started or opened yet. Used by the stage's main thread."""

    def __init__(self, make_source: Callable[[], SourceThread], make_sinks: Sequence[Callable[[], SinkThread]]) -> None:
        """Each `make` is called again for each thread that has to give way."""
        self._make_source = make_source
        self._make_sinks = make_sinks
        self.source = make_source()
        self.sinks = [make() for make in make_sinks]
        self.outlets = [SinkOutlet(self.sinks, place) for place in range(len(self.sinks))]
        """Where the output clock hands its pictures."""
        self.abandoned = 0
        """Threads that had to give way."""
        self._hung: list[SourceThread | SinkThread] = []

    def look(self) -> None:
        """Replace the threads that are in trouble."""
        if self._gives_way(self.source):
            self.source = self._make_source()
            self.source.start()
        for place, sink in enumerate(self.sinks):
            if self._gives_way(sink):
                self.sinks[place] = self._make_sinks[place]()
                self.sinks[place].start()

    def _gives_way(self, bridge: SourceThread | SinkThread) -> bool:
        trouble = bridge.trouble
        self._hung = [thread for thread in self._hung if thread.is_alive()]
        # A disk that hangs hangs whoever touches it: threads must not pile up all night behind it.
        if not trouble or sum(thread.uri == bridge.uri for thread in self._hung) >= MOST_HUNG:
            return False
        log.error("%s: %s; it is abandoned and opened anew", bridge.uri, trouble)
        self.abandoned += 1
        bridge.stop()
        self._hung.append(bridge)
        return True


class SinkOutlet:
    """A place in the row of sinks: the clock keeps its hand-over while the thread behind it is replaced."""

    def __init__(self, sinks: list[SinkThread], place: int) -> None:
        self._sinks = sinks
        self._place = place

    def put(self, value: tuple[RenderedFrame, Tick]) -> None:
        """Hand the newest picture over."""
        self._sinks[self._place].newest.put(value)
