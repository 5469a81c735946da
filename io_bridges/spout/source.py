"""``spout:`` source: the newest picture of a Spout sender. Written against SpoutGL, untested on hardware."""

import contextlib
import time

import numpy as np

from io_bridges.frames import LONGEST_SIDE, Frame, Pixels
from io_bridges.pixels import Format, to_rgb
from io_bridges.scheme import write_uri
from io_bridges.spout.api import GL_BGRA, GL_RGBA, SpoutReceiving, bind_context, check_name, load_spout, spout_errors
from presets.errors import BridgeError

_LOOK = 0.002
"""Seconds between two looks for a picture."""
_SHORTEST_NS = 8_000_000
"""Shortest time between two pictures. A sender that counts no frames looks new at every look."""
_EMPTY_NS = 500_000_000
"""Longest time for which pictures of zeros are taken for an empty buffer after a change."""
_BGRA_FORMATS = (87, 88, 91)
"""DXGI formats with blue first: with alpha, with an unused byte, with the sRGB curve."""


class SpoutSource:
    """A source that waits for its sender, and follows it through restarts and changes of size."""

    def __init__(self, location: str = "", flip: bool = False) -> None:
        """Set the sender's name. An empty one is the active sender. `flip` turns the pictures upside down."""
        self._name = check_name(location)
        self._flip = flip
        self._receiver: SpoutReceiving | None = None
        self._buffer: Pixels | None = None
        self._format: Format = "rgba"
        self._empty_until = 0
        self._not_before = 0
        self._sender = ""
        self._size = ""
        self._index = self._changes = 0

    def open(self) -> None:
        """Bind an OpenGL context to this thread and look for the sender, which may start later.

        Raises `BridgeUnavailable`.
        """
        self.close()
        receiver = load_spout().SpoutReceiver()
        bind_context(receiver)
        self._receiver = receiver
        with spout_errors():
            receiver.setReceiverName(self._name)
        self._index = 0

    def read(self, timeout: float) -> Frame | None:
        """Wait at most `timeout` seconds for a new picture. Return it, or None. Raises `BridgeError`."""
        if self._receiver is None:
            raise BridgeError(f"spout:{self._name} was read before it was open")
        deadline = time.monotonic() + timeout
        while True:
            with spout_errors():
                pixels = self._receive(self._receiver)
            if pixels is not None:
                frame = Frame(pixels, self._index, time.monotonic_ns())
                self._index += 1
                self._not_before = frame.captured_at + _SHORTEST_NS
                return frame
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(left, _LOOK))

    def close(self) -> None:
        """Release the receiver and its context, on the thread that opened them."""
        receiver, self._receiver = self._receiver, None
        self._buffer = None
        self._sender = self._size = ""
        if receiver is not None:
            with contextlib.suppress(BridgeError), spout_errors():
                receiver.releaseReceiver()
                receiver.closeOpenGL()

    def status(self) -> dict[str, object]:
        """Return the sender's name and size (empty without one), and counts of pictures and of new senders or sizes."""
        return {
            "source": "spout",
            "name": self._name,
            "sender": self._sender,
            "size": self._size,
            "pictures": self._index,
            "changes": self._changes,
        }

    def _receive(self, receiver: SpoutReceiving) -> Pixels | None:
        """Return a new picture, or None."""
        if time.monotonic_ns() < self._not_before:
            return None
        buffer = self._buffer
        received = receiver.receiveImage(buffer, GL_BGRA if self._format == "bgra" else GL_RGBA, False, 0)
        if receiver.isUpdated():  # Must be asked after every call, or the next calls fail.
            self._fit(receiver)
            return None
        if not received:
            self._buffer, self._sender, self._size = None, "", ""
            return None
        if buffer is None:
            return None
        if self._empty_until:
            # After a change, Spout returns True before the first picture has come through.
            if time.monotonic_ns() < self._empty_until and not buffer.any():
                return None
            self._empty_until = 0
        elif not receiver.isFrameNew():
            return None
        return to_rgb(buffer, self._format, "bottom-left" if self._flip else "top-left")

    def _fit(self, receiver: SpoutReceiving) -> None:
        """Make a buffer for the sender's size. Its own byte order is asked for: some drivers do not exchange it."""
        width, height = receiver.getSenderWidth(), receiver.getSenderHeight()
        if not (1 <= width <= LONGEST_SIDE and 1 <= height <= LONGEST_SIDE):
            raise BridgeError(
                f"The Spout sender has {width}x{height} pixels; each side must be 1 to {LONGEST_SIDE} pixels"
            )
        self._format = "bgra" if receiver.getSenderFormat() in _BGRA_FORMATS else "rgba"
        self._buffer = np.zeros((height, width, 4), np.uint8)
        self._empty_until = time.monotonic_ns() + _EMPTY_NS
        self._sender, self._size = receiver.getSenderName(), f"{width}x{height}"
        self._changes += 1


def available() -> list[str]:
    """Return the URIs of the running Spout senders. Raises `BridgeUnavailable`."""
    receiver = load_spout().SpoutReceiver()
    bind_context(receiver)
    with spout_errors():
        names = receiver.getSenderList()
        receiver.closeOpenGL()
    return [write_uri("spout", name) for name in names]
