"""`Allowances`: how many requests each client may make at once, and how many a second from then on."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable


class Allowances:
    """One allowance for each client, which refills with time. For one thread."""

    def __init__(self, burst: int, rate: float, most_clients: int, now: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            burst: Requests at once.
            rate: Requests a second that it refills with.
            most_clients: Clients that are remembered. The oldest of more is forgotten.
            now: Returns seconds on a monotonic clock.
        """
        self._burst = float(burst)
        self._rate = rate
        self._most_clients = most_clients
        self._now = now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Take one request from the allowance of a client. Return 0, or the seconds until it has one again."""
        left = self._balance(client)
        self._keep(client, left - 1 if left >= 1 else left)
        return 0.0 if left >= 1 else (1 - left) / self._rate

    def borrow(self, client: str) -> float:
        """Take one request that is made in any case. Return 0, or the seconds after which it is within the rate."""
        left = self._balance(client) - 1
        self._keep(client, left)
        return max(-left, 0.0) / self._rate

    def _balance(self, client: str) -> float:
        left, since = self._left.pop(client, (self._burst, self._now()))
        return min(left + (self._now() - since) * self._rate, self._burst)

    def _keep(self, client: str, left: float) -> None:
        self._left[client] = left, self._now()
        if len(self._left) > self._most_clients:
            self._left.popitem(last=False)


def client_network(address: str) -> str:
    """Return an IPv4 address, or the network that one subscriber has of IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
