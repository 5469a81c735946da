"""What travels: `Frame` in, `RenderedFrame` out, and the `Tick` of the output clock it goes out on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""uint8 [H, W, C], RGB or RGBA, top-left origin, C-contiguous, never written to once it is shared."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a source."""

    pixels: Pixels
    """uint8 [H, W, 3 or 4], read-only."""
    index: int
    """Counts up by one a picture, within one opening of its source."""
    captured_at: int
    """Nanoseconds on this machine's monotonic clock (``time.monotonic_ns``)."""


@dataclass(frozen=True, slots=True, eq=False)
class RenderedFrame:
    """One picture from the renderer, with the stamps that came with its source picture."""

    pixels: Pixels
    """uint8 [H, W, 3], read-only. A GPU texture handle may stand here one day: ask `host_pixels`."""
    index: int
    """Counts up by one a rendered picture; a repeated picture keeps its index."""
    source_index: int
    """`Frame.index` of the picture it was made from; -1 for text-to-image and the slate."""
    captured_at: int
    """`Frame.captured_at` of that picture, nanoseconds; 0 where there is none."""
    revision: int
    """Revision of the parameters it was admitted with."""

    def host_pixels(self) -> Pixels:
        """The pixels in host memory, uint8 [H, W, 3]."""
        return self.pixels


@dataclass(frozen=True, slots=True)
class Tick:
    """One beat of the output clock."""

    index: int
    """Counts up by one a tick, at a constant rate: a recording takes its time from it."""
    at: int
    """When the tick was due, nanoseconds, monotonic."""
    repeated: bool
    """True where the frame was on air at the last tick already."""
