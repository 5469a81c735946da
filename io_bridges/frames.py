"""The data that bridges exchange: `Frame` in, `RenderedFrame` out, and the `Tick` of the output clock."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LONGEST_SIDE = 8192
"""Most pixels on a side of any frame that comes in, from a file or over a wire."""

Pixels = NDArray[np.uint8]
"""uint8 [H, W, C], RGB or RGBA, top-left origin, C-contiguous. Nobody writes to it once it is shared."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame from a source."""

    pixels: Pixels
    """uint8 [H, W, 3 or 4], read-only."""
    index: int
    """Number of the frame, counted from 0 since the source was opened."""
    captured_at: int
    """Nanoseconds on this machine's monotonic clock (``time.monotonic_ns``)."""


@dataclass(frozen=True, slots=True, eq=False)
class RenderedFrame:
    """One frame from the renderer, with the stamps of its source frame."""

    pixels: Pixels
    """uint8 [H, W, 3], read-only. Read it through `host_pixels`, which also serves a future GPU texture handle."""
    index: int
    """Number of the rendered frame. A repeated frame keeps its index; the slate has -1."""
    source_index: int
    """`Frame.index` of the source frame; -1 for text-to-image and the slate."""
    captured_at: int
    """`Frame.captured_at` of the source frame in nanoseconds; 0 without a source frame."""
    revision: int
    """Revision of the parameters that the frame was admitted with."""
    given_at: int = 0
    """Time at which these parameters were given to the renderer, in nanoseconds; 0 for a picture of the stage's own."""

    def host_pixels(self) -> Pixels:
        """Return the pixels in host memory, uint8 [H, W, 3]."""
        return self.pixels


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick of the output clock, or of a sink with a rate of its own."""

    index: int
    """Number of the tick. Ticks that a suspended show missed are not counted.

    A sink with a rate of its own has numbers of its own, from 0.
    """
    at: int
    """Time of the tick in nanoseconds on the even grid of its rate: the time of its frame in a recording.

    It is the due time on the monotonic clock, without the small steps by which an output keeps in step with a source.
    """
    repeated: bool
    """True if the frame was already on air at the previous tick."""
