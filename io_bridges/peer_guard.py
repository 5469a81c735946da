"""`PeerGuard`: bounds on the peers of one ZeroMQ socket: how many there are, and what each may send without end.

ZeroMQ has no such bounds. It keeps the parts of a message until the last one has come, and its limit of sockets does
not count peers. So the guard ends connections itself: it shuts down their descriptors, which the socket's monitor
names. ZeroMQ then takes them for lost. A peer that means well connects again by itself.
"""

import contextlib
import os
import socket
import struct
import sys
import time
from dataclasses import dataclass

import psutil

MOST_PEERS = 64
"""Peers of one socket, those included that are still shaking hands. The newest of more are turned away."""
RESERVED_FILES = 128
"""Descriptors that stay free for renderers, sinks and files."""
PORTS = 16
"""Ports that share the other descriptors where the system allows few."""
FEWEST = 4

LOOK_SECONDS = 0.1
"""Seconds between two looks at what came in."""
MOST_ENDED = 32
"""Connections ended in one look. Those that come again at once must not take the time of the show."""
IDLE_RATE = 128
"""Bytes a second that a peer may send beside messages: the heartbeats of ZeroMQ.

They count where the memory is looked at, or a message that trickles in this slowly would never end.
"""
TRIFLE = 2 << 20
"""Bytes of unfinished messages of a socket, heartbeats included, that are not compared with the memory."""
STALLED_SECONDS = 1.0
"""Seconds without a message after which what a peer has sent is compared with the memory. Large frames take less."""
MOST_MEMORY = 256 << 20
"""Bytes by which the memory of this process may grow beyond unfinished messages.

An empty part has 2 bytes on the wire and 64 in memory.
"""

_RECEIVED = struct.Struct("=128xQ")
"""`tcpi_bytes_received` of Linux' `tcp_info`."""


def most_connections(wanted: int) -> int:
    """Return how many connections a port may have: as many as `wanted`, or fewer where few files may be open."""
    if sys.platform == "win32":
        return wanted
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else min(wanted, max(FEWEST, (files - RESERVED_FILES) // PORTS))


@dataclass(slots=True)
class GuardedPeer:
    """One connection."""

    inode: int
    """Number of the open socket. A descriptor is given to another file once it is closed."""
    received: int = 0
    """Bytes that had come at the last look after a message, and those of heartbeats since."""
    delivered: int = 0
    """Bytes that had come at the last look after a message."""
    has_progressed: bool = False
    """True if a message of it came out since the last look."""
    stalled: float = 0.0
    """Seconds without a message."""


class PeerGuard:
    """The peers of one socket. One thread only.

    What a peer has sent is known for TCP on Linux. Elsewhere, and for ``ipc:``, the number of peers alone is bounded,
    and on Windows nothing.
    """

    def __init__(self, longest: int) -> None:
        """`longest` is the number of bytes of the longest message that a peer may send."""
        self.turned_away = 0
        """Connections ended because there were too many."""
        self.endless = 0
        """Connections ended because of a message that did not end."""
        self._longest = longest
        self._peers: dict[int, GuardedPeer] = {}
        self._looked = time.monotonic()
        self._memory = 0
        self._process = psutil.Process()

    def opened(self, descriptor: int) -> None:
        """Take note of a new connection."""
        self._peers.pop(descriptor, None)
        with contextlib.suppress(OSError):  # it is closed again
            self._peers[descriptor] = GuardedPeer(os.fstat(descriptor).st_ino)

    def closed(self, descriptor: int) -> None:
        """Forget a connection."""
        self._peers.pop(descriptor, None)

    def delivered(self, descriptor: int) -> None:
        """Take note of a message that came out whole."""
        if (peer := self._peers.get(descriptor)) is not None:
            peer.has_progressed = True

    def look(self) -> None:
        """End the connections that are too many, and those whose message does not end. It costs little to call often.

        Call it after the events of the socket's monitor, and after its messages, have been read.
        """
        now = time.monotonic()
        if sys.platform == "win32" or now - self._looked < LOOK_SECONDS:
            return
        seconds, self._looked = now - self._looked, now
        excess = len(self._peers) - most_connections(MOST_PEERS)
        if excess > 0:
            newest = list(self._peers)[-excess:]
            for descriptor in newest[-MOST_ENDED:]:
                self.turned_away += self._end(descriptor)
        if sys.platform == "linux":
            self._end_endless(seconds)

    def _end_endless(self, seconds: float) -> None:
        unfinished: dict[int, int] = {}
        trickled: dict[int, int] = {}
        for descriptor, peer in self._peers.items():
            received = _received(descriptor)
            if peer.has_progressed:
                peer.received = peer.delivered = received
                peer.has_progressed, peer.stalled = False, 0.0
            else:
                peer.received = min(received, peer.received + round(IDLE_RATE * seconds))
                peer.stalled += seconds
            unfinished[descriptor] = received - peer.received
            if peer.stalled >= STALLED_SECONDS:
                trickled[descriptor] = received - peer.delivered
        too_large = [descriptor for descriptor, size in unfinished.items() if size > self._longest]
        total = sum(trickled.values())
        if total <= TRIFLE:
            self._memory = 0
        elif not too_large:
            memory = self._process.memory_info().rss
            self._memory = self._memory or memory
            held = sum(unfinished[each] for each in trickled)
            if memory - self._memory > MOST_MEMORY + total or held > 2 * self._longest:
                too_large = [max(trickled, key=trickled.__getitem__)]
        for descriptor in too_large:
            self.endless += self._end(descriptor)

    def _end(self, descriptor: int) -> bool:
        """End a connection. Return False if it has ended already."""
        peer = self._peers.pop(descriptor)
        with contextlib.suppress(OSError):
            copy = os.dup(descriptor)  # which stays that of the same socket, whoever closes the other one
            if os.fstat(copy).st_ino != peer.inode:
                os.close(copy)
                return False
            with socket.socket(fileno=copy) as connection:
                connection.shutdown(socket.SHUT_RDWR)
                return True
        return False


def _received(descriptor: int) -> int:
    """Return how many bytes have come over a TCP connection; 0 for any other one."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, struct.error):
            copy = socket.socket(fileno=descriptor)
            try:
                return int(_RECEIVED.unpack(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.size))[0])
            finally:
                copy.detach()
    return 0
