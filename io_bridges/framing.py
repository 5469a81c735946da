"""Framing of a source or sink: which part of a picture is shown, and how it is fitted into another size."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.matte import premultiply
from io_bridges.pixels import format_of, read_only, scale, to_rgb
from presets.parameters import Parameters

FitMode = Literal["fill", "fit", "stretch"]


class Framing(NamedTuple):
    """The part of a frame that is shown, and how it is fitted into another size."""

    mode: FitMode = "fill"
    """``fill`` crops what does not fit, ``fit`` shows the whole frame between black bars, ``stretch`` distorts it."""
    zoom: float = 1.0
    """Magnification, 1 or more."""
    pan_x: float = 0.0
    """Horizontal position of the visible part: -1 is the left edge, 0 the middle, 1 the right edge."""
    pan_y: float = 0.0
    """Vertical position of the visible part: -1 is the bottom edge, 0 the middle, 1 the top edge."""
    flip_x: bool = False
    """True for a frame that is mirrored, left to right."""
    flip_y: bool = False
    """True for a frame that is turned upside down."""


FILL = Framing()
"""Framing that fills the size with the middle of the frame."""


BETWEEN_BARS = Framing("fit")
"""Framing that shows the whole frame."""


def framing_of(parameters: Parameters) -> Framing:
    """Return the framing that the controls ask for."""
    return Framing(
        parameters.fit,
        parameters.zoom,
        parameters.pan_x,
        parameters.pan_y,
        parameters.flip_x,
        parameters.flip_y,
    )


def fit(
    pixels: Pixels,
    width: int,
    height: int,
    framing: Framing = FILL,
    keep_alpha: bool = False,
    resize: Callable[[Pixels, int, int], Pixels] = scale,
) -> Pixels:
    """Return RGB [height, width, 3] from a frame of any size, without alpha, framed as `framing` says.

    With `keep_alpha` a frame that has alpha gives RGBA [height, width, 4], its colours multiplied by alpha and the bars
    around it transparent. `resize` scales what is shown, to a width and a height, unless it is magnified.
    """
    source_height, source_width = pixels.shape[:2]
    across, down = framing.zoom * width / source_width, framing.zoom * height / source_height
    if framing.mode != "stretch":
        across = down = max(across, down) if framing.mode == "fill" else min(across, down)
    shown_width, shown_height = min(source_width, width / across), min(source_height, height / down)
    # Mirroring comes first: a pan moves what the audience sees.
    pan_x, pan_y = (
        -framing.pan_x if framing.flip_x else framing.pan_x,
        -framing.pan_y if framing.flip_y else framing.pan_y,
    )
    left, top = (source_width - shown_width) * (1 + pan_x) / 2, (source_height - shown_height) * (1 - pan_y) / 2
    inner_width = min(width, max(1, round(shown_width * across)))
    inner_height = min(height, max(1, round(shown_height * down)))
    if framing.zoom > 1 and across >= 1 and down >= 1:
        # Whole pixels of a source that is enlarged would make a slow zoom or pan jerk.
        inner = _enlarge(_layer(pixels, keep_alpha), (left, top), (across, down), (inner_width, inner_height))
    else:
        columns, rows = max(1, round(shown_width)), max(1, round(shown_height))
        first_column, first_row = min(int(left), source_width - columns), min(int(top), source_height - rows)
        window = pixels[first_row : first_row + rows, first_column : first_column + columns]
        inner = resize(_layer(window, keep_alpha), inner_width, inner_height)
    if framing.flip_x or framing.flip_y:
        inner = opencv().flip(inner, -1 if framing.flip_x and framing.flip_y else int(framing.flip_x))
    inner = read_only(inner) if keep_alpha and format_of(inner) == "rgba" else to_rgb(inner, format_of(inner))
    if (inner_width, inner_height) == (width, height):
        return inner
    canvas: Pixels = np.zeros((height, width, inner.shape[2]), np.uint8)
    left_bar, top_bar = (width - inner_width) // 2, (height - inner_height) // 2
    canvas[top_bar : top_bar + inner_height, left_bar : left_bar + inner_width] = inner
    return read_only(canvas)


def _layer(pixels: Pixels, keep_alpha: bool) -> Pixels:
    """Return a frame ready to be scaled, without hidden colours in transparent pixels that would bleed."""
    return premultiply(pixels) if keep_alpha and format_of(pixels) == "rgba" else pixels


def _enlarge(pixels: Pixels, corner: tuple[float, float], ratio: tuple[float, float], size: tuple[int, int]) -> Pixels:
    """Return the part of a frame from `corner` (x, y) on, enlarged by `ratio` to `size` (width, height)."""
    cv2 = opencv()
    (across, down), (left, top) = ratio, corner
    matrix = np.array([[1 / across, 0, left + 0.5 / across - 0.5], [0, 1 / down, top + 0.5 / down - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    enlarged: Pixels = cv2.warpAffine(pixels, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return enlarged if enlarged.ndim == pixels.ndim else enlarged[:, :, np.newaxis]
