"""Sources that need nothing outside the process: ``card:``, an animated test card, and ``none:``, no frames."""

import time

from io_bridges.card import draw_card
from io_bridges.frames import Frame
from io_bridges.ticker import Ticker


class CardSource:
    """Test cards at a constant rate. Each card shows its own frame index."""

    def __init__(self, location: str = "", size: tuple[int, int] = (640, 480), fps: float = 30.0) -> None:
        """Set the width and height in pixels and the rate in Hz. `location` is unused."""
        self._width, self._height = size
        self._fps = fps
        self._ticker: Ticker | None = None
        self._last_tick = -1
        self._index = 0
        self._late = 0

    def open(self) -> None:
        """Start the clock of the test card. The first card is due at once."""
        self._ticker = Ticker(self._fps)
        self._index = self._late = 0
        self._last_tick = -1

    def read(self, timeout: float) -> Frame | None:
        """Return the card that is due, or None after `timeout` seconds."""
        tick = None if self._ticker is None else self._ticker.wait(timeout)
        if tick is None:
            return None
        self._late += tick - self._last_tick - 1
        self._last_tick = tick
        frame = Frame(draw_card(self._index, self._width, self._height), self._index, time.monotonic_ns())
        self._index += 1
        return frame

    def close(self) -> None:
        """Stop the clock."""
        self._ticker = None

    def status(self) -> dict[str, object]:
        """Return the number of cards drawn, and of ticks skipped because nobody read in time (``late``)."""
        return {
            "source": "card",
            "size": f"{self._width}x{self._height}",
            "fps": self._fps,
            "declared_fps": self._fps,
            "pictures": self._index,
            "late": self._late,
        }


class EmptySource:
    """A source without frames, for text-to-image."""

    def __init__(self, location: str = "") -> None:
        """Ignore `location`, which is always empty."""

    def open(self) -> None:
        """Do nothing."""

    def read(self, timeout: float) -> Frame | None:
        """Wait `timeout` seconds and return None."""
        time.sleep(max(timeout, 0.0))
        return None

    def close(self) -> None:
        """Do nothing."""

    def status(self) -> dict[str, object]:
        """Return the kind of source; there is nothing to count."""
        return {"source": "none"}
