"""``zmq:`` and ``zmq+connect:`` sinks: every tick as an array message to all subscribers.

Each subscriber has a short queue. Frames that do not fit into it are dropped for that subscriber alone, so a slow or
lost one never delays the show.
"""

import numpy as np
import zmq

from io_bridges.array_message import encode
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.zmq_endpoint import BindOrConnect, ZmqEndpoint
from presets.errors import BridgeError

_QUEUE = 2
_LONGEST_SUBSCRIPTION = 4096
"""Bytes of the longest subscription."""
_MOST_SUBSCRIBED = 256 << 10
"""Bytes that a reader may send: all of its subscriptions, beside heartbeats."""


class ZmqSink:
    """A sink with a PUB socket. The JSON part has the keys of `io_bridges.array_message.encode`."""

    def __init__(self, mode: BindOrConnect, address: str) -> None:
        """Set the ZeroMQ endpoint. The system chooses the port for port 0, and `status` returns it."""
        self._mode: BindOrConnect = mode
        self._address = address
        self._endpoint: ZmqEndpoint | None = None
        self._written = 0

    def open(self, width: int, height: int, fps: float) -> None:
        """Bind or connect. Each message carries its size. Raises `BridgeUnavailable`."""
        self.close()
        endpoint = ZmqEndpoint(zmq.PUB, self._mode, self._address, _MOST_SUBSCRIBED)
        endpoint.socket.setsockopt(zmq.SNDHWM, _QUEUE)
        endpoint.socket.setsockopt(zmq.MAXMSGSIZE, _LONGEST_SUBSCRIPTION)
        endpoint.start()
        self._endpoint = endpoint

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Publish one frame without waiting for subscribers."""
        endpoint = self._endpoint
        if endpoint is None:
            raise BridgeError(f"{self._address} was written to before it was open")
        endpoint.count_peers()
        pixels = np.ascontiguousarray(frame.host_pixels())
        # ZeroMQ reads the memory after this returns: sending without a copy is safe only for read-only pixels.
        copy = pixels.flags.writeable
        try:
            endpoint.socket.send_multipart(encode(frame, tick, pixels), zmq.NOBLOCK, copy=copy)
        except zmq.ZMQError as error:
            raise BridgeError(f"{endpoint.address}: {error.strerror}") from error
        self._written += 1

    def close(self) -> None:
        """Release the port. It is free when this returns."""
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None

    def status(self) -> dict[str, object]:
        """Return the address, the number of subscribers and the number of frames published."""
        endpoint = self._endpoint
        return {
            "sink": "zmq" if self._mode == "bind" else "zmq+connect",
            "address": endpoint.address if endpoint else self._address,
            "readers": endpoint.peers if endpoint else 0,
            "pictures": self._written,
            "ended": endpoint.guard.turned_away + endpoint.guard.endless if endpoint else 0,
        }


class BindingZmqSink(ZmqSink):
    """``zmq:``: receivers connect to this sink."""

    def __init__(self, location: str) -> None:
        super().__init__("bind", location)


class ConnectingZmqSink(ZmqSink):
    """``zmq+connect:``: the receiver binds. It may start later, or come back."""

    def __init__(self, location: str) -> None:
        super().__init__("connect", location)
