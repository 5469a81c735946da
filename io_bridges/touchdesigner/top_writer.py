"""`TopWriter`: writes a TOP into the shared memory of ``--source shm:NAME``. The layout is in docs/shared-memory.md."""

import os
import random
import time
from contextlib import suppress
from multiprocessing import shared_memory
from typing import Any

import numpy as np

_MAGIC = int.from_bytes(b"SFLIVE01", "little")
_SLOTS, _DATA = 4, 4096
_RGBA, _BOTTOM_ROW_FIRST = 2, 1
LONGEST_SIDE = 4096
"""Most pixels on a side. The memory has room for it, because Windows cannot make it larger while a reader has it."""
_SLOT_BYTES = 4096 * 2304 * 4


class TopWriter:
    """Writer of one segment. Its memory is touched only as far as the pictures need it."""

    def __init__(self, name: str) -> None:
        """Make the segment. One of a TouchDesigner that has ended is taken over."""
        size = _DATA + _SLOTS * _SLOT_BYTES
        try:
            self._memory = shared_memory.SharedMemory(name, create=True, size=size)
        except FileExistsError:
            self._memory = shared_memory.SharedMemory(name)
            if self._memory.size < size:
                self._memory.close()
                raise
        self._header = np.ndarray(16, "<i8", self._memory.buf)
        self._slots = np.ndarray((_SLOTS, 16), "<i8", self._memory.buf, 128)
        self._scaled = np.empty(0, np.float32)
        self._header[0] = 0
        self._header[1:5] = 1, _SLOTS, _SLOT_BYTES, _DATA
        self._header[5:16] = 0
        self._header[8:12] = random.getrandbits(62), os.getpid(), 1, time.monotonic_ns()
        self._slots[:] = 0
        self._header[0] = _MAGIC
        self.written = 0
        """Number of pictures written."""

    def write(self, pixels: Any) -> None:
        """Write what ``TOP.numpyArray()`` returns: [H, W, 4], bottom row first, uint8, or float of which 1 is white.

        Raises:
            ValueError: the picture has another shape, or a side of more than `LONGEST_SIDE` pixels.
        """
        pixels = np.asarray(pixels)
        if pixels.ndim != 3 or pixels.shape[2] != 4 or max(pixels.shape) > LONGEST_SIDE or pixels.nbytes == 0:
            raise ValueError(
                f"a TOP of at most {LONGEST_SIDE} pixels a side with 4 channels is expected: {pixels.shape}"
            )
        if pixels.shape[0] * pixels.shape[1] * 4 > _SLOT_BYTES:
            raise ValueError(f"a TOP of {pixels.shape[1]}x{pixels.shape[0]} is too large: scale it down")
        height, width = pixels.shape[:2]
        place = self.written % _SLOTS
        slot = self._slots[place]
        target = np.ndarray((height, width, 4), "u1", self._memory.buf, _DATA + place * _SLOT_BYTES)
        slot[0] += 1
        self.written += 1
        slot[1:4] = self.written, self.written, time.monotonic_ns()
        slot[4:9] = width, height, 4 * width, _RGBA, _BOTTOM_ROW_FIRST
        slot[9] = self._header[11] = time.monotonic_ns()
        if pixels.dtype == np.uint8:
            target[:] = pixels
        else:
            self._convert(pixels, target)
        slot[0] += 1
        self._header[12] = self.written

    def close(self) -> None:
        """Tell the readers, and give the memory back. May be called twice."""
        if self._header is not None:
            self._header[10] = 0
            self._header = self._slots = None  # type: ignore[assignment]  # they hold the memory
            with suppress(BufferError):
                self._memory.close()
            with suppress(FileNotFoundError):
                self._memory.unlink()

    def _convert(self, pixels: Any, target: Any) -> None:
        if self._scaled.shape != pixels.shape:
            self._scaled = np.empty(pixels.shape, np.float32)
        np.clip(pixels, 0, 1, out=self._scaled, casting="unsafe")
        self._scaled *= 255
        self._scaled += 0.5
        np.copyto(target, self._scaled, casting="unsafe")
