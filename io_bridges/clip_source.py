"""``file:``: a clip in a loop at its own rate, or a still picture as often as a live source would give it.

Pictures are due at absolute times; what is late is dropped before it is turned to RGB. After a long stall the clip
goes on where it was, instead of racing to where it should be.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from io_bridges.clip import open_clip
from io_bridges.frames import Frame, Pixels
from io_bridges.image_files import is_still, read_still
from io_bridges.ticker import Ticker, sleep_until
from presets.errors import BridgeError

if TYPE_CHECKING:
    from io_bridges.clip_reader import ClipFrame, ClipReader

_STILL_FPS = 30.0
_MOST_DROPPED = 30
"""Pictures dropped in one read before the clip's time is moved instead."""


class ClipSource:
    """Plays the clip or shows the still that `place` names."""

    def __init__(self, place: str, loop: bool = True, fps: float | None = None) -> None:
        """`fps` in Hz plays a clip at another rate than its own, and says how often a still comes (30)."""
        self._path = Path(place).expanduser()
        self._loop = loop
        self._fps = fps
        self._playing: _Still | _Clip | None = None
        self._index = 0

    def open(self) -> None:
        """Raises `BridgeError` with the path for what can't be decoded, `BridgeUnavailable` where PyAV is missing."""
        self.close()
        self._index = 0
        if is_still(self._path):
            self._playing = _Still(read_still(self._path), self._fps or _STILL_FPS, self._loop)
        else:
            self._playing = _Clip(self._path, self._fps, self._loop)

    def read(self, timeout: float) -> Frame | None:
        """The picture that is due, waiting at most `timeout` seconds for it; after the end, None for ever."""
        if self._playing is None:
            raise BridgeError(f"{self._path} is read before it is open")
        pixels = self._playing.read(timeout)
        if pixels is None:
            return None
        frame = Frame(pixels, self._index, time.monotonic_ns())
        self._index += 1
        return frame

    def close(self) -> None:
        """Close the file."""
        if self._playing is not None:
            self._playing.close()
            self._playing = None

    def status(self) -> dict[str, object]:
        """Pictures shown, dropped because they were late, left out because they are damaged; rounds; the end."""
        playing = self._playing
        return {
            "source": "file",
            "path": str(self._path),
            "pictures": self._index,
            "dropped": playing.dropped if playing else 0,
            "corrupt": playing.corrupt if playing else 0,
            "rounds": playing.rounds if playing else 0,
            "ended": playing.ended if playing else False,
        }


class _Still:
    """One picture, again and again."""

    dropped = corrupt = rounds = 0

    def __init__(self, pixels: Pixels, fps: float, loop: bool) -> None:
        self._pixels = pixels
        self._pace = Ticker(fps)
        self._loop = loop
        self.ended = False

    def read(self, timeout: float) -> Pixels | None:
        if self.ended:
            time.sleep(max(timeout, 0.0))
            return None
        if self._pace.wait(timeout) is None:
            return None
        self.ended = not self._loop
        return self._pixels

    def close(self) -> None:
        """There is nothing to give back."""


class _Clip:
    """A clip with its next picture decoded ahead, so that neither a slow picture nor the loop's seam is seen."""

    def __init__(self, path: Path, fps: float | None, loop: bool) -> None:
        self.dropped = self.corrupt = self.rounds = 0
        self._path = path
        self._loop = loop
        self._reader: ClipReader = open_clip(path)
        self._pictures: Iterator[ClipFrame] = self._reader.pictures()
        self._stretch = float(self._reader.fps) / fps if fps else 1.0
        self._offset = 0.0
        self._end = 0.0
        self._next = self._decode()  # now, so that a clip without pictures fails when it is opened
        self._start = time.monotonic_ns()

    @property
    def ended(self) -> bool:
        return self._next is None

    def read(self, timeout: float) -> Pixels | None:
        if self._next is None:
            time.sleep(max(timeout, 0.0))
            return None
        if not sleep_until(self._due(self._next), timeout):
            return None
        now = time.monotonic_ns()
        for _ in range(_MOST_DROPPED):
            (_, picture), reader = self._next, self._reader
            self._next = self._decode()
            if self._next is None or self._due(self._next) > now:
                break
            self.dropped += 1
        else:
            self._start += now - self._due(self._next)
        return reader.rgb(picture)

    def close(self) -> None:
        self._reader.close()

    def _due(self, entry: "tuple[float, ClipFrame]") -> int:
        return self._start + round(entry[0] * self._stretch * 1e9)

    def _decode(self) -> "tuple[float, ClipFrame] | None":
        """The next picture and its time in seconds since the first round began; None after the end."""
        picture = next(self._pictures, None)
        if picture is None:
            self.corrupt += self._reader.corrupt
            self._reader.close()
            if not self._loop:
                return None
            self.rounds += 1
            self._offset = self._end
            self._reader = open_clip(self._path)
            self._pictures = self._reader.pictures()
            picture = next(self._pictures)
        at = self._offset + picture.time
        self._end = at + float(1 / self._reader.fps)
        return at, picture
