"""`TcpConnections`: OSC over TCP, for surfaces and programs that hold a connection.

One thread accepts and reads. The control's own thread takes the packets, and sends to a client by its address.
"""

import contextlib
import errno
import selectors
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from io_bridges.osc.stream_framing import MalformedStream, PacketSplitter, framed
from io_bridges.osc.surfaces import UdpAddress
from io_bridges.osc.udp_socket import resolve
from io_bridges.wakeup_socket import WakeupSocket
from presets.errors import BridgeUnavailable

MAX_CONNECTIONS = 16
"""Clients at once. For one more, another gives way: the one that never sent a packet, else the one silent longest."""
MOST_WAITING = 2048
"""Packets that wait for the control. While so many do, no client is read, so that TCP holds them back."""
MOST_WAITING_BYTES = 1 << 22
"""Bytes of packets that wait for the control, with the same effect."""
_READ = 65_536
_SEND_BUFFER = 1 << 18
"""Bytes of feedback that the system holds for a client. One that reads none is closed when they are full."""
_ROOM = 0.05
_SILENCE = (("TCP_KEEPIDLE", 20), ("TCP_KEEPALIVE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4))
"""Seconds after which the system asks a silent client for a sign of life, between two questions, and their number.

A tablet that has left the network is closed after 40 seconds; by default its place would be taken for two hours.
"""
_UNANSWERED = ("TCP_USER_TIMEOUT", 40_000)
"""Milliseconds after which a client is closed that answers no feedback, where the system has that option."""


@dataclass(slots=True)
class TcpClient:
    """One client, and how long it has been of use."""

    socket: socket.socket
    splitter: PacketSplitter = field(default_factory=PacketSplitter)
    has_sent: bool = False
    """True once it has sent a whole packet, which strangers and half-open connections don't."""
    active: float = field(default_factory=time.monotonic)
    """Time of its last packet, of the last feedback to it, or of its beginning, in `time.monotonic` seconds."""


class TcpConnections:
    """The clients of one TCP port. `take` and `send` belong to the control's thread."""

    def __init__(
        self,
        host: str,
        port: int,
        wake: Callable[[], None],
        refused: Callable[[str, str], None],
        hears: Callable[[str], bool] = lambda host: True,
    ) -> None:
        """Bind. `wake` is called when there are packets, `refused` with a client's name and the fault of its stream.

        A client whose address `hears` does not admit is closed at once.

        Raises:
            BridgeUnavailable: the port is in use or can't be opened.
        """
        self._wake, self._refused, self._hears = wake, refused, hears
        self._listener = _listen(host, port)
        self._clients: dict[UdpAddress, TcpClient] = {}
        self._address: UdpAddress = self._listener.getsockname()
        self._packets: deque[tuple[bytes | None, UdpAddress]] = deque()
        self._bytes_read = self._bytes_taken = 0  # each is written by one thread
        self._stop = threading.Event()
        self._wakeup = WakeupSocket()
        self._thread = threading.Thread(target=self._run, name="osc-tcp", daemon=True)
        self._thread.start()

    @property
    def address(self) -> UdpAddress:
        """Host and port."""
        return self._address

    @property
    def is_full(self) -> bool:
        """True while so much waits that no client is read."""
        return len(self._packets) >= MOST_WAITING or self._bytes_read - self._bytes_taken >= MOST_WAITING_BYTES

    def __len__(self) -> int:
        return len(self._clients)

    def take(self) -> tuple[bytes | None, UdpAddress] | None:
        """Return the next packet and its sender, None if there is none. A packet of None ends what a client sends."""
        if not self._packets:
            return None
        packet, sender = self._packets.popleft()
        self._bytes_taken += len(packet or b"")
        return packet, sender

    def knows(self, address: UdpAddress) -> bool:
        """Return True if a client has this address."""
        return address in self._clients

    def send(self, packet: bytes, address: UdpAddress) -> bool:
        """Send a packet to a client. Return False if it could not be sent, which ends the connection."""
        client = self._clients.get(address)
        if client is None:
            return False
        try:
            data = framed(packet, client.splitter.framing or "size")
            if client.socket.send(data) == len(data):
                client.active = time.monotonic()
                return True
        except OSError:
            pass
        # Part of a packet was sent or none of it: the client could not tell where the next one begins.
        with contextlib.suppress(OSError):
            client.socket.shutdown(socket.SHUT_RDWR)
        return False

    def close(self) -> None:
        """Close all connections and the port. May be called twice."""
        self._stop.set()
        self._wakeup.call()
        self._thread.join(5.0)
        self._wakeup.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector, self._listener:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wakeup, selectors.EVENT_READ)
            while not self._stop.is_set():
                for key, _ in selector.select():
                    if key.fileobj is self._listener:
                        self._accept(selector)
                    elif key.data is not None:
                        self._read(key.data, selector)
                while self.is_full and not self._stop.wait(_ROOM):
                    self._wake()
            for client in self._clients.values():
                client.socket.close()
            self._clients.clear()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            client, address = self._listener.accept()
        except OSError:  # the client is gone, or the system has no more files, which a pause lets others close
            self._stop.wait(_ROOM)
            return
        if not self._hears(address[0]):
            client.close()
            return
        if len(self._clients) >= MAX_CONNECTIONS:
            self._close_least_active(selector)
        client.setblocking(False)
        with contextlib.suppress(OSError):  # macOS takes no options of a client that is gone already
            _set_options(client)
        self._clients[address] = TcpClient(client)
        selector.register(client, selectors.EVENT_READ, address)

    def _read(self, address: UdpAddress, selector: selectors.BaseSelector) -> None:
        client = self._clients.get(address)
        if client is None:  # it has given way to one that was accepted a moment ago
            return
        try:
            data = client.socket.recv(_READ)
            packets = client.splitter.feed(data)
        except BlockingIOError:
            return
        except (OSError, MalformedStream) as error:
            if isinstance(error, MalformedStream):
                self._refused(_name(address), f"malformed OSC stream: {error}")
            data, packets = b"", []
        if packets:
            client.has_sent, client.active = True, time.monotonic()
        self._bytes_read += sum(map(len, packets))
        self._packets.extend((packet, address) for packet in packets)
        if not data:
            self._forget(address, selector)
        self._wake()

    def _close_least_active(self, selector: selectors.BaseSelector) -> None:
        """Close the client that is missed least, so that programs that hold connections keep no surface out."""
        address = min(self._clients, key=lambda each: (self._clients[each].has_sent, self._clients[each].active))
        self._refused(_name(address), f"closed for a newer client: the most silent of {MAX_CONNECTIONS} over TCP")
        self._forget(address, selector)
        self._wake()

    def _forget(self, address: UdpAddress, selector: selectors.BaseSelector) -> None:
        client = self._clients.pop(address)
        selector.unregister(client.socket)
        client.socket.close()
        self._packets.append((None, address))


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform == "win32":  # SO_REUSEADDR would let another program take the port there.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((resolve(host), port))
        listener.listen(MAX_CONNECTIONS)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "is in use. Stop the program that uses it, or choose another port with --osc-tcp" if in_use else error
        raise BridgeUnavailable(f"OSC port {port} (TCP, {host}) {why}") from error
    return listener


def _set_options(client: socket.socket) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (*_SILENCE, _UNANSWERED):
        if (option := getattr(socket, name, None)) is not None:
            client.setsockopt(socket.IPPROTO_TCP, option, value)


def _name(address: UdpAddress) -> str:
    return f"osc:{address[0]}:{address[1]}"
