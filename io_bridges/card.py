"""`draw_card` draws an animated test card without symmetry, which shows any flip, rotation or swapped channel."""

import functools
import math

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.pixels import read_only

TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT = (230, 40, 40), (40, 200, 60), (50, 80, 235), (240, 210, 40)
"""RGB of the four corners: red, green, blue, yellow."""

_WHITE, _INK = (245, 245, 245), (24, 26, 38)


def draw_card(index: int, width: int, height: int) -> Pixels:
    """Return the card of frame `index`, RGB [height, width, 3]. The same arguments give the same pixels."""
    cv2 = opencv()
    card = _background(width, height).copy()
    unit = min(width, height)
    line = max(1, unit // 120)
    # The periods of the two motions, 97 and 150 frames, share no factor, so frames repeat only after 14,550.
    x = int(width * (0.5 + 0.30 * math.sin(2 * math.pi * index / 97)))
    y = int(height * (0.52 + 0.26 * math.cos(2 * math.pi * index / 150)))
    cv2.circle(card, (x, y), unit // 9, (250, 120, 30), cv2.FILLED, cv2.LINE_AA)
    cv2.circle(card, (x, y), unit // 9, _WHITE, line, cv2.LINE_AA)
    # The hand turns clockwise once in 60 frames.
    angle = 2 * math.pi * (index % 60) / 60
    centre = (width // 2, height // 2)
    tip = (int(centre[0] + unit * 0.3 * math.sin(angle)), int(centre[1] - unit * 0.3 * math.cos(angle)))
    cv2.line(card, centre, tip, _WHITE, line * 2, cv2.LINE_AA)
    _write(card, f"{index:06d}", (width // 2, height - unit // 12), unit / 420)
    return read_only(card)


@functools.lru_cache(maxsize=4)
def _background(width: int, height: int) -> Pixels:
    """Draw the still part: a blend of four corner colours, a grid, a ring, and an arrow with the word UP."""
    cv2 = opencv()
    unit = min(width, height)
    corners = np.array([[TOP_LEFT, TOP_RIGHT], [BOTTOM_LEFT, BOTTOM_RIGHT]], np.float32)
    down = np.linspace(0, 1, height, dtype=np.float32)[:, np.newaxis, np.newaxis]
    right = np.linspace(0, 1, width, dtype=np.float32)[np.newaxis, :, np.newaxis]
    top = corners[0, 0] * (1 - right) + corners[0, 1] * right
    bottom = corners[1, 0] * (1 - right) + corners[1, 1] * right
    blend = top * (1 - down) + bottom * down
    # The middle is darker, so that the shapes stand out and the corners keep their pure colours.
    distance = np.maximum(np.abs(down - 0.5), np.abs(right - 0.5)) * 2
    card: Pixels = np.ascontiguousarray((blend * (0.30 + 0.70 * distance**2)).astype(np.uint8))
    line = max(1, unit // 240)
    for eighth in range(1, 8):
        cv2.line(card, (width * eighth // 8, 0), (width * eighth // 8, height), (90, 90, 110), line)
        cv2.line(card, (0, height * eighth // 8), (width, height * eighth // 8), (90, 90, 110), line)
    cv2.circle(card, (width // 2, height // 2), int(unit * 0.36), (170, 170, 190), line * 2, cv2.LINE_AA)
    foot, head = (int(width * 0.24), int(height * 0.42)), (int(width * 0.24), int(height * 0.14))
    cv2.arrowedLine(card, foot, head, _WHITE, max(1, unit // 60), cv2.LINE_AA, tipLength=0.4)
    _write(card, "UP", (int(width * 0.36), int(height * 0.20)), unit / 360)
    return read_only(card)


def _write(card: Pixels, text: str, centre: tuple[int, int], size: float) -> None:
    """Write white text with a dark outline around `centre` (x, y)."""
    cv2 = opencv()
    thickness = max(1, round(size * 2))
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, size, thickness)
    at = (centre[0] - width // 2, centre[1] + height // 2)
    cv2.putText(card, text, at, cv2.FONT_HERSHEY_DUPLEX, size, _INK, thickness * 4, cv2.LINE_AA)
    cv2.putText(card, text, at, cv2.FONT_HERSHEY_DUPLEX, size, _WHITE, thickness, cv2.LINE_AA)
