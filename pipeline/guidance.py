"""Classifier-free guidance and the residual kinds that need fewer network calls.

Every kind computes ``guided = scale·cond + (1 − scale)·uncond``. They differ in ``uncond``, the output for the negative
prompt: a second network call, or an estimate from the path that the latent is on. The residual kinds follow
StreamDiffusion's residual classifier-free guidance (Kodaira et al. 2023), generalised to the affine table of any flow.

A network that sees its source has a second scale, as in InstructPix2Pix (Brooks et al. 2023, equation 3):
``guided = uncond + scale·(cond − image) + image_scale·(image − uncond)``. Here ``image`` is the output for the negative
prompt with the source, and ``uncond`` that without it.
"""

import numbers
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from presets.errors import StreamError

GuidanceKind = Literal["full", "self_negative", "onetime_negative", "free"]
"""Kinds of guidance.

* full: ``uncond`` is a second network call at every row.
* self_negative: the output that would lead from the latent back to the source.
* onetime_negative: as self_negative, with the source replaced by the clean latent that one call with the negative
  prompt predicts at the first row.
* free: the output on the straight path from the source to the slot's own noise, whatever the latent is.
"""

GUIDANCE_KINDS: tuple[str, ...] = get_args(GuidanceKind)

MIN_NOISE = 1e-5
"""Noise coefficients below this are lost in float32's rounding of the latent."""

MAX_SCALE = 1e6
"""Largest magnitude of a guidance scale: far above any use, far below float32's limit."""

RELATIVE_STRENGTH: Mapping[GuidanceKind, float] = {
    "full": 1.0,
    "onetime_negative": 0.2,
    "self_negative": 0.1,
    "free": 0.1,
}
"""``scale − 1`` of each kind, as a share of full guidance's ``scale − 1``. StreamDiffusion's delta has the same use.

Measured with the shipped model (``benchmarks/guidance.py``) as the share that brings a frame nearest to full guidance.
onetime_negative comes to 0.7 of the distance of no guidance, and nearer in all but a few frames. self_negative and free
come no nearer than no guidance in image mode, where they push the frame away from its source: they are looks of their
own and no replacement for full guidance.
"""


class Guidance(NamedTuple):
    """Guidance of one frame."""

    scale: float = 1.0
    """Guidance scale. Exactly 1 is no guidance, for every kind."""
    kind: GuidanceKind = "full"
    image_scale: float = 1.0
    """Scale of the source, in networks that see it. Exactly 1 needs no further network call. Any other makes guidance
    full: the residual kinds have no estimate of the output without a source."""

    @classmethod
    def equivalent_to_full(cls, scale: float, kind: GuidanceKind, image_scale: float = 1.0) -> "Guidance":
        """Return the guidance of `kind` that is about as strong as full guidance at `scale`.

        With an `image_scale` other than 1 it is full guidance.
        """
        if image_scale != 1.0:
            return cls(scale, "full", image_scale)
        return cls(1.0 + RELATIVE_STRENGTH[kind] * (scale - 1.0), kind)

    def validated(self) -> "Guidance":
        """Return this guidance with its scales rounded to float32, as the device uses them.

        Raises:
            StreamError: a scale is no number up to `MAX_SCALE`, or the kind is unknown or has no image scale.
        """
        for name, scale in (("guidance", self.scale), ("image guidance", self.image_scale)):
            if not isinstance(scale, numbers.Real) or not abs(scale) <= MAX_SCALE:  # also refuses NaN
                raise StreamError(f"{name} is {scale!r}; it must be a number up to {MAX_SCALE:g}, 1 for none.")
        if self.kind not in GUIDANCE_KINDS:
            raise StreamError(f"guidance kind is {self.kind!r}; it is one of {', '.join(GUIDANCE_KINDS)}.")
        if self.image_scale != 1.0 and self.kind != "full":
            raise StreamError(f"guidance kind is {self.kind!r}; image guidance {self.image_scale:g} needs full.")
        return Guidance(float(np.float32(self.scale)), self.kind, float(np.float32(self.image_scale)))

    def calls_negative(self, row: int) -> bool:
        """Return True if the network is also called with the negative prompt at `row`, counted from 0."""
        if self.image_scale != 1.0:
            return self.scale != self.image_scale  # at equal scales this output cancels out
        return self.scale != 1.0 and (self.kind == "full" or (self.kind == "onetime_negative" and row == 0))

    @property
    def calls_sourceless(self) -> bool:
        """True if the network is also called with the negative prompt and without the source, at every row."""
        return self.image_scale != 1.0


class StepCoefficients(NamedTuple):
    """Weights of one affine step: ``z' = z·Z + cond·COND + uncond·UNCOND + anchor·ANCHOR + path·PATH + fresh·FRESH +
    sourceless·SOURCELESS``.

    ``cond`` and ``uncond`` are the outputs for the positive and the negative prompt, both with the source if the
    network sees it, and ``sourceless`` that for the negative prompt without it. ``anchor`` is the clean latent that
    residual guidance steers away from, ``path`` the noise on the latent's path and ``fresh`` the noise that a
    stochastic solver adds.
    """

    z: float
    cond: float
    uncond: float
    anchor: float
    path: float
    fresh: float
    sourceless: float = 0.0


def step_coefficients(row: NDArray[np.float32], guidance: Guidance, index: int) -> StepCoefficients:
    """Return the guided step of one schedule row.

    Args:
        row: The row, with the columns of `pipeline.schedule.COLUMNS`.
        guidance: Guidance of the frame.
        index: Index of the row in its schedule.
    """
    _, _, _, a, b, c, p, q, out_x, out_n = row.tolist()
    scale, image = guidance.scale, guidance.image_scale
    if image != 1.0:
        return StepCoefficients(a, b * scale, b * (image - scale), 0.0, 0.0, c, b * (1.0 - image))
    if scale == 1.0:
        return StepCoefficients(a, b, 0.0, 0.0, 0.0, c)
    cond, uncond = b * scale, b * (1.0 - scale)
    if guidance.calls_negative(index):
        return StepCoefficients(a, cond, uncond, 0.0, 0.0, c)
    if guidance.kind == "free":
        return StepCoefficients(a, cond, 0.0, uncond * out_x, uncond * out_n, c)
    out_z, out_anchor = residual_output(p, q, out_x, out_n)
    return StepCoefficients(a + uncond * out_z, cond, 0.0, uncond * out_anchor, 0.0, c)


def residual_output(p: float, q: float, out_x: float, out_n: float) -> tuple[float, float]:
    """Return weights of z and x in the ideal output for a latent z on the path from the clean latent x.

    ``z = p·x + q·n`` gives the noise ``n = (z − p·x)/q``, and the ideal output is ``out_x·x + out_n·n``. Where q is
    below `MIN_NOISE`, z says nothing about the noise, and the result is the mean over all noise, ``out_x·x``.
    """
    if abs(q) < MIN_NOISE:
        return 0.0, out_x
    out_z = out_n / q
    return out_z, out_x - p * out_z


def predicted_clean(row: NDArray[np.float32]) -> tuple[float, float]:
    """Return weights of z and out in the clean latent that an output predicts: `residual_output` solved for x.

    Raises:
        StreamError: the output at this row does not depend on the clean latent.
    """
    _, _, _, _, _, _, p, q, out_x, out_n = row.tolist()
    out_z, out_anchor = residual_output(p, q, out_x, out_n)
    if abs(out_anchor) < MIN_NOISE:
        raise StreamError(
            "guidance kind onetime_negative is not possible with this schedule: the output at its first row depends on"
            " noise only. Use another kind."
        )
    return -out_z / out_anchor, 1.0 / out_anchor
