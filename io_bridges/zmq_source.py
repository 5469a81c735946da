"""``zmq:`` and ``zmq+connect:`` in: array messages from anything that speaks ZeroMQ, the newest one only.

The queue is kept short and is emptied at every read. CONFLATE is never used: it delivers the last part of a message
of several parts, and says nothing.
"""

import logging
import time
from collections import Counter

import zmq

from io_bridges.array_message import LONGEST_HEADER, ArrayMessage, MessageRefused, decode
from io_bridges.frames import Frame
from io_bridges.opencv_import import LONGEST_SIDE
from io_bridges.zmq_endpoint import Endpoint, Way, endpoint
from presets.errors import BridgeError

DEFAULT_ADDRESS = "tcp://127.0.0.1:5555"

_LARGEST_PART = LONGEST_SIDE * LONGEST_SIDE * 4 + LONGEST_HEADER
_QUEUE = 4
_MOST_PARTS = 3
_DRAIN = 256
"""Messages taken in one read at most: a flood of tiny ones must not keep it from returning."""
_REFILL_MS = 2
_CATCH_UP_NS = 30_000_000
_LOG_EVERY_NS = 5_000_000_000
_OLDEST_NS = 10_000_000_000

_log = logging.getLogger(__name__)


class ZmqSource:
    """A SUB socket that hears everything. A message that is no picture is counted by reason, and the next is read."""

    def __init__(self, way: Way, address: str) -> None:
        """`address` is a ZeroMQ endpoint; port 0 leaves the choice to the system, `status` tells it."""
        self._way: Way = way
        self._address = address
        self._endpoint: Endpoint | None = None
        self._index = 0
        self._dropped = 0
        self._refused: Counter[str] = Counter()
        self._logged_at = 0

    def open(self) -> None:
        """Bind or connect. Raises `BridgeUnavailable` that names the address and what to do."""
        self.close()
        opened = Endpoint(zmq.SUB, self._way, self._address)
        opened.socket.setsockopt(zmq.RCVHWM, _QUEUE)
        opened.socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST_PART)
        opened.socket.setsockopt(zmq.SUBSCRIBE, b"")
        opened.start()
        self._index = 0
        self._endpoint = opened

    def read(self, timeout: float) -> Frame | None:
        """The newest picture, waiting at most `timeout` seconds for one."""
        opened = self._endpoint
        if opened is None:
            raise BridgeError(f"{self._address} is read before it is open")
        deadline = time.monotonic() + timeout
        try:
            while True:
                left = max(0.0, deadline - time.monotonic())
                heard = opened.socket.poll(int(left * 1000) + (left > 0))
                opened.count_peers()
                newest = self._drain(opened.socket) if heard else None
                if newest is not None:
                    return self._frame(newest)
                if time.monotonic() >= deadline:
                    return None
        except zmq.ZMQError as error:
            raise BridgeError(f"{opened.address}: {error.strerror}") from error

    def close(self) -> None:
        """Give the port back; it is free when this returns."""
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None

    def status(self) -> dict[str, object]:
        """Pictures read, dropped for a newer one, refused by reason, and how many senders there are."""
        opened = self._endpoint
        return {
            "source": "zmq" if self._way == "bind" else "zmq+connect",
            "address": opened.address if opened else self._address,
            "senders": opened.peers if opened else 0,
            "pictures": self._index,
            "dropped": self._dropped,
            "refused": dict(self._refused),
        }

    def _drain(self, socket: zmq.Socket[bytes]) -> ArrayMessage | None:
        """The newest picture of all that wait; a wrong message does not hide the right one before it."""
        newest: ArrayMessage | None = None
        taken = 0
        until = time.monotonic_ns() + _CATCH_UP_NS
        while taken < _DRAIN:
            try:
                parts = _receive(socket)
            except zmq.Again:
                # A queue that was full has more behind it, in the network's buffers and at the sender: an empty one
                # is being filled again. In step with the sender, nothing is waited for.
                if taken < _QUEUE or time.monotonic_ns() > until or not socket.poll(_REFILL_MS):
                    break
                continue
            taken += 1
            try:
                message = decode(parts)
            except MessageRefused as refusal:
                self._refuse(refusal)
                continue
            self._dropped += newest is not None
            newest = message
        return newest

    def _frame(self, message: ArrayMessage) -> Frame:
        now = time.monotonic_ns()
        sent = message.captured_at
        # Only a sender on this machine shares its clock; the stamp of any other would lie about the latency.
        captured_at = sent if sent is not None and 0 < now - sent < _OLDEST_NS else now
        frame = Frame(message.rgb(), self._index, captured_at)
        self._index += 1
        return frame

    def _refuse(self, refusal: MessageRefused) -> None:
        self._refused[refusal.reason] += 1
        now = time.monotonic_ns()
        if not self._logged_at or now - self._logged_at >= _LOG_EVERY_NS:
            self._logged_at = now
            _log.warning("%s: a picture was refused (%d so far): %s", self._address, self._refused.total(), refusal)


class BindingZmqSource(ZmqSource):
    """``zmq:``: senders connect here; on loopback unless another address is written."""

    def __init__(self, place: str = "") -> None:
        super().__init__("bind", endpoint(place, DEFAULT_ADDRESS))


class ConnectingZmqSource(ZmqSource):
    """``zmq+connect:``: the sender binds, and may come later or come back."""

    def __init__(self, place: str) -> None:
        super().__init__("connect", endpoint(place))


def _receive(socket: zmq.Socket[bytes]) -> list[memoryview]:
    """The parts of the next message without copying them; of one with too many, those that show it."""
    part = socket.recv(zmq.NOBLOCK, copy=False)
    parts = [part.buffer]
    while part.more:
        part = socket.recv(copy=False)  # all parts of a message arrive together
        if len(parts) <= _MOST_PARTS:
            parts.append(part.buffer)
    return parts
