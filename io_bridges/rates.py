"""Rates of pictures: as people write them, and what an output clock can follow."""

import math
from fractions import Fraction

SLOWEST, FASTEST = 1.0, 240.0
"""Lowest and highest rate of an output, in pictures a second."""

_FOLLOWED_FROM = 20
"""Least pictures a second of an output that follows a source, so that fades stay smooth beside a slow source."""

_FIELDS = 1001
_TELEVISION = (24, 30, 48, 60, 72, 96, 120, 240)
"""Rates that have a slower sister, divided by 1.001."""

_USUAL = tuple(
    Fraction(rate) for rate in (5, 6, 8, 10, 12, 15, 18, 20, 24, 25, 30, 48, 50, 60, 72, 75, 90, 96, 100, 120, 144, 240)
) + tuple(Fraction(rate * 1000, _FIELDS) for rate in _TELEVISION)
_NEAR = Fraction(4, 1000)
"""Share by which a measured rate may differ from the usual one that is meant."""


def exact_rate(fps: float) -> Fraction:
    """Return the rate that is meant by its usual spelling: 30000/1001 for 29.97, 24000/1001 for 23.976 and 23.98."""
    for nominal in _TELEVISION:
        slower = Fraction(nominal * 1000, _FIELDS)
        if abs(slower - Fraction(fps)) < Fraction(5, 1000):
            return slower
    return Fraction(str(fps))


def parse_rate(text: str, low: float = SLOWEST, high: float = FASTEST) -> float:
    """Return the rate of ``25``, ``29.97`` or ``30000/1001``. Raises `ValueError` that says what is expected."""
    over, slash, under = text.strip().partition("/")
    try:
        rate = float(over) / float(under) if slash else float(over)
    except (ValueError, ZeroDivisionError, OverflowError):
        rate = math.nan
    if low <= rate <= high:
        return rate
    raise ValueError(f"a number from {low:g} to {high:g}")


def usual_rate(measured: float) -> Fraction:
    """Return the usual rate that a measured one is near to, otherwise the measured one to a hundredth."""
    nearest = min(_USUAL, key=lambda rate: abs(rate - Fraction(measured)))
    return nearest if abs(nearest - Fraction(measured)) <= nearest * _NEAR else Fraction(round(measured * 100), 100)


def declared_rate(declared: object) -> Fraction | None:
    """Return the rate that a source says it has; None for one that is no rate of pictures, such as 0 and infinity."""
    if isinstance(declared, bool) or not isinstance(declared, int | float | Fraction):
        return None
    # No infinity and no NaN passes, and neither does a whole number too large to be a float.
    return exact_rate(float(declared)) if Fraction(1, 100) <= declared <= FASTEST else None


def followed_rate(rate: Fraction) -> Fraction:
    """Return the rate of an output that shows each picture of a source, of at most 240 a second, equally often.

    It is the rate itself from 20 a second on. A slower source has each picture several times.
    """
    return rate * max(1, math.ceil(_FOLLOWED_FROM / rate))
