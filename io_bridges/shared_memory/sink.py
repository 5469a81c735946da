"""``shm:`` sink: every tick into shared memory, as a ring or in the layout of TouchDesigner's Shared Mem In TOP."""

import numpy as np

from io_bridges.frames import RenderedFrame, Tick
from io_bridges.lazy_imports import opencv
from io_bridges.shared_memory.ring_writer import RingWriter
from io_bridges.shared_memory.segment import check_name
from io_bridges.shared_memory.source import SegmentFormat
from io_bridges.shared_memory.touchdesigner_layout import LONGEST_TOUCH_NAME
from io_bridges.shared_memory.touchdesigner_writer import TouchDesignerWriter
from presets.errors import BridgeError


class SharedMemorySink:
    """The only writer of its segment. Readers never delay it."""

    def __init__(self, location: str, format: SegmentFormat = "ring", flip: bool = False) -> None:
        """Set the name of the memory and its layout. `flip` turns the pictures upside down. Raises `SettingsError`."""
        self._name = check_name(location, LONGEST_TOUCH_NAME) if format == "touchdesigner" else check_name(location)
        self._format: SegmentFormat = format
        self._flip = flip
        self._writer: RingWriter | TouchDesignerWriter | None = None
        self._size = ""
        self._written = 0

    def open(self, width: int, height: int, fps: float) -> None:
        """Make the segment, or take over that of a writer that died. Raises `BridgeUnavailable`."""
        self.close()
        if self._format == "touchdesigner":
            self._writer = TouchDesignerWriter(self._name, width, height, self._flip)
        else:
            self._writer = RingWriter(self._name, width, height)
        self._size = f"{width}x{height}"

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Copy one picture into the memory. Raises `BridgeError` if another program took the name."""
        if self._writer is None:
            raise BridgeError(f"shm:{self._name} was written to before it was open")
        pixels = frame.host_pixels()
        if self._flip and self._format == "ring":
            pixels = opencv().flip(pixels, 0)
        self._writer.write(np.ascontiguousarray(pixels), frame.index, frame.captured_at)
        self._written += 1

    def close(self) -> None:
        """Tell the readers and remove the segment."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def status(self) -> dict[str, object]:
        """Return the name, the size and the number of pictures written."""
        return {"sink": "shm", "name": self._name, "size": self._size, "pictures": self._written}
