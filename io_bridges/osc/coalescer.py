"""`Coalescer`: of the faders in one drain of the socket, the newest datagram of each from each sender, not decoded yet.

What goes in is what can't be refused: a datagram that is one message to a parameter by its exact name, with one ``f``
or ``i`` that is a number. Everything else is for the caller, who first takes what is kept here.
"""

from io_bridges.osc.packets import encode
from io_bridges.osc.surfaces import Endpoint
from io_bridges.show_control import ShowControl

_NUMBER = 4
"""Bytes of the argument, the last of the datagram."""


class Coalescer:
    """Keeps the newest datagram of each fader and sender. They are few: no more than were read in one drain.

    A newer value goes to the end, so that what is taken comes in the order in which the newest values arrived. Of one
    address with two senders the later sender wins, as it did on the wire; of two addresses, the one that moved last
    is last.
    """

    def __init__(self, desk: ShowControl) -> None:
        self._faders = {
            encode(address, zero)[:-_NUMBER]: address
            for address, parameter in desk.parameters.items()
            # A choice may refuse a number, and that must not cost the value before it. A text may load a look.
            if parameter.kind in ("float", "int", "bool") and address not in desk.actions
            for zero in (0.0, 0)
        }
        """Address and type tag as they stand on the wire; what precedes the number and nothing else."""
        self._kept: dict[tuple[str, Endpoint], bytes] = {}
        self.superseded = 0
        """Datagrams that gave way to a newer one."""

    def keep(self, datagram: bytes, sender: Endpoint) -> bool:
        """Keep it in the place of an older one. False if it is nothing to keep."""
        address = self._faders.get(datagram[:-_NUMBER])
        # Infinity and NaN begin like this, and are refused; so do a few numbers that just go the usual way.
        if address is None or datagram[-_NUMBER] & 0x7F == 0x7F:
            return False
        if self._kept.pop((address, sender), None) is not None:
            self.superseded += 1
        self._kept[address, sender] = datagram
        return True

    def take(self) -> list[tuple[bytes, Endpoint]]:
        """Everything that is kept, with its sender, in the order of arrival; nothing is kept any more."""
        taken = [(datagram, sender) for (_, sender), datagram in self._kept.items()]
        self._kept.clear()
        return taken
