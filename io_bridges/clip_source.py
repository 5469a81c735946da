"""``file:`` source: a clip in a loop at its own rate, a still image, a folder of pictures or a numbered sequence.

Frames have absolute due times. A late frame is dropped before its conversion to RGB. After a long stall the clip
resumes at the frame where it stopped, instead of racing to catch up.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import url2pathname

from io_bridges.clip import open_clip
from io_bridges.clip_times import ClipFrame
from io_bridges.frames import Frame, Pixels
from io_bridges.image_files import is_still, missing, read_still
from io_bridges.matte import BLACK, AlphaKind, Matte
from io_bridges.picture_list import is_pattern
from io_bridges.picture_player import PicturePlayer
from io_bridges.ticker import Ticker, sleep_until
from presets.errors import BridgeError
from presets.paths import home_path, is_there

if TYPE_CHECKING:
    from io_bridges.animated_image import AnimatedWebp
    from io_bridges.clip_reader import ClipReader

_STILL_FPS = 30.0
_MAX_DROPPED = 30
"""Most frames dropped in one read. If more are late, the clip's clock is moved instead."""


class ClipSource:
    """A source that plays a clip or pictures, or shows a still image."""

    _kind = "file"
    _needs_pictures = True

    def __init__(
        self,
        location: str,
        loop: bool = True,
        fps: float | None = None,
        matte: Matte = BLACK,
        alpha: AlphaKind = "straight",
    ) -> None:
        """
        Args:
            location: The path, or the rest of a ``file://`` URL. ``frame-%05d.png`` is a numbered sequence.
            loop: Play again after the end.
            fps: Rate in Hz in place of the clip's own, of the 30 Hz of a still image, or of the pictures of a folder.
            matte: Colour behind transparent pixels.
            alpha: What the colours are where the clip is transparent.
        """
        self._path = file_path(location)
        self._transparency = (matte, alpha)
        self._loop = loop
        self._fps = fps
        self._player: _StillPlayer | _ClipPlayer | PicturePlayer | None = None
        self._index = 0

    def open(self) -> None:
        """Open the file.

        Raises `BridgeError` with the path if it cannot be decoded, `BridgeUnavailable` if PyAV is missing.
        """
        self.close()
        self._index = 0
        try:
            self._player = self._new_player()
        except OSError as error:  # the name is too long, or a folder is not open to this user
            raise BridgeError(f"Cannot open {self._path}: {error.strerror}") from error

    def _new_player(self) -> "_StillPlayer | _ClipPlayer | PicturePlayer":
        if self._path.is_dir() or is_pattern(self._path):
            pictures = PicturePlayer(self._path, self._fps, self._loop, self._transparency)
            if not len(pictures) and self._needs_pictures:
                pictures.close()
                raise BridgeError(f"{self._path} has no pictures")
            return pictures
        if is_still(self._path):
            pixels = read_still(self._path, *self._transparency)
            return _StillPlayer(pixels, self._fps or _STILL_FPS, self._loop)
        return _ClipPlayer(self._path, self._fps, self._loop, self._transparency)

    def read(self, timeout: float) -> Frame | None:
        """Wait at most `timeout` seconds for the frame that is due. Return it, or None; always None after the end."""
        if self._player is None:
            raise BridgeError(f"{self._path} was read before it was open")
        pixels = self._player.read(timeout)
        if pixels is None:
            return None
        frame = Frame(pixels, self._index, time.monotonic_ns())
        self._index += 1
        return frame

    def close(self) -> None:
        """Close the file."""
        if self._player is not None:
            self._player.close()
            self._player = None

    def status(self) -> dict[str, object]:
        """Return counts of frames shown, dropped as late and skipped as damaged, of finished loops, and the end.

        A folder adds the number of its pictures and the name of the one shown.
        """
        player = self._player
        folder = {"files": len(player), "shown": player.shown} if isinstance(player, PicturePlayer) else {}
        return folder | {
            "source": self._kind,
            "path": str(self._path),
            "pictures": self._index,
            "dropped": player.dropped if player else 0,
            "corrupt": player.corrupt if player else 0,
            "rounds": player.rounds if player else 0,
            "ended": player.ended if player else False,
            "declared_fps": player.fps if player else None,
        }


class FolderSource(ClipSource):
    """``folder:`` source: the pictures of a folder, which may be empty at first, or a numbered sequence."""

    _kind = "folder"
    _needs_pictures = False

    def _new_player(self) -> "_StillPlayer | _ClipPlayer | PicturePlayer":
        if not (self._path.is_dir() or is_pattern(self._path)):
            raise BridgeError(f"{self._path} is not a folder" if self._path.exists() else missing(self._path))
        return super()._new_player()


class _StillPlayer:
    """One image, repeated at a constant rate, or shown once without `loop`."""

    dropped = corrupt = rounds = 0
    fps = None

    def __init__(self, pixels: Pixels, fps: float, loop: bool) -> None:
        self._pixels = pixels
        self._ticker = Ticker(fps)
        self._loop = loop
        self.ended = False

    def read(self, timeout: float) -> Pixels | None:
        if self.ended:
            time.sleep(max(timeout, 0.0))
            return None
        if self._ticker.wait(timeout) is None:
            return None
        self.ended = not self._loop
        return self._pixels

    def close(self) -> None:
        """Do nothing: no file stays open."""


class _ClipPlayer:
    """A clip with its next frame decoded ahead, which hides slow frames and the seam of the loop."""

    def __init__(self, path: Path, fps: float | None, loop: bool, transparency: tuple[Matte, AlphaKind]) -> None:
        self._transparency = transparency
        self.dropped = self.corrupt = self.rounds = 0
        self._path = path
        self._loop = loop
        self._reader: ClipReader | AnimatedWebp = open_clip(path, *transparency)
        self._frames: Iterator[ClipFrame] = self._reader.frames()
        self.fps: float | None = fps or float(self._reader.fps)
        self._time_scale = float(self._reader.fps) / fps if fps else 1.0
        self._offset = 0.0
        self._end = 0.0
        self._next = self._decode()  # Now, so that a clip without frames fails when it is opened.
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
        for _ in range(_MAX_DROPPED):
            (_, frame), reader = self._next, self._reader
            self._next = self._decode()
            if self._next is None or self._due(self._next) > now:
                break
            self.dropped += 1
        else:
            self._start += now - self._due(self._next)
        return reader.rgb(frame)

    def close(self) -> None:
        self._reader.close()

    def _due(self, entry: tuple[float, ClipFrame]) -> int:
        return self._start + round(entry[0] * self._time_scale * 1e9)

    def _decode(self) -> tuple[float, ClipFrame] | None:
        """Return the next frame and its time in seconds since the first loop began, or None after the end."""
        frame = next(self._frames, None)
        if frame is None:
            self.corrupt += self._reader.corrupt
            self._reader.close()
            if not self._loop:
                return None
            self.rounds += 1
            self._offset = self._end
            self._reader = open_clip(self._path, *self._transparency)
            self._frames = self._reader.frames()
            frame = next(self._frames)
        at = self._offset + frame.time
        self._end = self._offset + frame.end
        return at, frame


def file_path(location: str) -> Path:
    """Return the path of a location: a path, or what follows ``file:`` in a URL such as ``file:///my%20clip.mp4``."""
    path = home_path(location)
    if location.startswith("//") and not is_there(path):
        host, _, rest = location[2:].partition("/")
        if host in ("", "localhost"):
            return Path(url2pathname(f"/{rest}"))
    return path
