"""``png:`` sink: every distinct frame as a numbered PNG. A frame held on air is written once."""

import contextlib

from io_bridges.disk_space import shortage
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.image_files import write_still
from presets.errors import BridgeError, BridgeUnavailable
from presets.paths import home_path

_COMPRESSION = 1  # Fast, because the sink has one tick for each frame.


class PngFolder:
    """A sink that writes ``000000.png`` and up, each file whole or not at all, numbered after the existing ones."""

    def __init__(self, location: str, every: int = 1, max: int = 10_000) -> None:
        """Set the folder. One in `every` distinct frames is written, until the folder holds `max`.

        The maximum keeps a forgotten recording from filling the disk.
        """
        self._folder = home_path(location)
        self._every = every
        self._max = max
        self._number = 0
        self._seen = 0
        self._written = 0
        self._last: int | None = None

    def open(self, width: int, height: int, fps: float) -> None:
        """Make the folder. Raises `BridgeUnavailable` if it is not writable, or it or its disk is full."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            probe = self._folder / ".writable"
            probe.touch()
            probe.unlink()
            problem = shortage(self._folder, "a picture", "write")
            names = [path.stem for path in self._folder.glob("*.png")]
        except OSError as error:
            raise BridgeUnavailable(f"Cannot write to the folder {self._folder}: {error.strerror}") from error
        if problem:
            raise BridgeUnavailable(problem)
        numbers = [int(name) for name in names if name.isascii() and name.isdigit()]
        self._number = max(numbers, default=-1) + 1
        self._seen = 0
        self._last = None
        if self._full():
            raise BridgeUnavailable(
                f"The folder {self._folder} already holds {self._number} frames. "
                "Choose another folder, or allow more with ?max="
            )

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Write the frame if it is new and its turn has come. Raises `BridgeError` if the disk refuses or is full."""
        if frame.index == self._last or frame.index < 0:  # Held on air, or a slate.
            return
        self._last = frame.index
        due = self._seen % self._every == 0
        self._seen += 1
        if due and not self._full():
            self._check_space()
            write_still(self._folder / f"{self._number:06d}.png", frame.host_pixels(), _COMPRESSION)
            self._number += 1
            self._written += 1

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def status(self) -> dict[str, object]:
        """Return the folder, the number of frames written, and True under ``full`` if the maximum is reached."""
        full = self._full()
        return {
            "sink": "png",
            "folder": str(self._folder),
            "pictures": self._written,
            "full": full,
            "stopped": "the folder is full" if full else "",
        }

    def _check_space(self) -> None:
        """Raise `BridgeError` if the disk is full. A folder that is gone is told with the name of the picture."""
        with contextlib.suppress(OSError):
            if problem := shortage(self._folder, "a picture", "write"):
                raise BridgeError(problem)

    def _full(self) -> bool:
        return self._number >= self._max
