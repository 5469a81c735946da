"""`SinkChanges`: adds and removes sinks while the show plays. The others get every tick meanwhile."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from daemon.shared.clock import NS, Clock
from daemon.stage.bridge_set import BridgeSet
from daemon.stage.bridge_threads import SinkThread
from io_bridges.scheme import without_password
from io_bridges.show_control import ControlReply, Later
from presets.errors import BridgeError, SettingsError

log = logging.getLogger("stage")

MOST_SINKS = 16
"""Sinks of a show that may be open at once, besides the page's preview."""

CLOSING = 5.0
"""Seconds that a removed sink may take to close. Then it is left to itself."""

STEP = 0.02
"""Seconds between two looks at a sink that opens."""

REMEMBERED = 60.0
"""Seconds for which a failed sink stays in the notices."""

MOST_REMEMBERED = 8
"""Failed sinks in the notices."""

ADD, REMOVE = "/sink/add", "/sink/remove"

MakeAddedSink = Callable[[str, int, Callable[[], None]], SinkThread]
"""Makes the thread of a URI with a number. It calls the function before it makes the sink. It raises nothing."""


@dataclass(slots=True, eq=False)
class _NumberedSink:
    number: int
    uri: str
    state: Literal["opening", "open", "closing"]

    @property
    def shown(self) -> str:
        return without_password(self.uri)


class FailedSink(NamedTuple):
    """A sink that was asked for and could not be opened."""

    reason: str
    at: int
    """Time of the failure, in ns."""


class SinkChanges:
    """Opens and closes each sink on a thread of its own. Any thread may ask, and gets a reply at once.

    Sinks are numbered from 1. A number names the same sink as long as the show plays.
    """

    def __init__(
        self,
        bridges: BridgeSet,
        uris: Sequence[str],
        clock: Clock,
        make: MakeAddedSink,
        check: Callable[[str], None],
        check_places: Callable[[Sequence[str]], None],
        refused: Callable[[str, str], None],
    ) -> None:
        """
        Args:
            bridges: The bridges of the show.
            uris: The sinks that it begins with, numbered from 1.
            clock: The clock of the show.
            make: Makes the thread of a sink.
            check: Raises `SettingsError` for a URI that is not valid. It returns at once.
            check_places: Raises `SettingsError` for sinks that can't play together. It may wait for a disk.
            refused: Called with who asked for what can't be done, and the reason.
        """
        self._bridges = bridges
        self._clock = clock
        self._make = make
        self._check = check
        self._check_places = check_places
        self._refused = refused
        self._lock = threading.Lock()
        self._sinks = [_NumberedSink(number, uri, "open") for number, uri in enumerate(uris, 1)]
        self._last_number = len(self._sinks)
        self._failed: deque[FailedSink] = deque(maxlen=MOST_REMEMBERED)
        self._workers: list[threading.Thread] = []
        self._stopping = threading.Event()

    @property
    def opening(self) -> list[str]:
        """URIs of the sinks that are being opened, without passwords."""
        with self._lock:
            return [sink.shown for sink in self._sinks if sink.state == "opening"]

    @property
    def failed(self) -> list[FailedSink]:
        """The sinks that could not be opened within the last minute."""
        now = self._clock.now()
        return [failed for failed in list(self._failed) if now - failed.at < REMEMBERED * NS]

    def uris(self) -> list[str]:
        """Return the URIs of all sinks, those included that are being opened or closed."""
        with self._lock:
            return [sink.uri for sink in self._sinks]

    def stop(self) -> None:
        """Give up what is being opened, and wait for what is being closed. Later requests are refused."""
        self._stopping.set()
        for worker in self._workers:
            worker.join(2.0)

    def request(self, address: str, text: str, sender: str, later: Later | None) -> ControlReply:
        """Add the sink of a URI, or remove one by its URI or number. `later` gets the outcome. Returns at once."""
        try:
            if self._stopping.is_set():
                raise BridgeError("the show ends")
            return self._add(text, sender, later) if address == ADD else self._remove(text, later)
        except (BridgeError, SettingsError) as error:
            reason = without_password(str(error))
            self._refused(sender, f"{address}: {reason}")
            return ControlReply(address, False, None, reason)

    def _add(self, uri: str, sender: str, later: Later | None) -> ControlReply:
        self._check(uri)
        with self._lock:
            if len(self._sinks) >= MOST_SINKS:
                raise BridgeError(f"there are {len(self._sinks)} sinks, which is the limit; remove one first")
            if len(self._bridges.leaving()) >= MOST_SINKS:
                raise BridgeError("too many calls into bridges that were closed have not returned yet")
            self._last_number += 1
            sink = _NumberedSink(self._last_number, uri, "opening")
            self._sinks.append(sink)
        self._start(ADD, sink, later, lambda: self._open(sink, sender))
        return ControlReply(ADD, True, None, f"opening {sink.shown}", pending=True)

    def _remove(self, name: str, later: Later | None) -> ControlReply:
        with self._lock:
            sink = self._named(name)
            sink.state = "closing"
        thread = self._bridges.remove_sink(sink.number)
        self._start(REMOVE, sink, later, lambda: self._close(sink, thread))
        return ControlReply(REMOVE, True, None, f"closing {sink.shown}", pending=True)

    def _named(self, name: str) -> _NumberedSink:
        """Return the open sink that a URI or a number names. Raises `BridgeError`."""
        if name in ("web:", "web"):
            raise BridgeError("the preview of the page can't be removed; start the show with --web off")
        found = [sink for sink in self._sinks if name in (str(sink.number), sink.uri, sink.shown)]
        if not found:
            known = ", ".join(f"{sink.number} {sink.shown}" for sink in self._sinks) or "none"
            raise BridgeError(f"there is no sink {name[:100]}. The sinks are: {known[:1000]}")
        if len(found) > 1:
            numbers = ", ".join(str(sink.number) for sink in found)
            raise BridgeError(f"{len(found)} sinks are {name}; name one by its number: {numbers}")
        if found[0].state != "open":
            raise BridgeError(f"{found[0].shown} is still {found[0].state}")
        return found[0]

    def _start(self, address: str, sink: _NumberedSink, later: Later | None, work: Callable[[], ControlReply]) -> None:
        """Do work on a thread of its own, and give its reply to `later`. Unless the sink is open then, it is gone."""

        def run() -> None:
            reply = ControlReply(address, False, None, f"{sink.shown}: a defect of this program, see the log")
            try:
                reply = work()
            finally:
                if sink.state != "open":
                    with self._lock:
                        self._sinks.remove(sink)
                if later is not None:
                    later(reply)

        worker = threading.Thread(target=run, name=f"sink-change {sink.number}", daemon=True)
        with self._lock:
            self._workers = [*(each for each in self._workers if each.is_alive()), worker]
            worker.start()

    def _open(self, sink: _NumberedSink, sender: str) -> ControlReply:
        try:
            thread = self._opened(sink)
        except BridgeError as error:
            reason = without_password(str(error).rstrip("."))
            if sink.shown not in reason:
                reason = f"{sink.shown}: {reason}"
            self._failed.append(FailedSink(reason, self._clock.now()))
            self._refused(sender, f"{ADD}: {reason}")
            return ControlReply(ADD, False, None, reason)
        log.info("pictures to %s", thread.place)
        return ControlReply(ADD, True, None, f"{thread.place} is open as sink {sink.number}")

    def _opened(self, sink: _NumberedSink) -> SinkThread:
        """Return the thread of the sink, which gets pictures from now on. After an error nothing is left of it.

        Raises `BridgeError`.
        """
        if self._bridges.hangs(sink.shown):
            raise BridgeError("earlier calls into it have not returned yet")
        thread = self._make(sink.uri, sink.number, lambda: self._check_beside(sink))
        thread.start()
        try:
            while not thread.was_tried:
                if self._stopping.wait(STEP):
                    raise BridgeError("the show ends")
                if trouble := thread.trouble:
                    raise BridgeError(trouble)
            thread.wait_until_open(0.0)
            with self._lock:
                if self._stopping.is_set():
                    raise BridgeError("the show ends")
                self._bridges.add_sink(thread, partial(self._make, sink.uri, sink.number, lambda: None))
                sink.state = "open"
        finally:
            if sink.state != "open":
                hangs = bool(thread.trouble)
                self._bridges.retire(thread)
                thread.join(0.0 if hangs else CLOSING)
        return thread

    def _check_beside(self, sink: _NumberedSink) -> None:
        """Raise `SettingsError` if the sink can't play beside those that were there before it."""
        with self._lock:
            others = [other.uri for other in self._sinks if other.number < sink.number]
        self._check_places([*others, sink.uri])

    def _close(self, sink: _NumberedSink, thread: SinkThread | None) -> ControlReply:
        if thread is not None:
            thread.join(CLOSING)
        if thread is not None and thread.is_alive():
            log.error("%s: it does not close. It is left to itself.", sink.shown)
            return ControlReply(REMOVE, True, None, f"{sink.shown} is removed; a call into it has not returned yet")
        log.info("no more pictures to %s", sink.shown)
        return ControlReply(REMOVE, True, None, f"{sink.shown} is closed")
