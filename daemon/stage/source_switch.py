"""`SourceSwitch`: puts another source on air while the show plays. The one on air plays until the other delivers."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from daemon.shared.clock import NS, Clock
from daemon.shared.threads import restart_on_crash
from daemon.stage.bridge_set import BridgeSet
from daemon.stage.source_thread import SourceThread
from io_bridges.scheme import without_password
from io_bridges.show_control import ControlReply, Later
from io_bridges.uri import share_a_place
from presets.errors import BridgeError, SettingsError

log = logging.getLogger("stage")

FIRST_FRAME = 2.0
"""Seconds that an open source may take to give its first frame. Then it is put on air without one."""

LEAVING = 5.0
"""Seconds that a source may take to give up a port or device that the next one needs."""

STEP = 0.02
"""Seconds between two looks at a source that opens."""

REMEMBERED = 60.0
"""Seconds for which a refused source stays in the notices."""

NO_SOURCE = "none:"
"""URI of a source that gives no frames."""


@dataclass(slots=True, eq=False)
class _Request:
    uri: str
    sender: str
    later: Later | None
    is_answered: bool = False


class RefusedSource(NamedTuple):
    """A source that could not be put on air."""

    uri: str
    reason: str
    at: int
    """Time of the refusal, in ns."""


class SourceSwitch:
    """Opens one source at a time, on a thread of its own. A newer request takes the place of one that is not done."""

    def __init__(
        self,
        bridges: BridgeSet,
        uri: str,
        clock: Clock,
        make: Callable[[str, bool], SourceThread],
        check: Callable[[str], None],
        taken: Callable[[str, str], None],
        refused: Callable[[str, str], None],
        address: str = "/source",
    ) -> None:
        """
        Args:
            bridges: The bridges of the show.
            uri: The source that it begins with.
            clock: The clock of the show.
            make: Returns the thread of a URI, on air or not. It raises nothing.
            check: Raises `SettingsError` for a URI that is not valid or can't play beside the sinks.
            taken: Called with the URI on air and who asked for it.
            refused: Called with who asked for a source that can't be opened, and the reason.
            address: Address of the parameter that names the source.
        """
        self._bridges = bridges
        self._address = address
        self._uri = uri
        self._clock = clock
        self._make = make
        self._check = check
        self._taken = taken
        self._refused = refused
        self._condition = threading.Condition()
        self._waiting: _Request | None = None
        self._stopping = threading.Event()
        self.opening = ""
        """URI of the source that is being opened; empty for none."""
        self._failed: RefusedSource | None = None
        work = restart_on_crash("the source switch", self._work, self._stopping.is_set)
        self._thread = threading.Thread(target=work, name="source-switch", daemon=True)

    @property
    def failed(self) -> RefusedSource | None:
        """The last request, if it was refused within a minute."""
        failed = self._failed
        return failed if failed is not None and self._clock.now() - failed.at < REMEMBERED * NS else None

    def uris(self) -> list[str]:
        """Return the source on air, and the one that is being opened."""
        return [self._uri, *filter(None, [self.opening])]

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Requests that are not done are refused."""
        self._stopping.set()
        with self._condition:
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def request(self, uri: str, sender: str, later: Later | None) -> ControlReply:
        """Have a source opened and put on air. `later` gets the outcome. Any thread may call it; returns at once."""
        try:
            self._check(uri)
        except SettingsError as error:
            reason = without_password(str(error))
            self._refused(sender, f"{self._address}: {reason}")
            return ControlReply(self._address, False, None, reason)
        request = _Request(uri, sender, later)
        with self._condition:
            replaced, self._waiting = self._waiting, request
            self._condition.notify_all()
        if replaced is not None:
            _answer(replaced, ControlReply(self._address, False, None, "another source was asked for since"))
        return ControlReply(self._address, True, None, f"opening {without_password(uri)}", pending=True)

    def _work(self) -> None:
        while not self._stopping.is_set():
            with self._condition:
                self._condition.wait_for(lambda: self._waiting is not None or self._stopping.is_set())
                request, self._waiting = self._waiting, None
            if request is not None:
                self._serve(request)

    def _serve(self, request: _Request) -> None:
        # A surface that shows the address sends it back without the password.
        uri = self._uri if request.uri == without_password(self._uri) else request.uri
        self.opening = shown = without_password(uri)
        defect = f"{shown}: a defect of this program, see the log"
        try:
            note = "" if uri == self._uri else self._switch(uri)
            self._uri, self._failed = uri, None
            self._taken(uri, request.sender)
            _answer(request, ControlReply(self._address, True, shown, note))
        except BridgeError as error:
            stays = "" if self._uri == NO_SOURCE else f" {self._uri} plays on."
            reason = without_password(f"{str(error).rstrip('.')}.{stays}")
            if shown not in reason:
                reason = f"{shown}: {reason}"
            self._failed = RefusedSource(shown, reason, self._clock.now())
            self._refused(request.sender, f"{self._address}: {reason}")
            _answer(request, ControlReply(self._address, False, None, reason))
        finally:
            self.opening = ""
            _answer(request, ControlReply(self._address, False, None, defect))

    def _switch(self, uri: str) -> str:
        """Put another source on air. Return a note for the reply. Raises `BridgeError`; the old one plays then."""
        if self._bridges.hangs(without_password(uri)):
            raise BridgeError(f"{uri}: earlier calls into it have not returned yet")
        former, before = self._bridges.source, self._uri
        shared = share_a_place(uri, before)
        if shared:
            # Its port or device is free only once it is closed. The last frame is held meanwhile.
            former.leave_air()
            self._bridges.retire(former)
            former.join(LEAVING)
        source = self._make(uri, False)
        source.start()
        try:
            self._wait_until_open(source)
        except BridgeError:
            self._bridges.retire(source)
            if shared:
                again = self._make(before, True)
                self._bridges.put_on_air(again, lambda: self._make(before, True))
                again.start()
            raise
        self._bridges.put_on_air(source, lambda: self._make(uri, True))
        if uri == NO_SOURCE:
            log.info("%s: the source has ended; no more pictures from %s", self._address, former.uri)
        else:
            log.info("%s: pictures from %s", self._address, source.uri)
        return "" if source.rate.total or source.is_empty else "it is open, and no frame has come yet"

    def _wait_until_open(self, source: SourceThread) -> None:
        """Wait until a source is open and gives a frame, or has had time enough. Raises `BridgeError`."""
        while not source.was_tried:
            self._step()
            if trouble := source.trouble:
                raise BridgeError(f"{source.uri}: {trouble}")
        source.wait_until_open(0.0)
        until = self._clock.now() + FIRST_FRAME * NS
        while not (source.rate.total or source.is_empty or self._clock.now() >= until):
            self._step()
            if source.failure:
                raise BridgeError(source.failure)

    def _step(self) -> None:
        """Wait for a moment. Raises `BridgeError` if another source was asked for."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting is not None or self._stopping.is_set(), STEP)
            if self._waiting is not None:
                raise BridgeError("another source was asked for since")
        if self._stopping.is_set():
            raise BridgeError("the show ends")


def _answer(request: _Request, reply: ControlReply) -> None:
    """Give a request its one outcome."""
    if not request.is_answered and request.later is not None:
        request.later(reply)
    request.is_answered = True
