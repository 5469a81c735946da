"""Transparent pixels over a matte colour."""

from typing import Literal, get_args

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv

Matte = tuple[int, int, int]
"""Red, green and blue, 0 to 255, of what is seen through transparent pixels."""

BLACK: Matte = (0, 0, 0)

AlphaKind = Literal["straight", "premultiplied", "ignore", "keep"]
"""``straight`` colours are multiplied by alpha, ``premultiplied`` ones already are, ``ignore`` leaves alpha out.

``keep`` leaves straight colours with their alpha, for a layer over another picture.
"""
ALPHA_KINDS: tuple[AlphaKind, ...] = get_args(AlphaKind)


def parse_matte(text: str) -> Matte:
    """Return the colour of ``ff8800`` or ``f80``. Raises `ValueError` that says what is expected."""
    digits = text.lstrip("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    if len(digits) == 6 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
        red, green, blue = bytes.fromhex(digits)
        return red, green, blue
    raise ValueError("a colour such as 000000 or ff8800")


def flatten(pixels: Pixels, matte: Matte = BLACK, alpha: AlphaKind = "straight") -> Pixels:
    """Return RGBA [H, W, 4] over the matte, as RGB [H, W, 3]; as it is if alpha is kept."""
    if alpha == "keep":
        return pixels
    cv2 = opencv()
    colours: Pixels = cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB)
    cover = cv2.extractChannel(pixels, 3)
    if alpha == "ignore" or cover.min() == 255:
        return colours
    spread = cv2.cvtColor(cover, cv2.COLOR_GRAY2RGB)
    if alpha == "straight":
        colours = cv2.multiply(colours, spread, scale=1 / 255)
    if matte != BLACK:
        ground = np.broadcast_to(np.array(matte, np.uint8), colours.shape)
        cv2.add(colours, cv2.multiply(ground, 255 - spread, scale=1 / 255), dst=colours)
    return colours


def premultiply(pixels: Pixels) -> Pixels:
    """Return RGBA [H, W, 4] with its colours multiplied by alpha."""
    cv2 = opencv()
    cover = cv2.extractChannel(pixels, 3)
    if cover.min() == 255:
        return pixels
    layer: Pixels = cv2.multiply(pixels, cv2.merge([cover, cover, cover, np.full_like(cover, 255)]), scale=1 / 255)
    return layer
