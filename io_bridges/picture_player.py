"""`PicturePlayer` plays the still images of a folder, or of a numbered sequence, at a constant rate."""

import math
import time
from pathlib import Path

from io_bridges.frames import Pixels
from io_bridges.image_files import read_still
from io_bridges.matte import AlphaKind, Matte
from io_bridges.picture_list import PictureList
from io_bridges.ticker import Ticker
from presets.errors import BridgeError

_SEQUENCE_FPS = 25.0
_SLIDES_FPS = 0.25
_REPEAT_FPS = 30.0
"""Rate at which a picture that stays longer is given again."""

_SLOW = 10.0
_MOST_SKIPPED = 30
"""Most pictures skipped because reading is slow. If more are late, the clock is moved instead."""


class PicturePlayer:
    """A player with one picture in memory. Pictures may be added, replaced and removed while it plays."""

    def __init__(self, path: Path, fps: float | None, loop: bool, transparency: tuple[Matte, AlphaKind]) -> None:
        """Read the folder or the pattern. `fps` is the rate of pictures in Hz.

        The default rate is 25 Hz for names that differ by a number only, otherwise one picture in four seconds.
        Raises `BridgeError` if the folder cannot be read.
        """
        self.dropped = self.corrupt = self.rounds = 0
        self.ended = False
        self.shown = ""
        """Name of the picture on air."""
        self._list = PictureList(path)
        self._loop = loop
        self._transparency = transparency
        rate = fps or (_SEQUENCE_FPS if self._list.is_numbered() else _SLIDES_FPS)
        self.fps = rate if rate >= _SLOW else None
        """Pictures a second; None for pictures that stand longer."""
        self._repeats = 1 if rate >= _SLOW else math.ceil(_REPEAT_FPS / rate)
        self._ticker = Ticker(rate * self._repeats)
        self._number = -1
        self._skew = 0
        self._position: str | None = None
        self._pixels: Pixels | None = None
        self._broken: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._list)

    def read(self, timeout: float) -> Pixels | None:
        """Wait at most `timeout` seconds for the picture that is due. Return it, or None; always None after the end."""
        if self.ended:
            time.sleep(max(timeout, 0.0))
            return None
        tick = self._ticker.wait(timeout)
        if tick is None:
            return None
        number = tick // self._repeats - self._skew
        late = number - self._number - 1
        if late > _MOST_SKIPPED:
            self._skew += late
            number, late = self._number + 1, 0
        if number > self._number or self._pixels is None:
            self._number = number
            if not self._advance(max(late, 0)):
                return None
        return self._pixels

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _advance(self, skip: int) -> bool:
        """Go to the next picture that can be read, after `skip` others. Return False at the end.

        Raises `BridgeError` if the folder is gone.
        """
        self._list.refresh()
        self.dropped += skip
        for _ in range(skip):
            self._next_name()
        for _ in range(len(self._list) + 1):
            name = self._next_name()
            if name is None:
                break
            pixels = self._read(self._list.folder / name)
            if pixels is not None:
                self._pixels, self.shown = pixels, name
                break
        return not self.ended

    def _next_name(self) -> str | None:
        """Move the position. Return its name, or None for an empty folder. Sets `ended` without a loop."""
        name = self._list.after(self._position)
        if name is None and self._position is not None:
            if not self._loop:
                self.ended = True
                return None
            self.rounds += 1
            name = self._list.after(None)
        self._position = name
        return name

    def _read(self, path: Path) -> Pixels | None:
        """Return a picture; None if it is gone, or broken and not replaced since."""
        try:
            facts = path.stat()
        except OSError:
            return None
        signature = facts.st_mtime_ns, facts.st_size
        if self._broken.get(path.name) == signature:
            return None
        try:
            pixels = read_still(path, *self._transparency)
        except BridgeError:
            self.corrupt += 1
            self._broken[path.name] = signature
            return None
        self._broken.pop(path.name, None)
        return pixels
