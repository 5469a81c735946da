"""`OscAdmission`: whom OSC hears on a network, and how much it answers to an address that may be forged.

A datagram says itself where it comes from. Without a bound, a poll of 12 bytes would have a show send every value to
whoever stands in it.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from io_bridges.allowances import Allowances
from io_bridges.local_network import is_loopback
from io_bridges.osc.surfaces import UdpAddress
from presets.errors import SettingsError
from presets.parameter_table import Value

BURST, RATE = 64, 32.0
"""Answers to one host at once, and more of them a second. The whole show has about 40 values of numbers to poll."""

MOST_HOSTS = 256
"""Hosts that are remembered. The oldest of more is forgotten."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Send = Callable[[str, Sequence[Value], UdpAddress], None]


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of ``--osc-allow``: addresses, or networks such as ``192.168.1.0/24``.

    Raises:
        SettingsError: One is not valid.
    """
    networks: list[Network] = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text.strip().replace("[", "").replace("]", ""), strict=False))
        except ValueError:
            raise SettingsError(
                f"--osc-allow takes an address or a network such as 192.168.1.0/24; {text[:60]!r} was given"
            ) from None
    return tuple(networks)


class OscAdmission:
    """Admits senders by their address. This machine is always admitted. For the control's thread, `hears` for any."""

    def __init__(self, networks: Sequence[Network] = (), now: Callable[[], float] = time.monotonic) -> None:
        """Take the networks that are heard. `now` returns seconds on a monotonic clock."""
        self._networks = networks
        self._known: OrderedDict[str, bool] = OrderedDict()
        self._answers = Allowances(BURST, RATE, MOST_HOSTS, now)
        self.refused: Callable[[str, str], None] = lambda sender, reason: None
        """Called with a sender that is not heard, once for each host, and the reason."""
        self.counts = {"dropped": 0, "unanswered": 0}
        """Packets and connections that were not heard, and answers that were not sent."""

    def hears(self, host: str) -> bool:
        """Return True for an address that is heard. Another one is counted, and told the first time."""
        is_heard = self._known.get(host)
        if is_heard is None:
            self._known[host] = is_heard = self.includes(host)
            if len(self._known) > MOST_HOSTS:
                self._known.popitem(last=False)
            if not is_heard:
                self.refused(f"osc:{host}", f"{host} is not among those that --osc-allow names")
        self.counts["dropped"] += not is_heard
        return is_heard

    def includes(self, host: str) -> bool:
        """Return True for an address of this machine or of the networks."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if address.version == 6 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address.is_loopback or any(address in network for network in self._networks)

    def bounded(self, send: Send, is_connected: Callable[[UdpAddress], bool], spares_loopback: bool = True) -> Send:
        """Return `send` with a bound on what one host of the network gets. A connection proves its address.

        Programs of this machine get everything if `spares_loopback`.
        """

        def send_bounded(address: str, values: Sequence[Value], target: UdpAddress) -> None:
            is_spared = spares_loopback and is_loopback(target[0])
            if is_spared or is_connected(target) or not self._answers.take(target[0]):
                send(address, values, target)
            else:
                self.counts["unanswered"] += 1

        return send_bounded
