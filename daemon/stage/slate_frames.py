"""Pictures that need no renderer: the loading slate, and the safe picture that panic cuts to."""

import textwrap
from pathlib import Path

from daemon.shared.mailbox import Mailbox
from io_bridges.frames import Pixels, RenderedFrame
from io_bridges.slate import draw_slate, load_slate

LINES = 4
"""Lines of text that a slate has below the name."""

SLATE_INDEX = -1
"""`RenderedFrame.index` of the slate and the safe picture."""


class SlateFrames:
    """The slate and the safe picture, drawn when they change, not at a tick. A picture of the user replaces both."""

    def __init__(self, size: tuple[int, int], picture: Path | None = None) -> None:
        """Draw both at `size` (width, height, px), or read `picture`. Raises `BridgeError` if it can't be read."""
        self._size = size
        self._own = picture is not None
        safe = draw_slate(*size) if picture is None else load_slate(picture, *size)
        self.safe: Mailbox[RenderedFrame] = Mailbox()
        self.loading: Mailbox[RenderedFrame] = Mailbox()
        self._shown: tuple[str, int] | None = None
        self.safe.put(_as_rendered(safe))
        if self._own:
            self.loading.put(_as_rendered(safe))
        else:
            self.show("starting", 0.0)

    def show(self, text: str, fraction: float) -> None:
        """Draw the text and the progress (0 to 1) on the loading slate. A picture of the user stays as it is."""
        shown = (text, round(fraction * 100))
        if self._own or shown == self._shown:
            return
        self._shown = shown
        self.loading.put(_as_rendered(draw_slate(*self._size, _lines(text), fraction)))


def _lines(text: str) -> list[str]:
    """Break a sentence into as many lines as the slate has, so that it is large enough to read from afar."""
    width = max(len(text) / LINES + 6, 28)  # breaks between words cost about six characters per line
    return textwrap.wrap(text, round(width), max_lines=LINES, placeholder=" …")


def _as_rendered(pixels: Pixels) -> RenderedFrame:
    return RenderedFrame(pixels, index=SLATE_INDEX, source_index=-1, captured_at=0, revision=-1)
