"""``zmq:`` and ``zmq+connect:`` sources: the newest array message of any ZeroMQ publisher.

The queue is short and is emptied at every read. ZeroMQ's CONFLATE option is not used: it delivers only the last part
of a multipart message, without an error.
"""

import logging
import time
from collections import Counter

import zmq

from io_bridges.array_message import MAX_HEADER_BYTES, ArrayMessage, MessageRefused, decode
from io_bridges.frames import LONGEST_SIDE, Frame
from io_bridges.zmq_endpoint import BindOrConnect, ZmqEndpoint
from presets.errors import BridgeError

_MAX_PART_BYTES = LONGEST_SIDE * LONGEST_SIDE * 4 + MAX_HEADER_BYTES
_QUEUE = 4
_MAX_PARTS = 3
_MAX_DRAINED = 256
"""Most messages taken in one read, so that a flood of small ones does not keep it from returning."""
_REFILL_MS = 2
_CATCH_UP_NS = 30_000_000
_LOG_EVERY_NS = 5_000_000_000
_MAX_AGE_NS = 10_000_000_000

_log = logging.getLogger(__name__)


class ZmqSource:
    """A source with a SUB socket. Messages that are not frames are counted by reason and skipped."""

    def __init__(self, mode: BindOrConnect, address: str) -> None:
        """Set the ZeroMQ endpoint. The system chooses the port for port 0, and `status` returns it."""
        self._mode: BindOrConnect = mode
        self._address = address
        self._endpoint: ZmqEndpoint | None = None
        self._index = 0
        self._dropped = 0
        self._refused: Counter[str] = Counter()
        self._logged_at = 0

    def open(self) -> None:
        """Bind or connect. Raises `BridgeUnavailable`, which names the address and says what to do."""
        self.close()
        endpoint = ZmqEndpoint(zmq.SUB, self._mode, self._address)
        endpoint.socket.setsockopt(zmq.RCVHWM, _QUEUE)
        endpoint.socket.setsockopt(zmq.MAXMSGSIZE, _MAX_PART_BYTES)
        endpoint.socket.setsockopt(zmq.SUBSCRIBE, b"")
        endpoint.start()
        self._index = 0
        self._endpoint = endpoint

    def read(self, timeout: float) -> Frame | None:
        """Wait at most `timeout` seconds for a frame. Return the newest one, or None."""
        endpoint = self._endpoint
        if endpoint is None:
            raise BridgeError(f"{self._address} was read before it was open")
        deadline = time.monotonic() + timeout
        try:
            while True:
                left = max(0.0, deadline - time.monotonic())
                readable = endpoint.socket.poll(int(left * 1000) + (left > 0))
                endpoint.count_peers()
                newest = self._drain(endpoint.socket) if readable else None
                if newest is not None:
                    return self._frame(newest)
                if time.monotonic() >= deadline:
                    return None
        except zmq.ZMQError as error:
            raise BridgeError(f"{endpoint.address}: {error.strerror}") from error

    def close(self) -> None:
        """Release the port. It is free when this returns."""
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None

    def status(self) -> dict[str, object]:
        """Return the address, the number of senders, and counts of frames read, dropped for a newer one and refused."""
        endpoint = self._endpoint
        return {
            "source": "zmq" if self._mode == "bind" else "zmq+connect",
            "address": endpoint.address if endpoint else self._address,
            "senders": endpoint.peers if endpoint else 0,
            "pictures": self._index,
            "dropped": self._dropped,
            "refused": dict(self._refused),
        }

    def _drain(self, socket: zmq.Socket[bytes]) -> ArrayMessage | None:
        """Return the newest frame of all waiting messages. A bad message does not hide a good one before it."""
        newest: ArrayMessage | None = None
        taken = 0
        until = time.monotonic_ns() + _CATCH_UP_NS
        while taken < _MAX_DRAINED:
            try:
                parts = _receive(socket)
            except zmq.Again:
                # A queue that was full has more frames behind it, in the network's buffers and at the sender, and is
                # refilled in a moment. A queue that was not full is in step with the sender: nothing to wait for.
                if taken < _QUEUE or time.monotonic_ns() > until or not socket.poll(_REFILL_MS):
                    break
                continue
            taken += 1
            try:
                message = decode(parts)
            except MessageRefused as refusal:
                self._count_refusal(refusal)
                continue
            self._dropped += newest is not None
            newest = message
        return newest

    def _frame(self, message: ArrayMessage) -> Frame:
        now = time.monotonic_ns()
        sent = message.captured_at
        # Only a sender on this machine shares its monotonic clock. Another machine's stamp would falsify the latency.
        captured_at = sent if sent is not None and 0 < now - sent < _MAX_AGE_NS else now
        frame = Frame(message.rgb(), self._index, captured_at)
        self._index += 1
        return frame

    def _count_refusal(self, refusal: MessageRefused) -> None:
        self._refused[refusal.reason] += 1
        now = time.monotonic_ns()
        if not self._logged_at or now - self._logged_at >= _LOG_EVERY_NS:
            self._logged_at = now
            _log.warning("%s: refused a frame (%d so far): %s", self._address, self._refused.total(), refusal)


class BindingZmqSource(ZmqSource):
    """``zmq:``: senders connect to this source."""

    def __init__(self, location: str) -> None:
        super().__init__("bind", location)


class ConnectingZmqSource(ZmqSource):
    """``zmq+connect:``: the sender binds. It may start later, or come back."""

    def __init__(self, location: str) -> None:
        super().__init__("connect", location)


def _receive(socket: zmq.Socket[bytes]) -> list[memoryview]:
    """Return the parts of the next message without copying them.

    Of a message with too many parts, it keeps one more than allowed, enough for `decode` to refuse it.
    """
    part = socket.recv(zmq.NOBLOCK, copy=False)
    parts = [part.buffer]
    while part.more:
        part = socket.recv(copy=False)  # All parts of a message arrive together.
        if len(parts) <= _MAX_PARTS:
            parts.append(part.buffer)
    return parts
