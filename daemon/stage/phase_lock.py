"""`PhaseLock`: keeps the ticks of the output in the middle between two pictures that come at the same rate.

Two clocks of one rate are never exactly equal: a sender's runs some millionths faster or slower than this machine's.
Without a lock the pictures drift past the ticks, and one is shown twice or left out each time they meet.
"""

import cmath
import math
from collections import deque

_SLOWEST_MEAN = 0.05
"""Share of the newest tick in the mean: about twenty ticks decide."""

_GAIN = 0.02
"""Share of the error that a tick corrects."""

MOST = 0.003
"""Largest correction, as a share of a period. The measured rate is that exact."""

_LEAST_PICTURES = 0.1
_LEAST_ORDER = 0.5
"""Pictures a tick, and their common phase from 0 (none) to 1, below which nothing is corrected."""

_MIDDLE = 0.5


class PhaseLock:
    """A phase-locked loop of first order. Any thread may call `arrived`; the output clock alone calls `push`."""

    def __init__(self) -> None:
        self._arrivals: deque[int] = deque(maxlen=16)
        self._mean = 0j
        self._pictures = 0.0

    def arrived(self, now: int) -> None:
        """Take note of a picture that can be shown from `now` on, in ns."""
        self._arrivals.append(now)

    def push(self, due: int, period: int) -> int:
        """Return by how many ns the coming ticks shall be later; negative for earlier.

        Args:
            due: Time of the present tick in ns.
            period: Time between two ticks in ns.
        """
        sum_, count = 0j, 0
        while self._arrivals:
            sum_ += cmath.exp(2j * math.pi * ((self._arrivals.popleft() - due) % period) / period)
            count += 1
        self._mean += (sum_ - self._mean) * _SLOWEST_MEAN
        self._pictures += (count - self._pictures) * _SLOWEST_MEAN
        if self._pictures < _LEAST_PICTURES or abs(self._mean) < _LEAST_ORDER * self._pictures:
            return 0
        phase = cmath.phase(self._mean) / (2 * math.pi) % 1.0
        share = min(max(_GAIN * (phase - _MIDDLE), -MOST), MOST)
        return round(share * period)

    def forget(self) -> None:
        """Start anew, after the rate has changed. For the output clock."""
        self._mean, self._pictures = 0j, 0.0
