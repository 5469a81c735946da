"""`RecordingFile`: a video file that can be played up to the last second at any time, also after a crash.

MP4 and MOV are written in fragments of a second, and become ordinary files when they are closed (FFmpeg's
``hybrid_fragmented``). Matroska is written in clusters of a second.
"""

import contextlib
from fractions import Fraction
from pathlib import Path

import av

from io_bridges.disk_space import shortage
from io_bridges.frames import Pixels
from io_bridges.video_stream import VideoEncoder, VideoStream
from presets.errors import BridgeError, BridgeUnavailable

_FRAGMENTS = {"movflags": "+hybrid_fragmented+frag_keyframe+default_base_moof", "flush_packets": "1"}
_CLUSTERS = {"cluster_time_limit": "1000", "flush_packets": "1"}
_MOST_NUMBERS = 10_000


class RecordingFile:
    """An open recording. It never replaces a file: a name that is taken gets a number, ``show-2.mp4``."""

    def __init__(self, path: Path, encoder: VideoEncoder, width: int, height: int, fps: Fraction) -> None:
        """Start a file for frames of this size in pixels at most `fps` times a second.

        Raises `BridgeUnavailable` if the folder cannot be written to or its disk is full.
        """
        check_space(path.parent)
        self.path = _reserve_name(path)
        """Path with the number that makes it new."""
        self._written = 0
        self._rate = max(round(fps), 1)
        options = _CLUSTERS if path.suffix.lower() == ".mkv" else _FRAGMENTS
        try:
            self._container = av.open(str(self.path), "w", options=options)
        except (OSError, av.error.FFmpegError) as error:
            raise BridgeUnavailable(f"Cannot record into {self.path}: {error.strerror}") from error
        self._stream = VideoStream(self._container, encoder, width, height, fps, keyframes=self._rate)

    def write(self, pixels: Pixels, number: int) -> None:
        """Add RGB [H, W, 3] at the time of frame `number`. Raises `BridgeError` if the disk is full or gone."""
        if self._written % self._rate == 0:
            check_space(self.path.parent)
        try:
            self._stream.encode(pixels, number)
        except (OSError, av.error.FFmpegError) as error:
            raise BridgeError(f"Cannot write to {self.path}: {error.strerror}") from error
        self._written += 1

    def close(self) -> None:
        """Finish the file; remove it if nothing was recorded. On a full disk it stays in fragments, which play too."""
        with contextlib.suppress(OSError, av.error.FFmpegError):
            self._stream.flush()
        with contextlib.suppress(OSError, av.error.FFmpegError):
            self._container.close()
        if not self._written:
            with contextlib.suppress(OSError):
                self.path.unlink()


def check_space(folder: Path) -> None:
    """Raise `BridgeUnavailable` if a folder's disk has no more than the reserve, or the folder is gone."""
    try:
        problem = shortage(folder, "a recording", "record")
    except OSError as error:
        raise BridgeUnavailable(f"Cannot record into {folder}: {error.strerror}") from error
    if problem:
        raise BridgeUnavailable(problem)


def _reserve_name(path: Path) -> Path:
    for number in range(1, _MOST_NUMBERS):
        free = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        try:
            free.open("xb").close()
        except FileExistsError:
            continue
        except OSError as error:
            raise BridgeUnavailable(f"Cannot record into {free}: {error.strerror}") from error
        return free
    raise BridgeUnavailable(f"{path.parent} holds {_MOST_NUMBERS} recordings of that name. Choose another name")
