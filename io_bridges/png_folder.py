"""``png:folder``: every distinct picture as a numbered PNG; a picture held on air is written once."""

from pathlib import Path

from io_bridges.frames import RenderedFrame, Tick
from io_bridges.image_files import write_still
from presets.errors import BridgeUnavailable

_COMPRESSION = 1  # quick: a sink's thread has one tick


class PngFolder:
    """Writes ``000000.png`` and on, each whole or not at all, after what the folder holds already."""

    def __init__(self, place: str, every: int = 1, max: int = 10_000) -> None:
        """`place` is a folder; of the distinct pictures one in `every` is written, until the folder holds `max`.

        The bound is there so that a disk never fills overnight.
        """
        self._folder = Path(place)
        self._every = every
        self._most = max
        self._number = 0
        self._seen = 0
        self._written = 0
        self._last: int | None = None

    def open(self, width: int, height: int, fps: float) -> None:
        """Make the folder. Raises `BridgeUnavailable` if it can't be written or is full."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            probe = self._folder / ".writable"
            probe.touch()
            probe.unlink()
            names = [path.stem for path in self._folder.glob("*.png")]
        except OSError as error:
            raise BridgeUnavailable(f"the folder {self._folder} can't be written: {error.strerror}") from error
        numbers = [int(name) for name in names if name.isascii() and name.isdigit()]
        self._number = max(numbers, default=-1) + 1
        self._seen = 0
        self._last = None
        if self._full():
            raise BridgeUnavailable(
                f"the folder {self._folder} holds {self._number} pictures: name another, or ask for more with ?max="
            )

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Write the picture if it is a new one and its turn. Raises `BridgeError` where the disk refuses."""
        if frame.index == self._last or frame.index < 0:  # held on air, or a slate
            return
        self._last = frame.index
        turn = self._seen % self._every == 0
        self._seen += 1
        if turn and not self._full():
            write_still(self._folder / f"{self._number:06d}.png", frame.host_pixels(), _COMPRESSION)
            self._number += 1
            self._written += 1

    def close(self) -> None:
        """There is nothing to give back."""

    def status(self) -> dict[str, object]:
        """Pictures written, and whether the folder has as many as it may."""
        return {"sink": "png", "folder": str(self._folder), "pictures": self._written, "full": self._full()}

    def _full(self) -> bool:
        return self._number >= self._most
