"""``shm:`` source: the newest picture of a writer in shared memory.

Readers look for a new picture with short sleeps, timed by the rate at which pictures came. No notice works alike on
Linux, macOS and Windows, and a writer never waits for a reader.
"""

import time
from typing import Literal

from io_bridges.frames import Frame, Pixels
from io_bridges.shared_memory.received_picture import PictureCopy, PictureReader, ReceivedPicture, own_rgb
from io_bridges.shared_memory.ring_layout import WORD
from io_bridges.shared_memory.ring_reader import RingReader
from io_bridges.shared_memory.segment import attach, check_name
from io_bridges.shared_memory.touchdesigner_layout import LONGEST_TOUCH_NAME, PREFIX
from io_bridges.shared_memory.touchdesigner_reader import TouchDesignerReader
from presets.errors import BridgeError

SegmentFormat = Literal["ring", "touchdesigner"]

_LOOK_AGAIN_NS = 250_000_000
"""Time between two looks for a writer that is not there, and between two checks of one that is silent."""
_MAX_AGE_NS = 10_000_000_000


class SharedMemorySource:
    """A source that waits for its writer, and follows it through restarts and changes of size."""

    def __init__(
        self, location: str, format: SegmentFormat = "ring", flip: bool = False, copy: PictureCopy = own_rgb
    ) -> None:
        """Set the name of the memory and its layout. `flip` turns the pictures upside down. Raises `SettingsError`.

        `copy` copies the pictures of a ring.
        """
        self._name = check_name(location, LONGEST_TOUCH_NAME) if format == "touchdesigner" else check_name(location)
        self._format: SegmentFormat = format
        self._flip = flip
        self._copy = copy
        self._reader: PictureReader | None = None
        self._last: Pixels | None = None
        self._pacer = LookPacer()
        self._checked_at = 0
        self._opened = False
        self._writer = "none"
        self._index = self._dropped = self._torn = self._writers = 0

    def open(self) -> None:
        """Begin to look for the writer. It may start later."""
        self.close()
        self._pacer = LookPacer()
        self._index = 0
        self._opened = True

    def read(self, timeout: float) -> Frame | None:
        """Wait at most `timeout` seconds for a new picture. Return it, or None.

        Raises:
            SharedMemoryRefused: the memory holds something else, or a header that lies.
        """
        if not self._opened:
            raise BridgeError(f"shm:{self._name} was read before it was open")
        deadline = time.monotonic_ns() + round(timeout * 1e9)
        while True:
            picture = self._look()
            now = time.monotonic_ns()
            if picture is not None:
                self._pacer.arrived(now, picture.pictures)
                return self._frame(picture, now)
            left = deadline - now
            if left <= 0:
                return None
            time.sleep(min(left, self._pacer.pause(now)) / 1e9)

    def close(self) -> None:
        """Release the memory."""
        self._opened = False
        self._let_go("none")
        self._checked_at = 0

    def status(self) -> dict[str, object]:
        """Return the name, the writer, and counts of pictures read, missed, torn (and read again) and of writers."""
        return {
            "source": "shm",
            "name": self._name,
            "writer": self._writer,
            "pictures": self._index,
            "dropped": self._dropped,
            "torn": self._torn,
            "writers": self._writers,
        }

    def _look(self) -> ReceivedPicture | None:
        reader = self._reader
        if reader is not None:
            torn = reader.torn
            picture = reader.read()
            self._torn += reader.torn - torn
            if picture is not None:
                self._checked_at = time.monotonic_ns()
                return picture
        now = time.monotonic_ns()
        if now - self._checked_at >= _LOOK_AGAIN_NS:
            self._checked_at = now
            if reader is None:
                self._attach()
            elif reader.is_over():
                self._let_go("gone")
                self._attach()
        return None

    def _attach(self) -> None:
        name = PREFIX + self._name if self._format == "touchdesigner" else self._name
        segment = attach(name)
        if segment is None:
            return
        if segment.size >= WORD and not any(segment.buffer[:WORD]):
            segment.close()  # Its writer has made it, and not written the header yet.
            return
        try:
            if self._format == "touchdesigner":
                self._reader = TouchDesignerReader(segment, self._flip, self._last)
            else:
                self._reader = RingReader(segment, self._flip, self._copy)
        except BridgeError:
            segment.close()
            raise
        self._writer = self._reader.writer_name()
        self._writers += 1

    def _let_go(self, writer: str) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            if isinstance(reader, TouchDesignerReader):
                self._last = reader.last
            reader.close()
        self._writer = writer

    def _frame(self, picture: ReceivedPicture, now: int) -> Frame:
        stamp = picture.captured_at
        captured_at = stamp if 0 < now - stamp < _MAX_AGE_NS else now
        frame = Frame(picture.pixels, self._index, captured_at)
        self._index += 1
        self._dropped += picture.pictures - 1
        return frame


class LookPacer:
    """Times the looks for a new picture: seldom before one can be due, often around that time, seldom in silence."""

    OFTEN_NS = 500_000
    SELDOM_NS = 5_000_000
    SILENCE_NS = 1_000_000_000
    LONGEST_NS = 30_000_000
    EARLY = 0.75
    """Share of the time between two pictures after which the looks become frequent."""

    def __init__(self) -> None:
        self._last = 0
        self._period = 0.0

    def arrived(self, now: int, pictures: int) -> None:
        """Note that `pictures` have come since the last call."""
        self._period = (now - self._last) / pictures
        self._last = now

    def pause(self, now: int) -> float:
        """Return the nanoseconds to sleep before the next look."""
        silent = now - self._last
        if silent > self.SILENCE_NS:
            return self.SELDOM_NS
        often = min(self.OFTEN_NS, self._period / 4)
        return max(often, min(self._period, self.LONGEST_NS) * self.EARLY - silent)
