"""``record:`` sink: the output in a video file, with the times of the output clock."""

import logging
from fractions import Fraction
from pathlib import Path

from io_bridges.frames import RenderedFrame, Tick
from io_bridges.recording.encoders import CONTAINERS, choose_encoder
from io_bridges.recording.file import RecordingFile, check_space
from presets.errors import BridgeError, SettingsError
from presets.paths import home_path

_NS = 1_000_000_000

_log = logging.getLogger(__name__)


class RecordingSink:
    """A sink that records every tick. A tick that was missed leaves a gap in time, and the picture before it stays."""

    def __init__(self, location: str, codec: str = "h264", quality: int = 75, hardware: bool = False) -> None:
        """Set the file; its suffix is the file type. `quality` is 1 to 100; ffv1 is always lossless.

        Raises `SettingsError` for a file type that cannot be recorded or does not hold the codec.
        """
        self._wanted = home_path(location)
        suffix = self._wanted.suffix.lower()
        if suffix not in CONTAINERS[codec]:
            types = " or ".join(CONTAINERS[codec])
            raise SettingsError(f"record:{location}: {codec} is recorded into {types}, not into {suffix or 'no type'}")
        self._codec, self._quality, self._hardware = codec, quality, hardware
        self._encoder = ""
        self._file: RecordingFile | None = None
        self._path: Path | None = None
        self._period = Fraction(_NS, 30)
        self._start: int | None = None
        self._last = -1
        self._written = 0
        self._dropped = 0

    def open(self, width: int, height: int, fps: float) -> None:
        """Start a new file.

        Raises `BridgeUnavailable`: the folder is missing or full, the size does not fit, no encoder opens.
        """
        self.close()
        check_space(self._wanted.parent)
        encoder = choose_encoder(self._codec, self._quality, self._hardware, (width, height))
        rate = Fraction(fps).limit_denominator(1001)
        self._file = RecordingFile(self._wanted, encoder, width, height, rate)
        self._path, self._encoder = self._file.path, encoder.name
        self._period = _NS / rate
        self._start = None
        self._last = -1
        _log.info("recording into %s with %s", self._path, encoder.name)

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Add one frame at the due time of its tick. Raises `BridgeError` if the disk is full or gone."""
        if self._file is None:
            raise BridgeError(f"{self._wanted} was written to before it was open")
        if self._start is None:
            self._start = tick.at
        # Not the number of the tick: a show that was suspended skips the ticks that it missed.
        number = round((tick.at - self._start) / self._period)
        if number <= self._last:
            self._dropped += 1
            return
        self._file.write(frame.host_pixels(), number)
        self._last = number
        self._written += 1

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
            _log.info("recorded %s, %.1f s", self._path, self._seconds())

    def _seconds(self) -> float:
        """Return the length of the file."""
        return float((self._last + 1) * self._period / _NS)

    def status(self) -> dict[str, object]:
        """Return the file, the encoder, the seconds recorded, and counts of frames written and dropped."""
        return {
            "sink": "record",
            "path": str(self._path or self._wanted),
            "encoder": self._encoder,
            "seconds": round(self._seconds(), 1),
            "pictures": self._written,
            "dropped": self._dropped,
        }
