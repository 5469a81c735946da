"""A picture that changes under every flip, turn and exchange of channels."""

import numpy as np

from io_bridges.frames import Pixels, RenderedFrame, Tick


def picture(width: int, height: int, seed: int = 0) -> Pixels:
    """Return RGB [height, width, 3] with a value of its own for every row, column and channel."""
    rows, columns = np.indices((height, width))
    channels = (rows * 3 + columns + seed, columns * 5 + 17 + seed, rows * 7 + columns * 2 + 101 + seed)
    pixels: Pixels = np.stack([channel % 256 for channel in channels], axis=2).astype(np.uint8)
    pixels.flags.writeable = False
    return pixels


def rendered(pixels: Pixels, index: int = 0, captured_at: int = 0) -> RenderedFrame:
    """Return the pixels as a frame of the renderer."""
    return RenderedFrame(pixels, index=index, source_index=index, captured_at=captured_at, revision=0)


def tick(index: int = 0) -> Tick:
    """Return a tick of the output clock."""
    return Tick(index, 0, repeated=False)
