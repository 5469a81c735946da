"""`BridgeSet`: the source and the sinks of a show. It replaces the threads of bridges that are stuck."""

import logging
from collections.abc import Callable, Sequence

from daemon.stage.bridge_threads import SinkThread, SourceThread
from io_bridges.frames import RenderedFrame, Tick

log = logging.getLogger("stage")

MOST_HUNG = 3
"""Threads of one address that may hang in a call. Beyond that no more are started."""


class BridgeSet:
    """The bridge threads of a show, not started yet. For the main thread of the stage."""

    def __init__(self, make_source: Callable[[], SourceThread], make_sinks: Sequence[Callable[[], SinkThread]]) -> None:
        """Each `make` function is called once, and again for each replacement."""
        self._make_source = make_source
        self._make_sinks = make_sinks
        self.source = make_source()
        self.sinks = [make() for make in make_sinks]
        self.outlets = [SinkOutlet(self.sinks, place) for place in range(len(self.sinks))]
        """Mailboxes for the output clock, one for each sink."""
        self.abandoned = 0
        """Number of threads that were replaced."""
        self._hung: list[SourceThread | SinkThread] = []

    def replace_stuck(self) -> None:
        """Replace the threads whose call does not return, and those that crashed."""
        if self._abandon(self.source):
            self.source = self._make_source()
            self.source.start()
        for place, sink in enumerate(self.sinks):
            if self._abandon(sink):
                self.sinks[place] = self._make_sinks[place]()
                self.sinks[place].start()

    def _abandon(self, bridge: SourceThread | SinkThread) -> bool:
        """Give the thread up if it is stuck. Return True if it needs a replacement."""
        trouble = bridge.trouble
        self._hung = [thread for thread in self._hung if thread.is_alive()]
        # A disk that hangs stops every thread that touches it: threads must not pile up behind it all night.
        if not trouble or sum(thread.uri == bridge.uri for thread in self._hung) >= MOST_HUNG:
            return False
        log.error("%s: %s. Opening it again on another thread.", bridge.uri, trouble)
        self.abandoned += 1
        bridge.stop()
        self._hung.append(bridge)
        return True


class SinkOutlet:
    """One place in the list of sinks. The output clock keeps it while the thread behind it is replaced."""

    def __init__(self, sinks: list[SinkThread], place: int) -> None:
        self._sinks = sinks
        self._place = place

    def put(self, value: tuple[RenderedFrame, Tick]) -> None:
        """Hand the frame of a tick to the sink."""
        self._sinks[self._place].newest.put(value)
