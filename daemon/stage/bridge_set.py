"""`BridgeSet`: the source and the sinks of a show. It replaces the threads of bridges that are stuck."""

import logging
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction

from daemon.stage.bridge_threads import BridgeThread
from daemon.stage.sink_thread import SinkThread
from daemon.stage.source_thread import SourceThread
from io_bridges.frames import RenderedFrame, Tick
from presets.errors import BridgeError

log = logging.getLogger("stage")

MOST_HUNG = 3
"""Threads of one address that may hang in a call. Beyond that no more are started."""

MakeSource = Callable[[], SourceThread]
"""Makes a thread for one source, on air, not started yet."""

MakeSink = Callable[[], SinkThread]
"""Makes a thread for one sink, not started yet."""


class BridgeSet:
    """The bridge threads of a show, not started yet. The output clock puts its pictures here."""

    def __init__(self, make_source: MakeSource, make_sinks: Sequence[MakeSink]) -> None:
        """Each `make` function is called once, and again for each replacement."""
        self._make_source = make_source
        self._make_sinks = tuple(make_sinks)
        self.source = make_source()
        self.sinks: tuple[SinkThread, ...] = tuple(make() for make in make_sinks)
        """Replaced whole when a sink changes, so that the output clock needs no lock."""
        self.abandoned = 0
        """Number of threads that were replaced."""
        self._lock = threading.RLock()
        self._former: list[BridgeThread] = []

    def put(self, value: tuple[RenderedFrame, Tick]) -> None:
        """Hand the picture of a tick to every sink. For the output clock."""
        for sink in self.sinks:
            sink.put(value)

    def follow(self, rate: Fraction) -> None:
        """Tell every sink that the output clock has another rate. Any thread may call it."""
        with self._lock:
            for sink in self.sinks:
                sink.follow(rate)

    def add_sink(self, sink: SinkThread, make: MakeSink) -> None:
        """Hand the pictures to one more sink, which is started and open. Any thread may call it."""
        with self._lock:
            self._make_sinks = (*self._make_sinks, make)
            self.sinks = (*self.sinks, sink)

    def remove_sink(self, number: int) -> SinkThread | None:
        """Stop the sink of a number and return it; None if there is none. Any thread may call it."""
        with self._lock:
            place = next((place for place, sink in enumerate(self.sinks) if sink.number == number), None)
            if place is None:
                return None
            former = self.sinks[place]
            self._make_sinks = self._make_sinks[:place] + self._make_sinks[place + 1 :]
            self.sinks = self.sinks[:place] + self.sinks[place + 1 :]
        self.retire(former)
        return former

    def exchange_stopped(self, number: int) -> tuple[SinkThread, SinkThread]:
        """Put a new thread, not started yet, in place of that of a sink that has stopped. Return the old and the new.

        Raises:
            BridgeError: There is no such sink, it has not stopped, or its former calls have not returned.
            SettingsError: The sink can't be made any more.
        """
        with self._lock:
            place = next((place for place, sink in enumerate(self.sinks) if sink.number == number), None)
            if place is None:
                raise BridgeError("it is gone")
            former = self.sinks[place]
            if not former.stopped:
                raise BridgeError("it is open" if former.is_open else "it is being opened")
            if self.hangs(former.uri):
                raise BridgeError("earlier calls into it have not returned yet")
            successor = self._make_sinks[place]()
            self.sinks = (*self.sinks[:place], successor, *self.sinks[place + 1 :])
        self.retire(former)
        return former, successor

    def replace_stuck(self) -> None:
        """Replace the threads whose call does not return, and those that crashed. For the main thread."""
        with self._lock:
            if self._abandon(source := self.source):
                self.source = self._make_source()
                self.source.succeed(source)
                self.source.start()
            for place, sink in enumerate(self.sinks):
                if self._abandon(sink):
                    successor = self._make_sinks[place]()
                    successor.succeed(sink)
                    successor.start()
                    self.sinks = (*self.sinks[:place], successor, *self.sinks[place + 1 :])

    def put_on_air(self, source: SourceThread, make_source: MakeSource) -> None:
        """Put a started source in place of the present one, which is stopped. Any thread may call it."""
        with self._lock:
            former, self.source, self._make_source = self.source, source, make_source
            former.leave_air()
            source.go_on_air()
        self.retire(former)

    def retire(self, bridge: BridgeThread) -> None:
        """Stop a bridge that is not used any more. It ends with the call that it is in."""
        bridge.stop()
        with self._lock:
            self._former = [*self.leaving(), bridge]

    def leaving(self) -> list[BridgeThread]:
        """Return the threads that were stopped or given up and have not ended yet."""
        return [thread for thread in self._former if thread.is_alive()]

    def hangs(self, uri: str) -> bool:
        """Return True if so many threads of this address have not ended that no more may be started."""
        return sum(thread.uri == uri for thread in self.leaving()) >= MOST_HUNG

    def _abandon(self, bridge: BridgeThread) -> bool:
        """Give the thread up if it is stuck. Return True if it needs a replacement."""
        trouble = bridge.trouble
        # A disk that hangs stops every thread that touches it: threads must not pile up behind it all night.
        if not trouble or self.hangs(bridge.uri) or bridge.pause:
            return False
        log.error("%s: %s. Opening it again on another thread.", bridge.uri, trouble)
        self.abandoned += 1
        self.retire(bridge)
        return True
