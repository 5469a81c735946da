"""A ZeroMQ socket of a picture bridge: its address, its binding or connecting, how many are at the other end."""

import errno
from typing import Literal

import zmq
from zmq.utils.monitor import recv_monitor_message

from presets.errors import BridgeError, BridgeUnavailable, SettingsError

Way = Literal["bind", "connect"]

_EVENTS = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED


def endpoint(place: str, default: str = "") -> str:
    """A ZeroMQ endpoint from what a person wrote: ``5555``, ``host:5555``, ``tcp://host:5555`` or ``ipc://path``.

    A number alone is a port on loopback. Raises `SettingsError`.
    """
    if not place:
        return default
    if place.startswith("ipc://") and len(place) > len("ipc://"):
        return place
    address = place.removeprefix("tcp://")
    if "://" in address:
        raise SettingsError(f"{place!r} is no address for pictures: write tcp://host:port or ipc://path")
    host, colon, port = address.rpartition(":")
    if not colon and port.isdigit():
        host = "127.0.0.1"
    if not host or not (port == "*" or (port.isascii() and port.isdigit() and int(port[:6]) <= 65535)):
        raise SettingsError(f"{place!r} is no address: write tcp://host:port, as in tcp://127.0.0.1:5555")
    if host == "localhost":  # ZeroMQ binds to numbers only
        host = "127.0.0.1"
    return f"tcp://{host}:{port}"


class Endpoint:
    """One socket in a context of its own, so that closing it gives the port back at once."""

    def __init__(self, kind: int, way: Way, address: str) -> None:
        """`kind` is ``zmq.SUB`` or ``zmq.PUB``. Set options on `socket`, then call `start`."""
        self.address = address
        """As it was asked for; once started, with the port that the system chose where it was to choose."""
        self.peers = 0
        """How many are at the other end."""
        self._way = way
        self._context = zmq.Context()
        self.socket = self._context.socket(kind)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.IPV6, "[" in address)
        self._monitor = self.socket.get_monitor_socket(_EVENTS)

    def start(self) -> None:
        """Bind or connect. Raises `BridgeUnavailable` that names the address and what to do; it is closed then."""
        try:
            if self._way == "bind":
                self.socket.bind(self.address)
                self.address = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
            else:
                self.socket.connect(self.address)
        except zmq.ZMQError as error:
            self.close()
            raise BridgeUnavailable(_sentence(self.address, self._way, error)) from error

    def count_peers(self) -> None:
        """Take in who came and who went."""
        try:
            while self._monitor.poll(0):
                event = recv_monitor_message(self._monitor, zmq.NOBLOCK)["event"]
                self.peers += 1 if event == zmq.EVENT_HANDSHAKE_SUCCEEDED else -1 if self.peers else 0
        except zmq.ZMQError as error:
            raise BridgeError(f"{self.address}: {error.strerror}") from error

    def close(self) -> None:
        """Give the port back; waits until it is free. May be called twice."""
        self.peers = 0
        if not self.socket.closed:
            self.socket.disable_monitor()
        self._context.destroy(linger=0)


def _sentence(address: str, way: Way, error: zmq.ZMQError) -> str:
    port = address.rpartition(":")[2]
    if error.errno == zmq.EADDRINUSE:
        return (
            f"port {port} is taken ({address}): another program, or another streamflow-live, has it. "
            "Stop that one or choose another port"
        )
    if error.errno in (zmq.EADDRNOTAVAIL, errno.ENODEV):
        return (
            f"{address} is no address of this machine: use tcp://127.0.0.1:{port}, or tcp://*:{port} for all networks"
        )
    return f"can't {way} {address}: {error.strerror}. An address looks like tcp://127.0.0.1:5555"
