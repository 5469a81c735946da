"""``none:``: no picture ever comes; the renderer makes its own from the prompt (text-to-image)."""

import time

from io_bridges.frames import Frame


class EmptySource:
    """A source that is always silent."""

    def __init__(self, place: str = "") -> None:
        """`place` is the empty place of ``none:``."""

    def open(self) -> None:
        """There is nothing to take."""

    def read(self, timeout: float) -> Frame | None:
        """Waits `timeout` seconds; None."""
        time.sleep(max(timeout, 0.0))
        return None

    def close(self) -> None:
        """There is nothing to give back."""

    def status(self) -> dict[str, object]:
        """No counters: nothing happens here."""
        return {"source": "none"}
