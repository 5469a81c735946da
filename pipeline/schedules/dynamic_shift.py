"""Shift of σ by the size of a picture: μ, as diffusers' pipelines compute it for their scheduler."""

import math
from typing import Literal, NamedTuple

from presets.errors import ScheduleError

ShiftRule = Literal["linear", "empirical"]
"""Rule by which a pipeline chooses μ: `linear_mu` (FLUX.1, SD3, Z-Image) or `empirical_mu` (FLUX.2)."""


class DynamicShift(NamedTuple):
    """Dynamic shift of a scheduler's configuration, with diffusers' defaults."""

    rule: ShiftRule
    base_tokens: int = 256
    max_tokens: int = 4096
    base_shift: float = 0.5
    max_shift: float = 1.15
    time_shift_type: str = "exponential"
    """``exponential``: ``σ ← e^μ/(e^μ + 1/σ − 1)``. ``linear``: ``σ ← μ/(μ + 1/σ − 1)``."""

    def mu(self, tokens: int, steps: int) -> float:
        """Return μ of the exponential shift.

        Args:
            tokens: Length of the picture's token sequence.
            steps: Number of steps.

        Raises:
            ScheduleError: the kind of shift is unknown, or the settings give no shift.
        """
        if self.rule == "empirical":
            mu = empirical_mu(tokens, steps)
        else:
            mu = linear_mu(
                tokens,
                base_tokens=self.base_tokens,
                max_tokens=self.max_tokens,
                base_shift=self.base_shift,
                max_shift=self.max_shift,
            )
        if self.time_shift_type == "exponential":
            return mu
        if self.time_shift_type != "linear":
            raise ScheduleError(f"time_shift_type is {self.time_shift_type!r}; it is exponential or linear.")
        if not mu > 0:
            raise ScheduleError(f"mu is {mu} at {tokens} tokens; a linear shift must be above 0.")
        return math.log(mu)


def linear_mu(
    tokens: int, *, base_tokens: int = 256, max_tokens: int = 4096, base_shift: float = 0.5, max_shift: float = 1.15
) -> float:
    """Return μ of FLUX.1-dev, and of SD3 with dynamic shift: linear in the length of the image's token sequence.

    Args:
        tokens: Image tokens. FLUX has one for each 16 × 16 pixels.

    Raises:
        ScheduleError: `base_tokens` and `max_tokens` are equal.
    """
    if base_tokens == max_tokens:
        raise ScheduleError(f"base_tokens and max_tokens are both {base_tokens}; a line needs two lengths.")
    return base_shift + (max_shift - base_shift) * (tokens - base_tokens) / (max_tokens - base_tokens)


def empirical_mu(tokens: int, steps: int) -> float:
    """Return μ of FLUX.2 and FLUX.2-klein, as `compute_empirical_mu` in diffusers' pipelines.

    Two lines, fitted at 10 and at 200 steps, are interpolated by `steps`. Above 4300 tokens μ is that of 200 steps.
    """
    at_200 = 0.00016927 * tokens + 0.45666666
    if tokens > 4300:
        return at_200
    at_10 = 8.73809524e-05 * tokens + 1.89833333
    return at_10 + (at_200 - at_10) * (steps - 10) / 190
