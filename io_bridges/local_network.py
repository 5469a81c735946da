"""Addresses at which phones, tablets and other machines reach a show: those of this machine, and its port of OSC."""

import ipaddress
import socket
import string
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import psutil

ANY_HOST = ("", "0.0.0.0")
"""Hosts of a server that listens on every address of the machine."""


_OF_HOST_NAMES = frozenset(f"{string.ascii_letters}{string.digits}.-_*")


def is_host(text: str) -> bool:
    """Return True for an address of IPv4 or IPv6, for what may be the name of a host, and for an empty text."""
    if ":" not in text:
        return not set(text) - _OF_HOST_NAMES
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Return True if a server on this host is not reachable from the network."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def local_addresses() -> list[str]:
    """Return the IPv4 addresses of this machine on its networks.

    Those that a system gives itself where no network has any (169.254.…) come last.
    """
    adapters = psutil.net_if_addrs().values()
    found = [each.address for adapter in adapters for each in adapter if each.family == socket.AF_INET]
    return sorted(
        (address for address in found if not is_loopback(address)),
        key=lambda address: ipaddress.ip_address(address).is_link_local,
    )


def reachable_addresses(host: str) -> list[str]:
    """Return the addresses at which other machines reach a server that listens on `host`; none on loopback."""
    if host in ANY_HOST:
        return local_addresses()
    return [] if is_loopback(host) else [host]


def osc_address(status: Mapping[str, object]) -> tuple[str, int] | None:
    """Return the host and port that a show listens on for OSC, from its status; None without OSC."""
    controls = status.get("controls")
    for control in controls if isinstance(controls, Iterable) else ():
        address = urlsplit(str(control.get("address") or ""))
        if address.scheme == "osc.udp" and address.hostname is not None and address.port is not None:
            return address.hostname, address.port
    return None
