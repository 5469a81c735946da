"""`AutoGain`: amplitudes of any loudness as shares of the loudest of the last seconds."""

import math

NOISE = 0.0005
"""Amplitude below which a sound counts as silence: -66 dB of full scale, above the noise of a quiet input."""
FLOOR = 0.002
"""Least amplitude that becomes 1: -54 dB of full scale."""
HALF_LIFE = 5.0
"""Seconds after which the gain has doubled when a loud passage has ended."""
RELEASE = 0.12
"""Seconds in which a meter falls to 1/e of its height."""


class AutoGain:
    """One feature's gain, and the fall of its meter."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is the time from one amplitude to the next."""
        self._fade = 0.5 ** (seconds / HALF_LIFE)
        self._release = math.exp(-seconds / RELEASE)
        self.peak = FLOOR
        """Amplitude that is 1 now."""
        self._meter = 0.0

    def share(self, amplitude: float, least_peak: float = 0.0) -> float:
        """Return an amplitude as a share of the loudest, 0 to 1. It rises at once and falls smoothly.

        Args:
            amplitude: Of a full-scale sine it is 1.
            least_peak: Amplitude below which nothing becomes 1, for a band that has little of the sound.
        """
        self.peak = max(amplitude, self.peak * self._fade, least_peak, FLOOR)
        share = amplitude / self.peak if amplitude > NOISE else 0.0
        self._meter = max(share, self._meter * self._release)
        return self._meter
