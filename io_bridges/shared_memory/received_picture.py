"""`ReceivedPicture`, what a layout's reader returns, and `PictureReader`, the protocol of these readers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.pixels import Format, Origin, read_only, to_rgb


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedPicture:
    """One picture, copied out of shared memory."""

    pixels: Pixels
    """uint8 [H, W, 3], RGB, top-left origin, read-only."""
    captured_at: int
    """Nanoseconds as the writer stamped them; 0 if it did not."""
    pictures: int
    """Pictures written since the last one that was read, this one included."""


PictureCopy = Callable[[Pixels, Format, Origin, bool], Pixels]
"""Copies a picture out of shared memory; `own_rgb` is one. The last argument turns it upside down."""


class PictureReader(Protocol):
    """The reader of one segment in one layout."""

    torn: int
    """Copies thrown away because the writer overtook them."""

    def read(self) -> ReceivedPicture | None:
        """Return the newest picture if it is new, else None. Raises `BridgeError`."""

    def is_over(self) -> bool:
        """Return True if the writer is gone, or another has taken its place."""

    def writer_name(self) -> str:
        """Return a phrase for the writer."""

    def close(self) -> None:
        """Unmap the memory."""


def own_rgb(shared: Pixels, format: Format, origin: Origin, flip: bool) -> Pixels:
    """Return RGB [H, W, 3], top-left origin, read-only, in memory of its own. `flip` turns it upside down."""
    if flip:
        origin = "top-left" if origin == "bottom-left" else "bottom-left"
    rgb = to_rgb(shared, format, origin)
    return read_only(rgb.copy()) if np.may_share_memory(rgb, shared) else rgb
