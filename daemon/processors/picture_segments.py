"""Shared memory between the stage and a processor: one picture there, which the processor can't write, and one back.

The names are removed as soon as both sides have mapped the memory, so that none is left behind.
"""

import os
import secrets
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from io_bridges.shared_memory.segment import SharedSegment, attach, create, remove
from presets.errors import BridgeUnavailable

Picture = NDArray[np.uint8]
"""uint8 ``[H, W, 3]``."""


class StageSegments:
    """The stage's side, for pictures of one shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Make the memory. Raises `BridgeUnavailable` if there is no room."""
        base = f"sfp-{os.getpid()}-{secrets.token_hex(4)}"
        self.shape = shape
        self.names = (f"{base}-i", f"{base}-o")
        self._named = True
        size = int(np.prod(shape))
        self._segments: list[SharedSegment] = []
        try:
            for name in self.names:
                self._segments.append(create(name, size))
        except BridgeUnavailable:
            self.close()
            raise
        self._there, self._back = (_view(segment, shape) for segment in self._segments)

    def write(self, picture: Picture) -> None:
        """Copy a picture there."""
        np.copyto(self._there, picture)

    def read(self) -> Picture:
        """Return a copy of the picture that came back, read-only: the processor may go on writing."""
        picture = self._back.copy()
        picture.flags.writeable = False
        return picture

    def forget_names(self) -> None:
        """Remove the names. Both sides have mapped the memory."""
        if self._named:
            self._named = False
            for name in self.names:
                remove(name)

    def close(self) -> None:
        """Unmap the memory and remove its names."""
        self.forget_names()
        self._there = self._back = np.empty(0, np.uint8)
        for segment in self._segments:
            segment.close()
        self._segments.clear()


class WorkerSegments:
    """The processor's side."""

    def __init__(self) -> None:
        self._names: Sequence[str] = ()
        self._segments: list[SharedSegment] = []
        self.picture: Picture = np.empty(0, np.uint8)
        """Newest picture, read-only."""
        self._back = self.picture

    def use(self, names: Sequence[str], shape: Sequence[int]) -> None:
        """Map the memory of these names, unless it is mapped. Raises `BridgeUnavailable`."""
        if names == self._names:
            return
        there, back = attach(names[0]), create(names[1], int(np.prod(shape)))
        if there is None:
            raise BridgeUnavailable("the pictures of the stage are gone")
        self.picture, self._back = _view(there, tuple(shape)), _view(back, tuple(shape))
        self.picture.flags.writeable = False
        for segment in self._segments:
            segment.close()
        self._segments = [there, back]
        self._names = names

    def answer(self, picture: Picture) -> None:
        """Copy a picture back."""
        np.copyto(self._back, picture)


def _view(segment: SharedSegment, shape: tuple[int, ...]) -> Picture:
    return np.frombuffer(segment.buffer, np.uint8, int(np.prod(shape))).reshape(shape)
