"""Pictures over pyzmq alone, as its documentation sends numpy arrays: the rival of the ZeroMQ bridges.

Specification: https://pyzmq.readthedocs.io/en/latest/howto/serialization.html (numpy arrays). The queues are as short
as those of the bridges: with pyzmq's default of a thousand messages a fast sender fills the memory.
"""

import json

import numpy as np
import zmq

from io_bridges.frames import Frame, RenderedFrame, Tick

QUEUE = 2


class _PlainZmq:
    """One end of a connection."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._socket: zmq.Socket[bytes] | None = None

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None

    def status(self) -> dict[str, object]:
        """Return nothing."""
        return {}


class PlainZmqSink(_PlainZmq):
    """Implements `io_bridges.bridges.Sink` with a bound PUB socket."""

    def open(self, width: int, height: int, fps: float) -> None:
        """Bind the socket."""
        self._socket = zmq.Context.instance().socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, QUEUE)
        self._socket.bind(self._address)

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Send one array."""
        if self._socket is None:
            raise RuntimeError("it is written to before it is open")
        header = {"dtype": str(frame.pixels.dtype), "shape": frame.pixels.shape, "captured_at": frame.captured_at}
        self._socket.send_json(header, zmq.SNDMORE)
        self._socket.send(frame.pixels.data, copy=False, track=False)


class PlainZmqSource(_PlainZmq):
    """Implements `io_bridges.bridges.Source` with a connected SUB socket. It returns every frame, not the newest."""

    def open(self) -> None:
        """Connect and subscribe."""
        self._socket = zmq.Context.instance().socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, QUEUE)
        self._socket.connect(self._address)
        self._socket.subscribe(b"")

    def read(self, timeout: float) -> Frame | None:
        """Return the next array, or None after `timeout` seconds."""
        if self._socket is None:
            raise RuntimeError("it is read before it is open")
        if not self._socket.poll(int(timeout * 1000)):
            return None
        header = json.loads(self._socket.recv())
        array = np.frombuffer(self._socket.recv(copy=False).buffer, dtype=header["dtype"]).reshape(header["shape"])
        return Frame(array, 0, header["captured_at"])
