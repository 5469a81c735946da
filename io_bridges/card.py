"""``card:``: an animated test card without symmetry, so that a flip, a turn or a swapped channel shows at once."""

import functools
import math
import time

import numpy as np

from io_bridges.frames import Frame, Pixels
from io_bridges.opencv_import import opencv
from io_bridges.pixels import sealed
from io_bridges.ticker import Ticker

TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT = (230, 40, 40), (40, 200, 60), (50, 80, 235), (240, 210, 40)
"""RGB of the four corners: red, green, blue, yellow."""

_WHITE, _INK = (245, 245, 245), (24, 26, 38)


class CardSource:
    """`draw_card` at a constant rate; what is drawn is the frame's own index."""

    def __init__(self, place: str = "", size: tuple[int, int] = (640, 480), fps: float = 30.0) -> None:
        """`size` is width and height in pixels, `fps` in Hz; `place` is the empty place of ``card:``."""
        self._width, self._height = size
        self._fps = fps
        self._pace: Ticker | None = None
        self._index = 0
        self._late = 0

    def open(self) -> None:
        """Starts the time of the card; the first picture is due at once."""
        self._pace = Ticker(self._fps)
        self._index = self._late = 0
        self._beat = -1

    def read(self, timeout: float) -> Frame | None:
        """The card that is due, waiting at most `timeout` seconds for it."""
        beat = None if self._pace is None else self._pace.wait(timeout)
        if beat is None:
            return None
        self._late += beat - self._beat - 1
        self._beat = beat
        frame = Frame(draw_card(self._index, self._width, self._height), self._index, time.monotonic_ns())
        self._index += 1
        return frame

    def close(self) -> None:
        """There is nothing to give back."""
        self._pace = None

    def status(self) -> dict[str, object]:
        """Pictures drawn, and beats that passed without one because nobody read."""
        return {
            "source": "card",
            "size": f"{self._width}x{self._height}",
            "fps": self._fps,
            "pictures": self._index,
            "late": self._late,
        }


def draw_card(index: int, width: int, height: int) -> Pixels:
    """RGB [height, width, 3]: the card of frame `index`, always the same for the same arguments."""
    cv2 = opencv()
    card = _background(width, height).copy()
    unit = min(width, height)
    line = max(1, unit // 120)
    # Two motions of periods that share no factor (97 and 150 pictures): no frame looks like another for a long while.
    x = int(width * (0.5 + 0.30 * math.sin(2 * math.pi * index / 97)))
    y = int(height * (0.52 + 0.26 * math.cos(2 * math.pi * index / 150)))
    cv2.circle(card, (x, y), unit // 9, (250, 120, 30), cv2.FILLED, cv2.LINE_AA)
    cv2.circle(card, (x, y), unit // 9, _WHITE, line, cv2.LINE_AA)
    # A hand that goes round clockwise once in 60 pictures.
    angle = 2 * math.pi * (index % 60) / 60
    centre = (width // 2, height // 2)
    tip = (int(centre[0] + unit * 0.3 * math.sin(angle)), int(centre[1] - unit * 0.3 * math.cos(angle)))
    cv2.line(card, centre, tip, _WHITE, line * 2, cv2.LINE_AA)
    _write(card, f"{index:06d}", (width // 2, height - unit // 12), unit / 420)
    return sealed(card)


@functools.lru_cache(maxsize=4)
def _background(width: int, height: int) -> Pixels:
    """What stands still: corners of four colours blended over the card, a grid, a ring, and an arrow that says UP."""
    cv2 = opencv()
    unit = min(width, height)
    corners = np.array([[TOP_LEFT, TOP_RIGHT], [BOTTOM_LEFT, BOTTOM_RIGHT]], np.float32)
    down = np.linspace(0, 1, height, dtype=np.float32)[:, np.newaxis, np.newaxis]
    right = np.linspace(0, 1, width, dtype=np.float32)[np.newaxis, :, np.newaxis]
    top = corners[0, 0] * (1 - right) + corners[0, 1] * right
    bottom = corners[1, 0] * (1 - right) + corners[1, 1] * right
    blend = top * (1 - down) + bottom * down
    # Darker to the middle, so that the shapes stand out and the corners stay pure.
    reach = np.maximum(np.abs(down - 0.5), np.abs(right - 0.5)) * 2
    card: Pixels = np.ascontiguousarray((blend * (0.30 + 0.70 * reach**2)).astype(np.uint8))
    line = max(1, unit // 240)
    for place in range(1, 8):
        cv2.line(card, (width * place // 8, 0), (width * place // 8, height), (90, 90, 110), line)
        cv2.line(card, (0, height * place // 8), (width, height * place // 8), (90, 90, 110), line)
    cv2.circle(card, (width // 2, height // 2), int(unit * 0.36), (170, 170, 190), line * 2, cv2.LINE_AA)
    foot, head = (int(width * 0.24), int(height * 0.42)), (int(width * 0.24), int(height * 0.14))
    cv2.arrowedLine(card, foot, head, _WHITE, max(1, unit // 60), cv2.LINE_AA, tipLength=0.4)
    _write(card, "UP", (int(width * 0.36), int(height * 0.20)), unit / 360)
    return sealed(card)


def _write(card: Pixels, text: str, centre: tuple[int, int], size: float) -> None:
    cv2 = opencv()
    thickness = max(1, round(size * 2))
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, size, thickness)
    at = (centre[0] - width // 2, centre[1] + height // 2)
    cv2.putText(card, text, at, cv2.FONT_HERSHEY_DUPLEX, size, _INK, thickness * 4, cv2.LINE_AA)
    cv2.putText(card, text, at, cv2.FONT_HERSHEY_DUPLEX, size, _WHITE, thickness, cv2.LINE_AA)
