"""`HeardFile`: the sound of a file at any time of it, for drawing offline. It is decoded as far as it is asked for."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from io_bridges.audio.analysis import Samples, SoundAnalyser, SoundFeatures, onset_height
from io_bridges.audio.audio_file import FILE_RATE, decoded
from presets.errors import BridgeError
from presets.movement import SILENCE, Heard


class HeardFile:
    """Features of a file by time, equal in every run. One thread only."""

    def __init__(self, path: Path) -> None:
        """Open a file. Raises `BridgeError` for one that can't be read or has no sound."""
        self._analyser = SoundAnalyser(FILE_RATE)
        self._seconds = self._analyser.block / FILE_RATE
        self._blocks = _whole_blocks(decoded(path), self._analyser.block)
        self._features: list[SoundFeatures] = []
        self._last_onsets: list[float] = []
        """Seconds of the newest onset until the end of each block, minus infinity before the first one."""
        if not self._has(0):
            raise BridgeError(f"{path} has no sound that can be decoded")

    def at(self, seconds: float) -> tuple[Heard, float]:
        """Return the features at a time of the file, and the seconds since the last onset; silence after its end.

        Raises `BridgeError` for a file that can't be read any more.
        """
        number = int(seconds / self._seconds)
        if not self._has(number):
            return SILENCE, seconds - self._last_onsets[-1]
        since = max(seconds - self._last_onsets[number], 0.0)
        return Heard(*self._features[number][:4], onset_height(since)), since

    def _has(self, number: int) -> bool:
        """Decode until there is this block. Return False if the file ends before."""
        while len(self._features) <= number:
            if (block := next(self._blocks, None)) is None:
                return False
            features = self._analyser.analyse(block)
            before = self._last_onsets[-1] if self._last_onsets else -math.inf
            self._last_onsets.append(len(self._features) * self._seconds if features.is_onset else before)
            self._features.append(features)
        return True


def _whole_blocks(parts: Iterator[Samples], length: int) -> Iterator[Samples]:
    """Yield the samples in blocks; the last one is filled with silence."""
    rest = np.zeros(0, np.float32)
    for part in parts:
        rest = np.concatenate((rest, part))
        while len(rest) >= length:
            yield rest[:length].copy()
            rest = rest[length:]
    if len(rest):
        yield np.pad(rest, (0, length - len(rest)))
