"""`SoundAnalyser`: level, three bands and onsets of a sound, block by block, each from 0 to 1 at any loudness.

Onsets are the jumps of the spectral flux with a maximum filter, SuperFlux (Böck and Widmer, DAFx 2013), over a
threshold that follows it. It knows nothing of the future, so that an onset is told in its own block or the next one.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from io_bridges.audio.auto_gain import NOISE, AutoGain

Samples = NDArray[np.float32]
"""Mono samples, float32 [N], full scale -1 to 1."""

BLOCK_SECONDS = 512 / 44_100
"""Length of a block at 44.1 kHz; at other rates it has the power of two samples that comes nearest."""
BAND_EDGES = (30.0, 250.0, 4_000.0, 16_000.0)
"""Edges of bass, mid and treble in Hz."""
QUIETEST_BAND = 0.03
"""Share of the loudest level below which a band is not raised to 1: what leaks from another band stays low."""

_COMPRESSION = 100.0
"""Slope of the logarithm that makes a quiet onset count as a loud one."""
_HISTORY_SECONDS = 0.6
"""Time that the threshold looks back."""
_TONES_IN_AN_OCTAVE = 6
_TIMES_DEVIATION, _LEAST_FLUX = 4.0, 0.06
"""Threshold of the flux over its mean: so many standard deviations, and so much more."""
_DEAD_SECONDS = 0.06
"""Time after an onset in which there is no other one."""
_HANN_BANDWIDTH = 1.5
"""Bins of a Hann window that the power of a sine spreads over."""


ONSET_DECAY = 0.15
"""Seconds in which an onset falls to 1/e."""


def onset_height(since: float) -> float:
    """Return the height of an onset so many seconds after it, 1 to 0."""
    return math.exp(-since / ONSET_DECAY)


class SoundFeatures(NamedTuple):
    """Features of one block."""

    level: float
    bass: float
    mid: float
    treble: float
    is_onset: bool


def block_length(rate: float) -> int:
    """Return the samples of a block at a rate in Hz: a power of two, so that the spectrum is fast."""
    return int(2 ** max(round(np.log2(rate * BLOCK_SECONDS)), 4))


class SoundAnalyser:
    """Features of one sound. Blocks follow each other without a gap."""

    def __init__(self, rate: float) -> None:
        """Take the rate in Hz."""
        self.block = block_length(rate)
        """Samples of a block."""
        seconds = self.block / rate
        length = 2 * self.block
        self._samples = np.zeros(length, np.float32)
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)
        self._scale = 2.0 / float(self._window.sum())
        edges = [math.ceil(hertz * length / rate) for hertz in BAND_EDGES]
        self._bands = [slice(max(low, 1), max(high, low + 1)) for low, high in itertools.pairwise(edges)]
        self._gains = [AutoGain(seconds) for _ in range(4)]
        self._edges = _tone_edges(length, rate)
        self._tones = np.zeros(len(self._edges))
        """Amplitudes of the narrow bands of the block before."""
        self._flux = np.zeros(round(_HISTORY_SECONDS / seconds))
        self._dead = round(_DEAD_SECONDS / seconds)
        self._since_onset = self._dead

    def analyse(self, samples: Samples) -> SoundFeatures:
        """Return the features of the next block, float32 [block]. What is not finite counts as silence."""
        half = self.block
        self._samples[:half] = self._samples[half:]
        np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        np.clip(samples, -8.0, 8.0, out=self._samples[half:])
        magnitudes = np.abs(np.fft.rfft(self._samples * self._window)) * self._scale
        power = magnitudes * magnitudes
        amplitude = _amplitude(power[1:])
        level = self._gains[0].share(amplitude)
        least = QUIETEST_BAND * self._gains[0].peak
        bass, mid, treble = (
            gain.share(_amplitude(power[band]), least) for gain, band in zip(self._gains[1:], self._bands, strict=True)
        )
        return SoundFeatures(level, bass, mid, treble, self._is_onset(power, amplitude))

    def _is_onset(self, power: NDArray[np.float64], amplitude: float) -> bool:
        """Return True where the spectrum grows clearly more than it did before."""
        last, self._tones = self._tones, np.sqrt(np.add.reduceat(power, self._edges))
        # Both by the gain of now: one that has just fallen would hide the onset that made it fall.
        slope = _COMPRESSION / self._gains[0].peak
        before, now = np.log1p(last * slope), np.log1p(self._tones * slope)
        widened = before.copy()
        np.maximum(widened[1:], before[:-1], out=widened[1:])
        np.maximum(widened[:-1], before[1:], out=widened[:-1])
        flux = float(np.maximum(now - widened, 0.0).mean())
        threshold = _LEAST_FLUX + float(self._flux.mean()) + _TIMES_DEVIATION * float(self._flux.std())
        self._flux[:-1] = self._flux[1:]
        self._flux[-1] = min(flux, threshold)  # an onset must not hide the next one
        self._since_onset += 1
        if flux <= threshold or amplitude <= NOISE or self._since_onset <= self._dead:
            return False
        self._since_onset = 0
        return True


def _tone_edges(length: int, rate: float) -> NDArray[np.intp]:
    """Return the first line of each narrow band of a spectrum: lines below, bands of equal width to the ear above.

    A drum fills few lines and a cymbal hundreds, and each counts as much.
    """
    top = min(BAND_EDGES[-1], rate / 2)
    hertz = np.geomspace(BAND_EDGES[0], top, 1 + round(_TONES_IN_AN_OCTAVE * math.log2(top / BAND_EDGES[0])))
    return np.unique(np.clip(np.ceil(hertz * length / rate), 1, length // 2).astype(np.intp))


def _amplitude(power: NDArray[np.float64]) -> float:
    """Return the amplitude of the sine that has this power."""
    return float(np.sqrt(power.sum() / _HANN_BANDWIDTH))
