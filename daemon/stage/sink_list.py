"""`SinkList`: the numbered sinks of a show, those included that are being opened or closed."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from io_bridges.scheme import without_password
from presets.errors import BridgeError

MOST_SINKS = 16
"""Sinks of a show that may be there at once, besides the page's preview."""


class FailedSink(NamedTuple):
    """A sink that was asked for and could not be opened."""

    reason: str
    at: int
    """Time of the failure, in ns."""
    uri: str = ""


@dataclass(slots=True, eq=False)
class NumberedSink:
    """One sink. Its number names it as long as the show plays, and never another one."""

    number: int
    uri: str
    state: Literal["opening", "open", "reopening", "closing"]

    @property
    def shown(self) -> str:
        """The URI without its password."""
        return without_password(self.uri)


class SinkList:
    """Numbers the sinks from 1, and finds them by URI or number. Any thread may call it."""

    def __init__(self, uris: Sequence[str]) -> None:
        """Take the sinks that the show begins with."""
        self._lock = threading.Lock()
        self._sinks = tuple(NumberedSink(number, uri, "open") for number, uri in enumerate(uris, 1))
        self._last_number = len(self._sinks)
        self._unused: list[int] = []
        """Numbers of sinks that did not open. Nobody was told them."""

    def opening(self) -> list[str]:
        """Return the sinks that are being opened, without passwords."""
        return [sink.shown for sink in self._sinks if sink.state in ("opening", "reopening")]

    def uris(self) -> list[str]:
        """Return the URIs of all sinks."""
        return [sink.uri for sink in self._sinks]

    def name_of(self, uri: str) -> str:
        """Return the name of the sink with this URI, such as ``sink 2``."""
        numbers = [sink.number for sink in self._sinks if sink.uri == uri]
        return f"sink {numbers[0]}" if numbers else "a sink"

    def uris_before(self, sink: NumberedSink) -> list[str]:
        """Return the URIs of the sinks that were asked for before `sink`."""
        sinks = self._sinks
        return [other.uri for other in sinks[: sinks.index(sink)]]

    def begin_opening(self, uri: str) -> NumberedSink:
        """Add a sink that is being opened. Raises `BridgeError` if there are too many."""
        with self._lock:
            if len(self._sinks) >= MOST_SINKS:
                raise BridgeError(f"there are {len(self._sinks)} sinks, which is the limit; remove one first")
            if self._unused:
                self._unused.remove(number := min(self._unused))
            else:
                self._last_number = number = self._last_number + 1
            sink = NumberedSink(number, uri, "opening")
            self._sinks = (*self._sinks, sink)
        return sink

    def finish_opening(self, sink: NumberedSink) -> None:
        """Take note that a sink is open."""
        with self._lock:
            sink.state = "open"

    def begin(self, name: str, state: Literal["reopening", "closing"]) -> NumberedSink:
        """Return the open sink that a URI or a number names; it has this state from now on. Raises `BridgeError`.

        A URI names the sink without its password too.
        """
        if name in ("web:", "web"):
            if state == "reopening":
                raise BridgeError("the preview of the page is open as long as the page is")
            raise BridgeError("the preview of the page can't be removed; start the show with --web off")
        with self._lock:
            found = [sink for sink in self._sinks if name in (str(sink.number), sink.uri, sink.shown)]
            if not found:
                known = ", ".join(f"{sink.number} {sink.shown}" for sink in self._sinks) or "none"
                raise BridgeError(f"there is no sink {name[:100]}. The sinks are: {known[:1000]}")
            if len(found) > 1:
                numbers = ", ".join(str(sink.number) for sink in found)
                raise BridgeError(f"{len(found)} sinks are {name}; name one by its number: {numbers}")
            if found[0].state != "open":
                raise BridgeError(f"{found[0].shown} is still {found[0].state}")
            found[0].state = state
        return found[0]

    def remove(self, sink: NumberedSink) -> None:
        """Remove a sink that is closed or did not open."""
        with self._lock:
            if sink.state == "opening":
                self._unused.append(sink.number)
            self._sinks = tuple(other for other in self._sinks if other is not sink)
