"""`UdpPort`: the UDP port of OSC control, what the system drops there, and the ports that refuse what it sends."""

import contextlib
import errno
import socket
import struct
import sys

from io_bridges.osc.feedback_target import UdpAddress
from io_bridges.osc.udp_socket import LOOPBACK6, bind_loopback6, bind_udp
from presets.errors import BridgeError

_LARGEST = 65_535
_MEMINFO, _DROPS = 55, 8
"""Linux's SO_MEMINFO and the place of the dropped datagrams in it, for which Python has no names."""
_MEMINFO_LAYOUT = "9I"
_REPORT_ERRORS = ((socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25))
"""Linux's IP_RECVERR and IPV6_RECVERR: the system keeps the addresses that refuse a datagram for the sender to read."""
_CODE_BYTES = 4
_MOST_REPORTS = 512
"""Reports that are read from one socket at once."""
_TRIES = 3
"""Tries to send a datagram: each report of a refusal makes one fail."""


class UdpPort:
    """One port, on a host of IPv4 and on IPv6 loopback beside IPv4's. Used on the control's thread, but for `lost`."""

    def __init__(self, host: str, port: int) -> None:
        """Bind; port 0 takes any free port. Raises `BridgeUnavailable`."""
        first = bind_udp(host, port)
        self.address: UdpAddress = first.getsockname()
        """Host and port."""
        self.sockets = [first, *bind_loopback6(*self.address)]
        """The bound sockets, to wait for datagrams. They never block."""
        self._lost: list[int | None] = [None] * len(self.sockets)
        if sys.platform == "linux":
            for bound, option in zip(self.sockets, _REPORT_ERRORS, strict=False):
                with contextlib.suppress(OSError):
                    bound.setsockopt(*option, 1)

    def is_own(self, address: UdpAddress) -> bool:
        """Return True for an address that this port is bound to."""
        host, port = self.address
        if address[1] != port:
            return False
        return address[0] in (host, LOOPBACK6) or (host == "0.0.0.0" and address[0].startswith("127."))

    def receive(self, bound: socket.socket) -> tuple[bytes, UdpAddress] | None:
        """Return the next datagram of a socket and its sender, None if there is none. Raises `BridgeError`."""
        while True:
            try:
                datagram, sender = bound.recvfrom(_LARGEST)
                return datagram, sender[:2]
            except BlockingIOError:
                return None
            except (ConnectionResetError, ConnectionRefusedError):  # Nobody received an earlier feedback datagram.
                continue
            except OSError as error:
                raise BridgeError(f"OSC port {self.address[1]} failed: {error.strerror or error}") from error

    def send(self, packet: bytes, target: UdpAddress) -> bool:
        """Send a datagram. Return False without a route to that host, or with a full buffer."""
        bound = self.sockets[-1 if ":" in target[0] else 0]
        for _ in range(_TRIES):
            try:
                bound.sendto(packet, target)
                return True
            except ConnectionRefusedError:  # by another target, of an earlier datagram
                continue
            except OSError:
                return False
        return False

    def take_refusing(self) -> list[UdpAddress]:
        """Return addresses at which nobody listens, as the system reported since the last call. Only Linux reports."""
        refusing: list[UdpAddress] = []
        if sys.platform != "linux":
            return refusing
        for bound in self.sockets:
            for _ in range(_MOST_REPORTS):
                try:
                    _, ancillary, _, target = bound.recvmsg(0, 512, socket.MSG_ERRQUEUE)
                except OSError:
                    break
                codes = [struct.unpack_from("=I", data)[0] for _, _, data in ancillary if len(data) >= _CODE_BYTES]
                if errno.ECONNREFUSED in codes:
                    refusing.append(target[:2])
        return refusing

    def lost(self) -> int | None:
        """Return how many datagrams the system dropped because they came faster than they were read.

        None on a system that does not tell: all but Linux. Any thread may call it.
        """
        if sys.platform != "linux":
            return None
        for place, bound in enumerate(self.sockets):
            with contextlib.suppress(OSError, struct.error):
                memory = bound.getsockopt(socket.SOL_SOCKET, _MEMINFO, struct.calcsize(_MEMINFO_LAYOUT))
                self._lost[place] = struct.unpack(_MEMINFO_LAYOUT, memory)[_DROPS]
        told = [count for count in self._lost if count is not None]
        return sum(told) if told else None

    def close(self) -> None:
        """Release the port. May be called twice."""
        self.lost()
        for bound in self.sockets:
            bound.close()
