"""`SinkChanges`: adds, removes and reopens sinks while the show plays. The others get every tick meanwhile."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from daemon.shared.clock import NS, Clock
from daemon.stage.bridge_set import BridgeSet
from daemon.stage.sink_list import FailedSink, NumberedSink, SinkList
from daemon.stage.sink_thread import SinkThread
from io_bridges.claims import PlaceTaken
from io_bridges.scheme import without_password
from io_bridges.show_control import ControlReply, Later
from presets.errors import BridgeError, SettingsError

log = logging.getLogger("stage")

MOST_LEAVING = 16
"""Threads of closed bridges that may hang in a call. Beyond that no sink is added."""

CLOSING = 5.0
"""Seconds that a removed sink may take to close. Then it is left to itself."""

STEP = 0.02
"""Seconds between two looks at a sink that opens."""

REMEMBERED = 60.0
"""Seconds for which a failed sink stays in the notices."""

MOST_REMEMBERED = 8
"""Failed sinks in the notices."""

ADD, OPEN, REMOVE = "/sink/add", "/sink/open", "/sink/remove"

MakeAddedSink = Callable[[str, int, Callable[[], None]], SinkThread]
"""Makes the thread of a URI with a number. It calls the function before it makes the sink. It raises nothing."""


class SinkChanges:
    """Opens and closes each sink on a thread of its own. Any thread may ask, and gets a reply at once."""

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
        self._sinks = SinkList(uris)
        self._failed: deque[FailedSink] = deque(maxlen=MOST_REMEMBERED)
        self._workers: list[threading.Thread] = []
        self._workers_lock = threading.Lock()
        self._is_started = False
        self._stopping = threading.Event()

    @property
    def opening(self) -> list[str]:
        """URIs of the sinks that are being opened, without passwords."""
        return self._sinks.opening()

    @property
    def failed(self) -> list[FailedSink]:
        """The sinks that could not be opened within the last minute."""
        now = self._clock.now()
        return [failed for failed in list(self._failed) if now - failed.at < REMEMBERED * NS]

    def uris(self) -> list[str]:
        """Return the URIs of all sinks, those included that are being opened or closed."""
        return self._sinks.uris()

    def start(self) -> None:
        """Take requests from now on. The sinks that the show begins with must be started."""
        self._is_started = True

    def stop(self) -> None:
        """Give up what is being opened, and wait two seconds for what is being closed. Later requests are refused."""
        self._stopping.set()
        until = time.monotonic() + 2.0
        for worker in self._workers:
            worker.join(max(until - time.monotonic(), 0.0))

    def request(self, address: str, text: str, sender: str, later: Later | None) -> ControlReply:
        """Add the sink of a URI, or open or remove one by its URI or number. `later` gets the outcome.

        Returns at once.
        """
        try:
            if self._stopping.is_set():
                raise BridgeError("the show ends")
            if not self._is_started:
                raise BridgeError("the show is starting; ask again in a moment")
            change = {ADD: self._add, OPEN: self._open_again, REMOVE: self._remove}[address]
            return change(text, sender, later)
        except (BridgeError, SettingsError) as error:
            reason = without_password(str(error))
            self._refused(sender, f"{address}: {reason}")
            return ControlReply(address, False, None, reason)

    def _add(self, uri: str, sender: str, later: Later | None) -> ControlReply:
        self._check(uri)
        if len(self._bridges.leaving()) >= MOST_LEAVING:
            raise BridgeError("too many calls into bridges that were closed have not returned yet")
        sink = self._sinks.begin_opening(uri)
        self._start(ADD, sink, later, lambda: self._open(sink, sender))
        return ControlReply(ADD, True, None, f"opening {sink.shown}", pending=True)

    def _open_again(self, name: str, sender: str, later: Later | None) -> ControlReply:
        sink = self._sinks.begin(name, "reopening")
        self._start(OPEN, sink, later, lambda: self._reopen(sink, sender))
        return ControlReply(OPEN, True, None, f"opening {sink.shown}", pending=True)

    def _remove(self, name: str, sender: str, later: Later | None) -> ControlReply:
        sink = self._sinks.begin(name, "closing")
        thread = self._bridges.remove_sink(sink.number)
        self._start(REMOVE, sink, later, lambda: self._close(sink, thread))
        return ControlReply(REMOVE, True, None, f"closing {sink.shown}", pending=True)

    def _start(self, address: str, sink: NumberedSink, later: Later | None, work: Callable[[], ControlReply]) -> None:
        """Do work on a thread of its own, and give its reply to `later`."""

        def run() -> None:
            reply = ControlReply(address, False, None, f"{sink.shown}: a defect of this program, see the log")
            try:
                reply = work()
            finally:
                if later is not None:
                    later(reply)

        worker = threading.Thread(target=run, name=f"sink-change {sink.number}", daemon=True)
        with self._workers_lock:
            self._workers = [*(each for each in self._workers if each.is_alive()), worker]
            worker.start()

    def _open(self, sink: NumberedSink, sender: str) -> ControlReply:
        try:
            thread = self._opened(sink)
        except BridgeError as error:
            reply = self._refusal(ADD, sink, error, sender)
            self._failed.append(FailedSink(reply.note, self._clock.now(), sink.uri))
            return reply
        self._failed = deque((each for each in self._failed if each.uri != sink.uri), MOST_REMEMBERED)
        return _opened_reply(ADD, sink, thread)

    def _reopen(self, sink: NumberedSink, sender: str) -> ControlReply:
        """Open a sink that has stopped on a new thread, which tries again if it fails."""
        try:
            former, thread = self._bridges.exchange_stopped(sink.number)
            former.join(CLOSING)
            thread.start()
            self._wait_until_tried(thread)
            if thread.failure:
                raise BridgeError(thread.failure)
        except (BridgeError, SettingsError) as error:
            return self._refusal(OPEN, sink, error, sender)
        finally:
            self._sinks.finish_opening(sink)
        return _opened_reply(OPEN, sink, thread)

    def _refusal(self, address: str, sink: NumberedSink, error: Exception, sender: str) -> ControlReply:
        reason = without_password(str(error).rstrip("."))
        if sink.shown not in reason:
            reason = f"{sink.shown}: {reason}"
        self._refused(sender, f"{address}: {reason}")
        return ControlReply(address, False, None, reason)

    def _opened(self, sink: NumberedSink) -> SinkThread:
        """Return the thread of the sink, which gets pictures from now on. After an error nothing is left of it.

        Raises `BridgeError`.
        """
        thread = self._make(sink.uri, sink.number, lambda: self._check_beside(sink))
        is_open = False
        try:
            if self._bridges.hangs(sink.shown):
                raise BridgeError("earlier calls into it have not returned yet")
            thread.start()
            self._wait_until_tried(thread)
            thread.wait_until_open(0.0)
            if self._stopping.is_set():
                raise BridgeError("the show ends")
            self._bridges.add_sink(thread, partial(self._make, sink.uri, sink.number, lambda: None))
            self._sinks.finish_opening(sink)
            is_open = True
        finally:
            if not is_open:
                if thread.ident is not None:
                    self._give_up(thread)
                self._sinks.remove(sink)
        return thread

    def _wait_until_tried(self, thread: SinkThread) -> None:
        """Wait for the first attempt to open a sink. Raises `BridgeError` if it hangs or the show ends."""
        while not thread.was_tried:
            if self._stopping.wait(STEP):
                raise BridgeError("the show ends")
            if trouble := thread.trouble:
                raise BridgeError(trouble)

    def _give_up(self, thread: SinkThread) -> None:
        hangs = bool(thread.trouble)
        self._bridges.retire(thread)
        thread.join(0.0 if hangs else CLOSING)

    def _check_beside(self, sink: NumberedSink) -> None:
        """Raise `SettingsError` if the sink can't play beside those that were asked for before it."""
        try:
            self._check_places([*self._sinks.uris_before(sink), sink.uri])
        except PlaceTaken as taken:
            raise taken.for_request("--sink", self._sinks.name_of) from taken

    def _close(self, sink: NumberedSink, thread: SinkThread | None) -> ControlReply:
        try:
            if thread is not None:
                thread.join(CLOSING)
        finally:
            self._sinks.remove(sink)
        if thread is not None and thread.is_alive():
            log.error("%s: it does not close. It is left to itself.", sink.shown)
            return ControlReply(REMOVE, True, None, f"{sink.shown} is removed; a call into it has not returned yet")
        log.info("no more pictures to %s", sink.shown)
        return ControlReply(REMOVE, True, None, f"{sink.shown} is closed")


def _opened_reply(address: str, sink: NumberedSink, thread: SinkThread) -> ControlReply:
    log.info("pictures to %s", thread.place)
    written = thread.status().get("path")
    into = "" if written is None else f" and writes {written}"
    return ControlReply(address, True, None, f"{thread.place} is open as sink {sink.number}{into}")
