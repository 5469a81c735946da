"""`OpenedDestinations`: the hosts and NDI senders that messages to a show may name.

A message makes the show connect, listen or announce itself on a network only where the user opened that. Loopback is
open. Names are compared as they are spelled: none is resolved.
"""

import ipaddress
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from io_bridges.local_network import is_loopback
from io_bridges.uri import BridgeUri
from presets.errors import SettingsError

_NDI = "ndi:"
_ALL_HOSTS = {"*": "0.0.0.0", "": "0.0.0.0"}
_HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,20}\.?")
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443}
"""Ports of addresses that name none, by protocol."""

_PLAIN_URL = re.compile(r"[!-\[\]-~]*")
"""ASCII without spaces and backslashes. Programs disagree about the host of any other address."""


class NamedDestination(NamedTuple):
    """A host of a network or an NDI sender that a message names."""

    host: str
    """Name or address in small letters, or the name of an NDI sender."""
    port: int = 0
    """0 for one that is not named."""
    is_ndi: bool = False

    def option(self) -> str:
        """Return what ``--allow-destination`` takes for it, quoted for a shell."""
        if self.is_ndi:
            return shlex.quote(f"{_NDI}{self.host[:200]}")
        host = f"[{self.host[:200]}]" if ":" in self.host else self.host[:200]
        return shlex.quote(f"{host}:{self.port}" if self.port else host)


@dataclass(frozen=True, slots=True)
class AllowedDestination:
    """One ``--allow-destination``: a host, a network or NDI senders, and a port if only one is open."""

    host: str = ""
    """Host name, or the name of an NDI sender or its machine; empty for a network, or for every NDI sender."""
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    port: int = 0
    """0 for every port."""
    is_ndi: bool = False

    def includes(self, destination: NamedDestination) -> bool:
        """Return True if it opens the destination."""
        if self.is_ndi != destination.is_ndi or self.port not in (0, destination.port):
            return False
        if self.is_ndi:
            name = destination.host.casefold()
            return self.host in ("", name, name.partition(" (")[0])
        address = _address(destination.host)
        if self.network is None or address is None:
            return self.host == destination.host
        return address in self.network


def read_destinations(texts: Iterable[str]) -> tuple[AllowedDestination, ...]:
    """Return the destinations of ``--allow-destination``.

    Raises:
        SettingsError: One is not valid.
    """
    return tuple(map(_read, texts))


def find_destinations(uri: BridgeUri) -> list[NamedDestination]:
    """Return where a source or a sink connects, listens or announces itself on a network. Nothing is resolved."""
    if uri.scheme.is_announced:
        return [NamedDestination(uri.location, is_ndi=True)]
    if uri.scheme.location in ("bind", "connect") and uri.location.startswith("tcp://"):
        host, _, port = uri.location.removeprefix("tcp://").rpartition(":")
        return [_destination(host, 0 if port == "*" else int(port))]
    return _of_url(uri.location) if uri.scheme.location == "url" else []


class OpenedDestinations:
    """The destinations that are open to messages."""

    def __init__(self) -> None:
        """Open loopback."""
        self._allowed: tuple[AllowedDestination, ...] = ()

    def open(self, allowed: tuple[AllowedDestination, ...]) -> None:
        """Open the destinations of the command line."""
        self._allowed = allowed

    def check(self, uri: BridgeUri) -> None:
        """Refuse a source or a sink that reaches what is not open.

        Raises:
            SettingsError: The sentence says how to open it.
        """
        for destination in find_destinations(uri):
            if not self._includes(destination):
                raise SettingsError(_closed(uri, destination))

    def _includes(self, destination: NamedDestination) -> bool:
        if not destination.is_ndi and is_loopback(destination.host):
            return True
        return any(allowed.includes(destination) for allowed in self._allowed)


def _read(text: str) -> AllowedDestination:
    wanted = text.strip()
    if wanted.lower().startswith(_NDI):
        return AllowedDestination(wanted[len(_NDI) :].strip().casefold(), is_ndi=True)
    try:
        return AllowedDestination(network=ipaddress.ip_network(wanted, strict=False))
    except ValueError:
        found = _HOST_AND_PORT.fullmatch(wanted)
    host, port = (_destination(found["host"], int(found["port"] or 0))[:2]) if found else ("", 0)
    if port > 65535 or (_address(host) is None and _HOST_NAME.fullmatch(host) is None):
        raise SettingsError(
            "--allow-destination takes HOST, HOST:PORT, a network such as 192.168.1.0/24, or ndi:NAME; "
            f"{text[:80]!r} was given"
        )
    if (address := _address(host)) is not None:
        return AllowedDestination(network=ipaddress.ip_network(address), port=port)
    return AllowedDestination(host, port=port)


def _destination(host: str, port: int) -> NamedDestination:
    plain = host.removeprefix("[").removesuffix("]").lower()
    return NamedDestination(_ALL_HOSTS.get(plain, plain), port)


def _of_url(url: str) -> list[NamedDestination]:
    """Return the host of a stream's address, and the one that it listens on by its ``localaddr=``."""
    try:
        if not _PLAIN_URL.fullmatch(url):
            raise ValueError
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        hosts = [parts.hostname or "", *parse_qs(parts.query).get("localaddr", [])]
    except ValueError:  # no rule but the address's own words opens it
        return [NamedDestination(url)]
    return [_destination(host, port) for host in hosts]


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _closed(uri: BridgeUri, destination: NamedDestination) -> str:
    if not destination.is_ndi:
        does = "connect to" if uri.scheme.location != "bind" else "listen on"
        place, all_of_it = destination.option(), ""
    elif uri.scheme.kind == "source":
        does, place, all_of_it = "receive", f"the NDI sender {destination.host[:200]}", ", or ndi: for all of NDI"
    else:
        does, place, all_of_it = "announce", f"the NDI sender {destination.host[:200]}", ", or ndi: for all of NDI"
    return (
        f"a message may not make the show {does} {place}: it is none of the destinations that are open. "
        f"Start the show with --allow-destination {destination.option()} to open it{all_of_it}"
    )
