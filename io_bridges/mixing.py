"""Mixing of two pictures of one size: a fade, a blend mode, a key or a mask, on uint8.

The second picture lies over the first. Where it is transparent, the first one shows.
"""

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.pixels import read_only
from presets.parameters import Parameters

MixMode = Literal["fade", "add", "multiply", "screen", "difference", "luma_key", "chroma_key", "mask"]

HARDEST_EDGE = 1 / 255
"""Least softness of a key: one level."""


class Mixing(NamedTuple):
    """The way in which two pictures become one."""

    mode: MixMode = "fade"
    amount: float = 0.5
    """Share of the effect, from 0 (the first picture alone) to 1."""
    key_hue: float = 0.333
    """Hue that ``chroma_key`` removes, in turns from red: a third is green."""
    key_threshold: float = 0.2
    """Brightness up to which ``luma_key`` removes, or amount of the key hue from which ``chroma_key`` removes."""
    key_softness: float = 0.1
    """Range above the threshold in which a key changes from none to all."""


def mixing_of(parameters: Parameters) -> Mixing:
    """Return the mixing that the controls ask for."""
    return Mixing(
        parameters.mix_mode,
        parameters.mix,
        parameters.key_hue,
        parameters.key_threshold,
        parameters.key_softness,
    )


class PictureMixer:
    """Mixes pictures of one size in buffers of its own. One thread at a time may use it."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self._top: Pixels = np.empty((height, width, 3), np.uint8)
        """Colours of the second picture, multiplied by its alpha."""
        self._factor: Pixels = np.empty((height, width, 3), np.uint8)
        """Share of the first picture that is kept."""
        self._other: Pixels = np.empty((height, width, 3), np.uint8)
        self._alpha: Pixels = np.empty((height, width), np.uint8)
        self._cover: Pixels = np.empty((height, width), np.uint8)
        self._spare: Pixels = np.empty((height, width), np.uint8)
        self._table: tuple[Mixing, Pixels] | None = None

    def mix(self, first: Pixels, second: Pixels, mixing: Mixing) -> Pixels:
        """Return RGB [H, W, 3], read-only, from two pictures of the mixer's size.

        Args:
            first: RGB [H, W, 3].
            second: RGB [H, W, 3], or RGBA [H, W, 4] whose colours are multiplied by alpha.
            mixing: How they are mixed.
        """
        cv2 = opencv()
        if mixing.amount <= 0:
            return read_only(first)
        has_alpha = second.shape[2] == 4
        top = second
        if has_alpha:
            top = cv2.cvtColor(second, cv2.COLOR_RGBA2RGB, dst=self._top)
            cv2.extractChannel(second, 3, dst=self._alpha)
        mixed: Pixels = np.empty_like(first)
        match mixing.mode:
            case "fade":
                self._fade(first, top, has_alpha, mixing.amount, mixed)
            case "add":
                cv2.addWeighted(first, 1.0, top, mixing.amount, 0.0, dst=mixed)
            case "multiply":
                self._multiply(first, top, has_alpha, mixing.amount, mixed)
            case "screen":
                cv2.convertScaleAbs(top, dst=self._factor, alpha=-mixing.amount, beta=255.0)
                self._compose(first, top, mixing.amount, mixed)
            case "difference":
                self._difference(first, top, has_alpha, mixing.amount, mixed)
            case "luma_key" | "chroma_key":
                self._key(first, top, has_alpha, mixing, mixed)
            case "mask":
                cv2.cvtColor(top, cv2.COLOR_RGB2GRAY, dst=self._cover)
                amount = mixing.amount
                cv2.convertScaleAbs(self._cover, dst=self._cover, alpha=amount, beta=255.0 * (1.0 - amount))
                cv2.multiply(first, self._spread(self._cover, self._factor), dst=mixed, scale=1 / 255)
        return read_only(mixed)

    # Every mode is a share of the first picture, in `_factor`, plus a share of the second one.

    def _compose(self, first: Pixels, top: Pixels, amount: float, mixed: Pixels) -> None:
        cv2 = opencv()
        cv2.multiply(first, self._factor, dst=self._factor, scale=1 / 255)
        cv2.addWeighted(self._factor, 1.0, top, amount, 0.0, dst=mixed)

    def _fade(self, first: Pixels, top: Pixels, has_alpha: bool, amount: float, mixed: Pixels) -> None:
        if has_alpha:
            self._keep_outside(self._alpha, amount)
            self._compose(first, top, amount, mixed)
        else:
            opencv().addWeighted(first, 1.0 - amount, top, amount, 0.0, dst=mixed)

    def _multiply(self, first: Pixels, top: Pixels, has_alpha: bool, amount: float, mixed: Pixels) -> None:
        cv2 = opencv()
        if has_alpha:
            self._keep_outside(self._alpha, amount)
            cv2.addWeighted(self._factor, 1.0, top, amount, 0.0, dst=self._factor)
        else:
            cv2.convertScaleAbs(top, dst=self._factor, alpha=amount, beta=255.0 * (1.0 - amount))
        cv2.multiply(first, self._factor, dst=mixed, scale=1 / 255)

    def _difference(self, first: Pixels, top: Pixels, has_alpha: bool, amount: float, mixed: Pixels) -> None:
        cv2 = opencv()
        if not has_alpha:
            cv2.absdiff(first, top, dst=self._other)
            cv2.addWeighted(first, 1.0 - amount, self._other, amount, 0.0, dst=mixed)
            return
        cv2.multiply(first, self._spread(self._alpha, self._other), dst=self._other, scale=1 / 255)
        cv2.absdiff(self._other, top, dst=self._other)
        self._keep_outside(self._alpha, amount)
        self._compose(first, self._other, amount, mixed)

    def _key(self, first: Pixels, top: Pixels, has_alpha: bool, mixing: Mixing, mixed: Pixels) -> None:
        """Lay the second picture over the first one without its dark parts, or without those of one hue."""
        cv2 = opencv()
        if mixing.mode == "chroma_key":
            self._key_amount(top, mixing.key_hue)
        else:
            cv2.cvtColor(top, cv2.COLOR_RGB2GRAY, dst=self._cover)
        cv2.LUT(self._cover, self._ramp(mixing), dst=self._cover)
        cv2.multiply(top, self._spread(self._cover, self._other), dst=self._other, scale=1 / 255)
        if has_alpha:
            cv2.multiply(self._cover, self._alpha, dst=self._cover, scale=1 / 255)
        cv2.bitwise_not(self._cover, dst=self._cover)
        cv2.multiply(first, self._spread(self._cover, self._factor), dst=self._factor, scale=1 / 255)
        cv2.add(self._factor, self._other, dst=mixed)

    def _key_amount(self, top: Pixels, hue: float) -> None:
        """Write into `_cover` how much of a hue each pixel has: 255 for the pure colour, 0 without it."""
        cv2 = opencv()
        cv2.transform(top, key_matrix(hue), dst=self._other)
        cv2.extractChannel(self._other, 0, dst=self._cover)
        cv2.extractChannel(self._other, 1, dst=self._spare)
        cv2.min(self._cover, self._spare, dst=self._cover)

    def _keep_outside(self, cover: Pixels, amount: float) -> None:
        """Set `_factor` to what a layer of this cover leaves of the first picture."""
        cv2 = opencv()
        cv2.convertScaleAbs(cover, dst=self._spare, alpha=-amount, beta=255.0)
        self._spread(self._spare, self._factor)

    def _spread(self, plane: Pixels, into: Pixels) -> Pixels:
        """Write a plane into each of three channels."""
        cv2 = opencv()
        return cv2.cvtColor(plane, cv2.COLOR_GRAY2RGB, dst=into)  # type: ignore[no-any-return]

    def _ramp(self, mixing: Mixing) -> Pixels:
        """Return the table from a level to the cover: 0 up to the threshold and all above, or the reverse."""
        if self._table is None or self._table[0] != mixing:
            above = (np.arange(256) / 255 - mixing.key_threshold) / max(mixing.key_softness, HARDEST_EDGE)
            share = above.clip(0, 1)
            cover = share if mixing.mode == "luma_key" else 1 - share
            self._table = mixing, np.rint(255 * mixing.amount * cover).astype(np.uint8)
        return self._table[1]


def key_matrix(hue: float) -> Any:
    """Return float32 [3, 4] that maps RGB to two amounts; the lesser one is the amount of the hue in a colour.

    It is 1 for the pure colour, falls to 0 at 60 degrees of hue on either side, and is 0 for every grey. For green it
    is the green above the greater of red and blue, which is the colour-difference key of film.
    """
    turn = math.tau / 6
    angle = math.tau * hue
    # The plane of colours without their grey: red lies on its first axis.
    plane = np.array([[1.0, -0.5, -0.5], [0.0, math.sqrt(0.75), -math.sqrt(0.75)]])
    pure = math.cos(turn / 2) / math.cos(angle % turn - turn / 2)
    sides = [[math.cos(angle + lean), math.sin(angle + lean)] for lean in (-turn / 2, turn / 2)]
    rows = np.array(sides) @ plane / math.cos(turn / 2) / pure
    return np.pad(rows, ((0, 1), (0, 1))).astype(np.float32)
