"""``zmq:`` and ``zmq+connect:`` sources: the newest array message of any ZeroMQ publisher.

A ZeroMQ socket hears only its counterparts: ``sub`` hears PUB, ``pull`` hears PUSH, and ``rep`` hears REQ and DEALER
and answers each message with OK, as imagezmq's default expects. A sender of another type is turned away by ZeroMQ, on
both sides and for good, so the log and the status say which option to use.

The queue is short and is emptied at every read. ZeroMQ's CONFLATE option is not used: it delivers only the last part
of a multipart message, without an error.
"""

import logging
import time
from collections import Counter
from types import MappingProxyType
from typing import Literal, get_args

import zmq

from io_bridges.array_message import MAX_HEADER_BYTES, ArrayMessage, MessageRefused, decode
from io_bridges.frames import LONGEST_SIDE, Frame, Pixels
from io_bridges.matte import AlphaKind
from io_bridges.zmq_endpoint import BindOrConnect, ZmqEndpoint
from presets.errors import BridgeError

_MAX_PART_BYTES = LONGEST_SIDE * LONGEST_SIDE * 4 + MAX_HEADER_BYTES
_MAX_MESSAGE_BYTES = _MAX_PART_BYTES + (1 << 20)
_QUEUE = 4
_MAX_PARTS = 3
_MAX_DRAINED = 256
"""Most messages taken in one read, so that a flood of small ones does not keep it from returning."""
_STALL_NS = 20_000_000
"""Time between two reads after which the sender may have filled all queues with old frames."""
_FRESH_NS = 10_000_000
_BACKLOG = 3
"""Messages that wait for a source that has fallen behind, at least. One that is in step finds one or two."""
_REFILL_MS = 5
"""Milliseconds in which an emptied queue is filled again from the network's buffers and the sender's queue."""
_CATCH_UP_NS = 50_000_000
_LOG_EVERY_NS = 5_000_000_000
_MAX_AGE_NS = 10_000_000_000

_log = logging.getLogger(__name__)

SocketType = Literal["sub", "pull", "rep"]
SOCKET_TYPES: tuple[SocketType, ...] = get_args(SocketType)

_SOCKETS: MappingProxyType[SocketType, int] = MappingProxyType({"sub": zmq.SUB, "pull": zmq.PULL, "rep": zmq.REP})
_SENDERS: MappingProxyType[SocketType, str] = MappingProxyType({"sub": "PUB", "pull": "PUSH", "rep": "REQ or DEALER"})


class ZmqSource:
    """A source with one ZeroMQ socket. Messages that are not frames are counted by reason and skipped."""

    def __init__(
        self, mode: BindOrConnect, address: str, socket: SocketType = "sub", alpha: AlphaKind = "ignore"
    ) -> None:
        """Set the ZeroMQ endpoint. The system chooses the port for port 0, and `status` returns it."""
        self._alpha: AlphaKind = alpha
        self._mode: BindOrConnect = mode
        self._address = address
        self._type: SocketType = socket
        self._endpoint: ZmqEndpoint | None = None
        self._index = 0
        self._dropped = 0
        self._refused: Counter[str] = Counter()
        self._last_refusal = ""
        self._refused_since_frame = 0
        self._logged_at = 0
        self._told = 0
        self._read_at = time.monotonic_ns()

    def open(self) -> None:
        """Bind or connect. Raises `BridgeUnavailable`, which names the address and says what to do."""
        self.close()
        endpoint = ZmqEndpoint(_SOCKETS[self._type], self._mode, self._address, _MAX_MESSAGE_BYTES)
        endpoint.socket.setsockopt(zmq.RCVHWM, _QUEUE)
        endpoint.socket.setsockopt(zmq.MAXMSGSIZE, _MAX_PART_BYTES)
        if self._type == "sub":
            endpoint.socket.setsockopt(zmq.SUBSCRIBE, b"")
        endpoint.start()
        self._index = 0
        self._told = 0
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
                newest = self._drain(endpoint) if readable else None
                endpoint.count_peers()
                self._tell_turned_away(endpoint)
                if newest is not None and (pixels := self._pixels(newest)) is not None:
                    return self._frame(newest, pixels)
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
            "socket": self._type,
            "senders": endpoint.peers if endpoint else 0,
            "note": self._note(),
            "pictures": self._index,
            "dropped": self._dropped,
            "refused": dict(self._refused),
            "ended": endpoint.guard.turned_away + endpoint.guard.endless if endpoint else 0,
        }

    def _drain(self, endpoint: ZmqEndpoint) -> ArrayMessage | None:
        """Return the newest frame of all waiting messages. A bad message does not hide a good one before it."""
        socket = endpoint.socket
        newest: ArrayMessage | None = None
        taken, caught_up = 0, False
        began = time.monotonic_ns()
        until, was_held_up = began + _CATCH_UP_NS, began - self._read_at > _STALL_NS
        while taken < _MAX_DRAINED:
            try:
                parts, sender = _receive(socket)
            except zmq.Again:
                if not was_held_up or taken < _BACKLOG or caught_up or _is_fresh(newest):
                    break
                # More frames are on the way, in the network's buffers and at the sender, and come in a moment. All are
                # old: the sender drops new frames while its queue is full. The first frame after a pause is new.
                caught_up = not socket.poll(_REFILL_MS)
                left = (until - time.monotonic_ns()) // 1_000_000
                if left <= 0 or (caught_up and not socket.poll(left)):
                    break
                continue
            taken += 1
            endpoint.guard.delivered(sender)
            try:
                message = decode(parts)
            except MessageRefused as refusal:
                self._count_refusal(refusal)
                self._answer(socket, str(refusal))
                continue
            self._answer(socket, "OK")
            self._dropped += newest is not None
            newest = message
        self._read_at = time.monotonic_ns()
        return newest

    def _answer(self, socket: zmq.Socket[bytes], text: str) -> None:
        """Answer a sender that waits for it, before the next message can be received."""
        if self._type == "rep":
            socket.send_string(text, zmq.NOBLOCK)

    def _tell_turned_away(self, endpoint: ZmqEndpoint) -> None:
        if endpoint.turned_away > self._told:
            if not self._told:
                _log.warning("%s: %s", endpoint.address, self._turned_away())
            self._told = endpoint.turned_away

    def _note(self) -> str:
        """Return why no frame comes, as far as it is known; empty while good frames come."""
        endpoint = self._endpoint
        if self._refused_since_frame:
            return f"messages come and are refused ({self._refused_since_frame}): {self._last_refusal}"
        return self._turned_away() if endpoint and endpoint.turned_away and not endpoint.peers else ""

    def _turned_away(self) -> str:
        others = " or ".join(f"?socket={name} for a {_SENDERS[name]} socket" for name in _SOCKETS if name != self._type)
        return (
            f"a program connected that this source can't hear: it hears {_SENDERS[self._type]} sockets. "
            f"Use {others}, and start the sender again"
        )

    def _pixels(self, message: ArrayMessage) -> Pixels | None:
        """Return the pixels of a message, None for a damaged picture."""
        try:
            return message.picture(self._alpha)
        except MessageRefused as refusal:
            self._count_refusal(refusal)
            return None

    def _frame(self, message: ArrayMessage, pixels: Pixels) -> Frame:
        now = time.monotonic_ns()
        sent = message.captured_at
        # Only a sender on this machine shares its monotonic clock. Another machine's stamp would falsify the latency.
        captured_at = sent if sent is not None and 0 < now - sent < _MAX_AGE_NS else now
        frame = Frame(pixels, self._index, captured_at)
        self._index += 1
        self._refused_since_frame = 0
        return frame

    def _count_refusal(self, refusal: MessageRefused) -> None:
        self._refused[refusal.reason] += 1
        self._last_refusal = str(refusal).rstrip(".")
        self._refused_since_frame += 1
        now = time.monotonic_ns()
        if not self._logged_at or now - self._logged_at >= _LOG_EVERY_NS:
            self._logged_at = now
            _log.warning("%s: refused a frame (%d so far): %s", self._address, self._refused.total(), refusal)


class BindingZmqSource(ZmqSource):
    """``zmq:``: senders connect to this source."""

    def __init__(self, location: str, socket: SocketType = "sub", alpha: AlphaKind = "ignore") -> None:
        super().__init__("bind", location, socket, alpha)


class ConnectingZmqSource(ZmqSource):
    """``zmq+connect:``: the sender binds. It may start later, or come back."""

    def __init__(self, location: str, socket: SocketType = "sub", alpha: AlphaKind = "ignore") -> None:
        super().__init__("connect", location, socket, alpha)


def _is_fresh(message: ArrayMessage | None) -> bool:
    """Return True for a frame whose stamp says that it was captured just now."""
    return message is not None and 0 < time.monotonic_ns() - (message.captured_at or 0) < _FRESH_NS


def _receive(socket: zmq.Socket[bytes]) -> tuple[list[memoryview], int]:
    """Return the parts of the next message without copying them, and the descriptor of its connection.

    Of a message with too many parts, it keeps one more than allowed, enough for `decode` to refuse it.
    """
    part = socket.recv(zmq.NOBLOCK, copy=False)
    parts, sender = [part.buffer], int(part.get(zmq.SRCFD))
    while part.more:
        part = socket.recv(copy=False)  # All parts of a message arrive together.
        if len(parts) <= _MAX_PARTS:
            parts.append(part.buffer)
    return parts, sender
