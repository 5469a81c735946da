"""The two pictures that are there before any renderer: the loading slate, and the safe picture that panic cuts to."""

import textwrap
from pathlib import Path

from daemon.shared.mailbox import Mailbox
from io_bridges.frames import Pixels, RenderedFrame
from io_bridges.slate import draw_slate, load_slate

LINES = 4
"""That a slate has below the name."""

SLATE_INDEX = -1
"""`RenderedFrame.index` of a picture that no renderer drew."""


class SlateFrames:
    """Drawn where they change, never at a tick. The user's own picture takes the place of both."""

    def __init__(self, size: tuple[int, int], picture: Path | None = None) -> None:
        """`size` is width, height in pixels. Raises `BridgeError` for a picture that can't be read."""
        self._size = size
        self._own = picture is not None
        safe = draw_slate(*size) if picture is None else load_slate(picture, *size)
        self.safe: Mailbox[RenderedFrame] = Mailbox()
        self.loading: Mailbox[RenderedFrame] = Mailbox()
        self._said: tuple[str, int] | None = None
        self.safe.put(_as_rendered(safe))
        if self._own:
            self.loading.put(_as_rendered(safe))
        else:
            self.show("starting", 0.0)

    def show(self, text: str, fraction: float) -> None:
        """Say on the loading slate how far it is: a fraction from 0 to 1. A user's own picture says nothing."""
        said = (text, round(fraction * 100))
        if self._own or said == self._said:
            return
        self._said = said
        self.loading.put(_as_rendered(draw_slate(*self._size, _lines(text), fraction)))


def _lines(text: str) -> list[str]:
    """A sentence over as many of the slate's lines as it needs to be read from afar."""
    short = max(len(text) / LINES + 6, 28)  # words end where they end: six characters a line are lost to that
    return textwrap.wrap(text, round(short), max_lines=LINES, placeholder=" …")


def _as_rendered(pixels: Pixels) -> RenderedFrame:
    return RenderedFrame(pixels, index=SLATE_INDEX, source_index=-1, captured_at=0, revision=-1)
