"""The UDP sockets of OSC and DMX control, and addresses of hosts."""

import errno
import socket
import sys

from presets.errors import BridgeUnavailable

LOOPBACK, LOOPBACK6 = "127.0.0.1", "::1"
RECEIVE_BUFFER = 4 << 20
"""Bytes of receive buffer to request from the system: some seconds of the busiest surface."""


def bind_udp(
    host: str, port: int, what: str = "OSC", remedy: str = "another port with --osc", is_shared: bool = False
) -> socket.socket:
    """Return a socket that is bound and never blocks. Raises `BridgeUnavailable`.

    Args:
        host: Name or address.
        port: Port; 0 takes a free one.
        what: Name of the protocol, for sentences.
        remedy: Words on what else to choose, for sentences.
        is_shared: True if other programs may have the port too, as multicast and broadcasts reach all of them.
    """
    address = resolve(host, what)
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.setblocking(False)
    if is_shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    elif sys.platform == "win32":  # Otherwise another program could share the port and take the datagrams.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    try:
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            why = f"is in use. Stop the program that uses it, or choose {remedy}"
        else:
            why = f"cannot be opened: {error.strerror or error}"
        raise BridgeUnavailable(f"{what} port {port} (UDP, {host}) {why}") from error
    except OverflowError as error:
        bound.close()
        raise BridgeUnavailable(f"{what} port {port} is not valid. Choose one from 0 to 65535") from error
    return bound


def bind_loopback6(host: str, port: int) -> list[socket.socket]:
    """Return a socket on the same port of IPv6 loopback if `host` is that of IPv4, else none.

    Without IPv6, or where another program has the port, there is none either: the other socket is enough.
    """
    if host != LOOPBACK:
        return []
    try:
        bound = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    except OSError:
        return []
    try:
        bound.setblocking(False)
        if sys.platform == "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        bound.bind((LOOPBACK6, port))
    except OSError:
        bound.close()
        return []
    return [bound]


def resolve(host: str, what: str = "OSC") -> str:
    """Return the IPv4 address of a host. Raises `BridgeUnavailable`."""
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise BridgeUnavailable(f"{what}: no IPv4 address found for the host {host!r}") from error
    return str(found[0][4][0])
