"""Handling of OSC floods: `Coalescer` keeps the newest value of each fader, `FloodLimiter` batches the reads.

The coalescer takes only datagrams that cannot be refused: one message to a numeric parameter by its exact name, or to
its share of the range (``/norm``), with one ``f`` or ``i`` argument that is a number. It does not decode them. The
caller handles every other datagram, after everything that was kept before it.
"""

import math

from io_bridges.osc.packets import encode_message
from io_bridges.osc.surfaces import UdpAddress
from io_bridges.show_control import ShowControl
from presets.declaration import NORM

INTERVAL = 0.004
"""Longest time in seconds that a datagram waits for the end of a pause."""
FLOOD = 4
"""More datagrams than this, in an interval and in the one before, are a flood. One gesture of several faders is not."""
TORRENT = 256
"""From this many datagrams on there is no pause, because the system's buffer (about 500) could overflow in it."""

_ARGUMENT_BYTES = 4


class Coalescer:
    """The newest datagram of each fader and sender. It holds no more than one drain of the socket brings.

    A newer value goes to the end, so `take` returns the values in the order in which the newest ones arrived. With two
    senders of one address the later one wins, as it would without the coalescer.
    """

    def __init__(self, show: ShowControl) -> None:
        self._faders = {
            encode_message(f"{address}{end}", zero)[:-_ARGUMENT_BYTES]: address
            for address, parameter in show.parameters.items()
            # A choice may refuse a number, which must not cost the value before it. A text may load a preset.
            if parameter.kind in ("float", "int", "bool") and address not in show.actions
            for end in ("", NORM)
            for zero in (0.0, 0)
        }
        """Addresses by the bytes of a datagram before its argument: the address and the type tag."""
        self._kept: dict[tuple[str, UdpAddress], bytes] = {}
        self.superseded = 0
        """Number of datagrams replaced by a newer one."""

    def keep(self, datagram: bytes, sender: UdpAddress) -> bool:
        """Keep a fader's datagram in place of an older one. Return False for any other datagram."""
        address = self._faders.get(datagram[:-_ARGUMENT_BYTES])
        # Infinity and NaN start with these bits and must be refused. The few finite numbers that do too are not kept.
        if address is None or datagram[-_ARGUMENT_BYTES] & 0x7F == 0x7F:
            return False
        if self._kept.pop((address, sender), None) is not None:
            self.superseded += 1
        self._kept[address, sender] = datagram
        return True

    def take(self) -> list[tuple[bytes, UdpAddress]]:
        """Return and forget all kept datagrams with their senders, in the order of arrival."""
        taken = [(datagram, sender) for (_, sender), datagram in self._kept.items()]
        self._kept.clear()
        return taken


class FloodLimiter:
    """Decides on a short pause between two reads of a flooded socket, like the interrupt moderation of network cards.

    Waking up for a datagram costs more than the datagram. In a flood, a pause collects several, and most of them are
    outdated fader values. Without a flood nothing waits.
    """

    def __init__(self) -> None:
        self._began = -math.inf
        self._count = 0
        self._previous = 0

    def pause_until(self, began: float, count: int) -> float:
        """Count the datagrams of one drain and return when to read again, in `time.monotonic` seconds.

        `began` is when the drain began. A time that is not later than that means no pause.
        """
        end = self._began + INTERVAL
        if began >= end:
            self._previous = self._count if began < end + INTERVAL else 0
            self._began, self._count = began, 0
        self._count += count
        flooded = min(self._previous, self._count) > FLOOD and max(self._previous, self._count) < TORRENT
        return self._began + INTERVAL if flooded else began
