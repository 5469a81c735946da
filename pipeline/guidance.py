"""Guidance: how far a picture is pushed towards its words, and what stands in for the call without them.

Every kind is ``out_g = scale·out + (1 − scale)·away``. What differs is `away`, the network's answer to the negative
prompt: asked for at every row (classifier-free guidance), or taken from the path that the picture is on. The residual
kinds follow StreamDiffusion's residual classifier-free guidance, carried over to the affine table of any flow.
"""

import numbers
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from presets.errors import StreamError

Kind = Literal["full", "self_negative", "onetime_negative", "free"]
"""full: a second network call a row. self_negative: the answer that would lead back to the source picture from where
the latent is. onetime_negative: likewise, to the picture that one call with the negative prompt sees at the first row.
free: the answer along the straight path from the source picture to the slot's own noise, whatever the latent is."""

KINDS: tuple[str, ...] = get_args(Kind)

NOISELESS = 1e-5
"""Less noise than this on a path can't be told from float32's rounding of the picture."""

REACH: Mapping[Kind, float] = {"full": 1.0, "onetime_negative": 0.2, "self_negative": 0.1, "free": 0.1}
"""How far a kind is turned up where full guidance is turned up by 1: the residual kinds do more of it at once.

Found with the shipped model (``benchmarks/guidance.py``), where the distance of a picture from full guidance's is
least. onetime_negative comes to 0.7 of the distance that no guidance has, and nearer in all but a few pictures.
self_negative and free come no nearer than none in image mode, where they push the picture away from its source: looks
of their own, and no stand-in for full guidance. StreamDiffusion turns its residual noise down likewise (its delta).
"""


LARGEST = 1e6
"""Of a guidance scale, either way: far past any use, and far from where float32 ends."""


class Guidance(NamedTuple):
    """A picture's guidance."""

    scale: float = 1.0
    """Exactly 1 is none, whatever the kind."""
    kind: Kind = "full"

    @classmethod
    def at_fader(cls, scale: float, kind: Kind) -> "Guidance":
        """The guidance that is about as strong as full guidance of `scale`."""
        return cls(1.0 + REACH[kind] * (scale - 1.0), kind)

    def checked(self) -> "Guidance":
        """Itself, its scale as the float32 that the device will have. Raises `StreamError` where it can't be."""
        if not isinstance(self.scale, numbers.Real) or not abs(self.scale) <= LARGEST:  # NaN is refused here too
            raise StreamError(f"guidance is {self.scale!r}; it must be a number up to {LARGEST:g}, 1 for none.")
        if self.kind not in KINDS:
            raise StreamError(f"guidance kind is {self.kind!r}; it is one of {', '.join(KINDS)}.")
        return Guidance(float(np.float32(self.scale)), self.kind)

    def asks_twice(self, row: int) -> bool:
        """Whether the network is called with the negative prompt too at the picture's `row`, counted from 0."""
        return self.scale != 1.0 and (self.kind == "full" or (self.kind == "onetime_negative" and row == 0))


class Coefficients(NamedTuple):
    """One row's affine step: z' = z·Z + cond·COND + uncond·UNCOND + anchor·ANCHOR + path noise·PATH + fresh·FRESH."""

    z: float
    cond: float
    uncond: float
    anchor: float
    path: float
    fresh: float


def coefficients(row: NDArray[np.float32], guidance: Guidance, number: int) -> Coefficients:
    """The step at `row` (the columns of `pipeline.schedule.COLUMNS`), the picture's row `number` from 0."""
    _, _, _, a, b, c, p, q, out_x, out_n = row.tolist()
    scale = guidance.scale
    if scale == 1.0:
        return Coefficients(a, b, 0.0, 0.0, 0.0, c)
    cond, away = b * scale, b * (1.0 - scale)
    if guidance.asks_twice(number):
        return Coefficients(a, cond, away, 0.0, 0.0, c)
    if guidance.kind == "free":
        return Coefficients(a, cond, 0.0, away * out_x, away * out_n, c)
    from_z, from_anchor = residual(p, q, out_x, out_n)
    return Coefficients(a + away * from_z, cond, 0.0, away * from_anchor, 0.0, c)


def residual(p: float, q: float, out_x: float, out_n: float) -> tuple[float, float]:
    """``(r_z, r_x)``: at z on the path from x to some noise, the network would answer ``r_z·z + r_x·x``.

    From z = p·x + q·n the noise is n = (z − p·x)/q, and the answer out_x·x + out_n·n. Where q is next to nothing z says
    nothing of the noise; the answer's own mean over all noise, out_x·x, is what is left then.
    """
    if abs(q) < NOISELESS:
        return 0.0, out_x
    from_z = out_n / q
    return from_z, out_x - p * from_z


def seen_from(row: NDArray[np.float32]) -> tuple[float, float]:
    """``(z, out)`` weights of the clean latent that the network's answer at `row` points to: `residual` solved for x.

    Raises:
        StreamError: a row at which the answer says nothing of the picture.
    """
    _, _, _, _, _, _, p, q, out_x, out_n = row.tolist()
    from_z, from_x = residual(p, q, out_x, out_n)
    if abs(from_x) < NOISELESS:
        raise StreamError("guidance kind onetime_negative: this schedule's first row sees noise only; take another.")
    return -from_z / from_x, 1.0 / from_x
