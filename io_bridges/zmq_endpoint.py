"""`ZmqEndpoint`: the ZeroMQ socket of a frame source or sink, bound or connected, with a count of its peers."""

import errno
from typing import Literal

import zmq
from zmq.utils.monitor import recv_monitor_message

from presets.errors import BridgeError, BridgeUnavailable

BindOrConnect = Literal["bind", "connect"]

_EVENTS = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED


class ZmqEndpoint:
    """One socket in a ZeroMQ context of its own, so that closing it releases the port at once."""

    def __init__(self, kind: int, mode: BindOrConnect, address: str) -> None:
        """Create a socket of a kind such as ``zmq.SUB``. Set options on `socket`, then call `start`."""
        self.address = address
        """Endpoint as requested. After `start` it has the port that the system chose for port 0."""
        self.peers = 0
        """Number of connected peers."""
        self._mode = mode
        self._context = zmq.Context()
        self.socket = self._context.socket(kind)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.IPV6, "[" in address)
        self._monitor = self.socket.get_monitor_socket(_EVENTS)

    def start(self) -> None:
        """Bind or connect. Closes the socket and raises `BridgeUnavailable` if the address cannot be used."""
        try:
            if self._mode == "bind":
                self.socket.bind(self.address)
                self.address = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
            else:
                self.socket.connect(self.address)
        except zmq.ZMQError as error:
            self.close()
            raise BridgeUnavailable(_explain(self.address, self._mode, error)) from error

    def count_peers(self) -> None:
        """Update `peers` from the events since the last call."""
        try:
            while self._monitor.poll(0):
                event = recv_monitor_message(self._monitor, zmq.NOBLOCK)["event"]
                self.peers += 1 if event == zmq.EVENT_HANDSHAKE_SUCCEEDED else -1 if self.peers else 0
        except zmq.ZMQError as error:
            raise BridgeError(f"{self.address}: {error.strerror}") from error

    def close(self) -> None:
        """Release the port and wait until it is free. May be called twice."""
        self.peers = 0
        if not self.socket.closed:
            self.socket.disable_monitor()
        self._context.destroy(linger=0)


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
