"""`ZmqEndpoint`: the ZeroMQ socket of a frame source or sink, bound or connected, with a count of its peers."""

import errno
import socket
import sys
from pathlib import Path
from typing import Literal

import zmq
from zmq.utils.monitor import recv_monitor_message

from io_bridges.peer_guard import PeerGuard
from io_bridges.zmq_keys import CurveLock, lock_open_socket
from presets.errors import BridgeError, BridgeUnavailable

BindOrConnect = Literal["bind", "connect"]

_FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | _FAILED
_MOST_CONNECTIONS = 256
"""Connections that are tracked. More can be open for a moment."""
HANDSHAKE_MS = 5000
"""Milliseconds that a peer has for the handshake."""


class ZmqEndpoint:
    """One socket in a ZeroMQ context of its own, so that closing it releases the port at once."""

    def __init__(self, kind: int, mode: BindOrConnect, address: str, longest: int) -> None:
        """Create a socket of a kind such as ``zmq.SUB``. Set options on `socket`, then call `start`.

        `longest` is the number of bytes of the longest message that a peer may send.
        """
        self.address = address
        """Endpoint as requested. After `start` it has the port that the system chose for port 0."""
        self.peers = 0
        """Number of connected peers."""
        self.turned_away = 0
        """Connections that ended before the handshake: the other socket is of a type that this one can't hear."""
        self._connections: dict[int, bool] = {}
        """Open connections by file descriptor, oldest first. True after the handshake."""
        self._has_failed = False
        """True after the failure of a handshake. The disconnection that comes next is that of its connection."""
        self.guard = PeerGuard(longest)
        self._mode = mode
        self._lock: CurveLock | None = None
        self._context = zmq.Context()
        self.socket = self._context.socket(kind)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.IPV6, "[" in address)
        self.socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        self._monitor = self.socket.get_monitor_socket(_EVENTS)

    def start(self) -> None:
        """Bind or connect. Closes the socket and raises `BridgeUnavailable` if the address cannot be used.

        A socket that is bound beyond loopback wants keys.
        """
        try:
            if self._mode == "bind":
                _refuse_taken_path(self.address)
                self._lock = lock_open_socket(self._context, self.socket, self.address)
                self.socket.bind(self.address)
                self.address = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
            else:
                self.socket.connect(self.address)
        except zmq.ZMQError as error:
            self.close()
            raise BridgeUnavailable(_explain(self.address, self._mode, error)) from error
        except BridgeUnavailable:
            self.close()
            raise

    def count_peers(self) -> None:
        """Update `peers` and `turned_away` from the events since the last call, and bound what peers do."""
        try:
            while self._monitor.poll(0):
                message = recv_monitor_message(self._monitor, zmq.NOBLOCK)
                self._note(int(message["event"]), int(message["value"]))
            self.guard.look()
        except zmq.ZMQError as error:
            raise BridgeError(f"{self.address}: {error.strerror}") from error

    def _note(self, event: int, descriptor: int) -> None:
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            # The event does not name its connection. Handshakes take a moment, so it is the oldest without one.
            self._mark_shaken()
        elif event & _FAILED:
            self._has_failed = True
        elif event == zmq.EVENT_DISCONNECTED:
            self.guard.closed(descriptor)
            shaken = self._connections.pop(descriptor, True)
            if shaken and self._has_failed:  # it was marked for one that came after it
                self._mark_shaken()
            self.turned_away += not shaken
            self._has_failed = False
        else:
            self.guard.opened(descriptor)
            self._connections.pop(descriptor, None)
            if len(self._connections) < _MOST_CONNECTIONS:
                self._connections[descriptor] = False
        self.peers = sum(self._connections.values())

    def _mark_shaken(self) -> None:
        waiting = next((key for key, shaken in self._connections.items() if not shaken), None)
        if waiting is not None:
            self._connections[waiting] = True

    def close(self) -> None:
        """Release the port and wait until it is free. May be called twice."""
        self.peers = 0
        self._connections.clear()
        if not self.socket.closed:
            self.socket.disable_monitor()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self._context.destroy(linger=0)


def _refuse_taken_path(address: str) -> None:
    """Raise `BridgeUnavailable` if an ``ipc:`` path is taken. ZeroMQ would delete the file, or another's socket."""
    name = address.removeprefix("ipc://")
    if name == address or name[0] in "*@":  # a port, a name that the system chooses, or no path at all
        return
    path = Path(name)
    try:
        if not path.exists():
            return
        if not path.is_socket():
            raise BridgeUnavailable(f"{path} is not a socket ({address}). Choose another path")
    except OSError as error:
        raise BridgeUnavailable(f"Cannot bind {address}: {error.strerror}") from error
    if not is_left_behind(path):
        raise BridgeUnavailable(f"{path} is in use ({address}) by another program or this show. Choose another path")


def is_left_behind(path: Path) -> bool:
    """Return True for a socket whose program is gone. A stopped or busy program still has its connections queued."""
    if sys.platform == "win32" or not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def _explain(address: str, mode: BindOrConnect, error: zmq.ZMQError) -> str:
    port = address.rpartition(":")[2]
    if error.errno == zmq.EADDRINUSE:
        return (
            f"Port {port} is in use ({address}) by another program or another streamflow-live. "
            "Stop it, or choose another port"
        )
    if error.errno in (zmq.EADDRNOTAVAIL, errno.ENODEV):
        return (
            f"{address} is not an address of this machine. "
            f"Use tcp://127.0.0.1:{port}, or tcp://*:{port} for all networks"
        )
    return f"Cannot {mode} {address}: {error.strerror}. An address looks like tcp://127.0.0.1:5555"
