"""`TcpConnections`: OSC over TCP, for surfaces and programs that hold a connection.

One thread accepts and reads. The control's own thread takes the packets, and sends to a client by its address.
"""

import contextlib
import errno
import selectors
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable

from io_bridges.osc.stream_framing import MalformedStream, PacketSplitter, framed
from io_bridges.osc.surfaces import UdpAddress
from io_bridges.osc.udp_socket import resolve
from io_bridges.wakeup_socket import WakeupSocket
from presets.errors import BridgeUnavailable

MAX_CONNECTIONS = 16
"""Clients at once. One more is turned away."""
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


class TcpConnections:
    """The clients of one TCP port. `take` and `send` belong to the control's thread."""

    def __init__(self, host: str, port: int, wake: Callable[[], None], refused: Callable[[str, str], None]) -> None:
        """Bind. `wake` is called when there are packets, `refused` with a client's name and the fault of its stream.

        Raises:
            BridgeUnavailable: the port is in use or can't be opened.
        """
        self._wake, self._refused = wake, refused
        self._listener = _listen(host, port)
        self._clients: dict[UdpAddress, tuple[socket.socket, PacketSplitter]] = {}
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
        client, splitter = self._clients.get(address, (None, None))
        if client is None or splitter is None:
            return False
        try:
            data = framed(packet, splitter.framing or "size")
            if client.send(data) == len(data):
                return True
        except OSError:
            pass
        # Part of a packet was sent or none of it: the client could not tell where the next one begins.
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
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
            for client, _ in self._clients.values():
                client.close()
            self._clients.clear()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            client, address = self._listener.accept()
        except OSError:  # the client is gone, or the system has no more files, which a pause lets others close
            self._stop.wait(_ROOM)
            return
        if len(self._clients) >= MAX_CONNECTIONS:
            client.close()
            self._refused(_name(address), f"more than {MAX_CONNECTIONS} TCP connections")
            return
        client.setblocking(False)
        with contextlib.suppress(OSError):  # macOS takes no options of a client that is gone already
            _set_options(client)
        self._clients[address] = client, PacketSplitter()
        selector.register(client, selectors.EVENT_READ, address)

    def _read(self, address: UdpAddress, selector: selectors.BaseSelector) -> None:
        client, splitter = self._clients[address]
        try:
            data = client.recv(_READ)
            packets = splitter.feed(data)
        except BlockingIOError:
            return
        except (OSError, MalformedStream) as error:
            if isinstance(error, MalformedStream):
                self._refused(_name(address), f"malformed OSC stream: {error}")
            data, packets = b"", []
        self._bytes_read += sum(map(len, packets))
        self._packets.extend((packet, address) for packet in packets)
        if not data:
            selector.unregister(client)
            del self._clients[address]
            client.close()
            self._packets.append((None, address))
        self._wake()


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
