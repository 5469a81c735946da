"""``zmq:`` and ``zmq+connect:`` out: every tick as an array message, to whoever listens.

A reader that is slow or gone costs the show nothing: its queue is short, and what does not fit into it is dropped for
that reader alone.
"""

import numpy as np
import zmq

from io_bridges.array_message import encode
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.zmq_endpoint import Endpoint, Way, endpoint
from presets.errors import BridgeError

DEFAULT_ADDRESS = "tcp://127.0.0.1:5556"

_QUEUE = 2


class ZmqSink:
    """A PUB socket. The JSON part has the keys of `io_bridges.array_message.encode`."""

    def __init__(self, way: Way, address: str) -> None:
        """`address` is a ZeroMQ endpoint; port 0 leaves the choice to the system, `status` tells it."""
        self._way: Way = way
        self._address = address
        self._endpoint: Endpoint | None = None
        self._written = 0

    def open(self, width: int, height: int, fps: float) -> None:
        """Bind or connect; the size travels with every picture. Raises `BridgeUnavailable`."""
        self.close()
        opened = Endpoint(zmq.PUB, self._way, self._address)
        opened.socket.setsockopt(zmq.SNDHWM, _QUEUE)
        opened.start()
        self._endpoint = opened

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Publish one picture; never waits for a reader."""
        opened = self._endpoint
        if opened is None:
            raise BridgeError(f"{self._address} is written before it is open")
        opened.count_peers()
        pixels = np.ascontiguousarray(frame.host_pixels())
        # ZeroMQ reads the memory later: it may be lent only if nobody will write to it.
        lend = not pixels.flags.writeable
        try:
            opened.socket.send_multipart(encode(frame, tick, pixels), zmq.NOBLOCK, copy=not lend)
        except zmq.ZMQError as error:
            raise BridgeError(f"{opened.address}: {error.strerror}") from error
        self._written += 1

    def close(self) -> None:
        """Give the port back; it is free when this returns."""
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None

    def status(self) -> dict[str, object]:
        """Pictures published, and how many readers there are."""
        opened = self._endpoint
        return {
            "sink": "zmq" if self._way == "bind" else "zmq+connect",
            "address": opened.address if opened else self._address,
            "readers": opened.peers if opened else 0,
            "pictures": self._written,
        }


class BindingZmqSink(ZmqSink):
    """``zmq:``: readers connect here; on loopback unless another address is written."""

    def __init__(self, place: str = "") -> None:
        super().__init__("bind", endpoint(place, DEFAULT_ADDRESS))


class ConnectingZmqSink(ZmqSink):
    """``zmq+connect:``: the reader binds, and may come later or come back."""

    def __init__(self, place: str) -> None:
        super().__init__("connect", endpoint(place))
