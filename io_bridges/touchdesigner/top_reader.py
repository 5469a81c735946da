"""`TopReader`: reads the pictures of ``--sink shm:NAME`` for a Script TOP. The layout is in docs/shared-memory.md."""

import os
import sys
import time
from contextlib import suppress
from multiprocessing import resource_tracker, shared_memory
from typing import Any

import numpy as np

_MAGIC = int.from_bytes(b"SFLIVE01", "little")
_CHANNELS = {1: 3, 2: 4, 3: 3, 4: 4, 5: 1}
_ORDER = {1: (0, 1, 2), 2: (0, 1, 2), 3: (2, 1, 0), 4: (2, 1, 0), 5: (0, 0, 0)}
"""Places of red, green and blue in a pixel of each format."""
_LONGEST_SIDE = 8192
_GONE_NS = 3_000_000_000
_ATTEMPT_NS = 500_000_000


class TopReader:
    """Reader that follows its writer through restarts. Nothing in the memory can make it raise."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._memory: Any = None
        self._writer = 0
        self._seen = 0
        self._tried_at = -_ATTEMPT_NS
        self._picture = np.zeros((0, 0, 4), np.uint8)

    def read(self) -> Any:
        """Return the newest picture, RGBA uint8 [H, W, 4], bottom row first, or None if there is no newer one.

        The array is written again by the next call.
        """
        if self._memory is None and not self._attach():
            return None
        header = np.ndarray(16, "<i8", self._memory.buf)
        state = header.tolist()
        if state[0] != _MAGIC or state[10] != 1 or time.monotonic_ns() - state[11] > _GONE_NS:
            del header
            self.close()
            return None
        if state[8] != self._writer:
            self._writer, self._seen = state[8], 0
        written = state[12]
        if written <= self._seen or not 3 <= state[2] <= 64:
            return None
        if self._copy((written - 1) % state[2], state[3], state[4]):
            self._seen = written
            return self._picture
        return None

    def close(self) -> None:
        """Let the memory go. The next `read` looks for it again."""
        if self._memory is not None:
            with suppress(BufferError):
                self._memory.close()
            self._memory = None

    def _attach(self) -> bool:
        now = time.monotonic_ns()
        if now - self._tried_at < _ATTEMPT_NS:
            return False
        self._tried_at = now
        try:
            if sys.version_info >= (3, 13):
                self._memory = shared_memory.SharedMemory(self._name, track=False)
            else:
                self._memory = shared_memory.SharedMemory(self._name)
                if os.name == "posix":  # these Pythons remove the memory under its writer when this program ends
                    resource_tracker.unregister(self._memory._name, "shared_memory")
        except (OSError, ValueError):
            return False
        if self._memory.size < 128 + 128 * 3:
            self.close()
            return False
        return True

    def _copy(self, place: int, slot_bytes: int, data: int) -> bool:
        """Copy a slot into the picture. Return False if it is no picture, or was written meanwhile."""
        slot = np.ndarray(16, "<i8", self._memory.buf, 128 + 128 * place)
        sequence, _, _, _, width, height, stride, form, bottom_first = slot[:9].tolist()
        channels = _CHANNELS.get(form, 0)
        at = data + place * slot_bytes
        sizes_fit = 0 < width <= _LONGEST_SIDE and 0 < height <= _LONGEST_SIDE and channels * width <= stride
        if sequence % 2 or not channels or not sizes_fit or at < 0 or at + stride * height > self._memory.size:
            return False
        pixels = np.ndarray((height, width, channels), "u1", self._memory.buf, at, (stride, channels, 1))
        if self._picture.shape[:2] != (height, width):
            self._picture = np.full((height, width, 4), 255, np.uint8)
        rows = pixels if bottom_first else pixels[::-1]
        for channel, source in enumerate(_ORDER[form]):
            self._picture[..., channel] = rows[..., source]
        return bool(int(slot[0]) == sequence)
