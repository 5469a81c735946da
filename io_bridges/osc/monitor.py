"""`OscMonitor`: the last messages that came by OSC, and what became of each."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from io_bridges.osc.packets import Impulse
from io_bridges.osc.surfaces import UdpAddress
from io_bridges.scheme import without_password

SeenMessages = Callable[[], Sequence[Mapping[str, object]]]
"""Returns the last messages that came by OSC, oldest first, as JSON values."""

LENGTH = 100
"""Messages that are remembered."""

_LONGEST_TEXT = 200
_MOST_ARGUMENTS = 16


class SeenMessage(NamedTuple):
    """One message that came."""

    number: int
    """Messages that came before it."""
    time: float
    """Seconds since 1970."""
    sender: UdpAddress
    address: str
    """OSC address; empty for a datagram that is no OSC."""
    arguments: Sequence[object]
    taken: bool
    note: str
    """Reason of a refusal, or how the message was read; empty if it was taken as it came."""


class OscMonitor:
    """A ring of messages. One thread notes them, any thread reads them.

    Noting costs one tuple and one store, so it stays on all the time.
    """

    def __init__(self) -> None:
        self._ring: list[tuple[Any, ...]] = [()] * LENGTH
        """Fields of `SeenMessage`. A plain tuple is made twice as fast, and few messages are ever looked at."""
        self._count = 0

    def note(self, sender: UdpAddress, address: str, arguments: Sequence[object], taken: bool, note: str = "") -> None:
        """Remember a message in place of the oldest."""
        number = self._count
        self._ring[number % LENGTH] = (number, time.time(), sender, address, arguments, taken, note)
        self._count = number + 1

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages as JSON values, oldest first."""
        seen = sorted(each for each in self._ring.copy() if each)  # by number: no two are equal
        return [_json(SeenMessage(*each)) for each in seen]


def _json(message: SeenMessage) -> dict[str, Any]:
    host, port = message.sender
    arguments = [_shown(argument) for argument in message.arguments[:_MOST_ARGUMENTS]]
    if len(message.arguments) > _MOST_ARGUMENTS:
        arguments.append(f"… {len(message.arguments) - _MOST_ARGUMENTS} more")
    return {
        **message._asdict(),
        "sender": f"{host}:{port}",
        "address": without_password(message.address)[:_LONGEST_TEXT],
        "arguments": arguments,
    }


def _shown(argument: object) -> object:
    """Return a number or a short text as it is, and a short text for all else. Passwords of sources are left out."""
    if argument is None or isinstance(argument, bool | int | float):
        return argument
    if isinstance(argument, Impulse):
        return "bang"
    if isinstance(argument, bytes):
        return f"{len(argument)} bytes"
    text = without_password(argument if isinstance(argument, str) else repr(argument))
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"
