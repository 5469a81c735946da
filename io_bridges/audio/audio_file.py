"""Sound of a file, decoded with PyAV (extra ``video``): blocks of mono samples, in a loop. Used in a child process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from io_bridges.audio.analysis import Samples
from io_bridges.lazy_imports import import_extra
from presets.errors import BridgeError

FILE_RATE = 44_100
"""Rate in Hz to which every file is converted."""


def looped_blocks(path: Path, length: int) -> Iterator[Samples]:
    """Yield the sound of a file over and over, in blocks of `length` samples without a gap between the rounds.

    Raises `BridgeError` for a file that can't be read or has no sound, also in a later round.
    """
    rest = np.zeros(0, np.float32)
    short: Samples | None = None
    """All of a file that is so short that opening it again would take longer than playing it."""
    while True:
        heard, parts = 0, []
        for samples in decoded(path) if short is None else [short]:
            heard += len(samples)
            if heard < FILE_RATE:
                parts.append(samples)
            rest = np.concatenate((rest, samples))
            whole = len(rest) // length * length
            yield from rest[:whole].reshape(-1, length).copy()
            rest = rest[whole:]
        if not heard:
            raise BridgeError(f"{path} has no sound that can be decoded")
        if heard < FILE_RATE:
            short = np.concatenate(parts)
            short = np.tile(short, -(-FILE_RATE // len(short)))


def decoded(path: Path) -> Iterator[Samples]:
    """Yield the sound of a file once, mono at `FILE_RATE`. Damaged packets are left out. Raises `BridgeError`."""
    av: Any = import_extra("av", "video")
    try:
        # The prefix keeps FFmpeg from reading a name such as "http:song.mp3" as an address.
        with av.open(f"file:{path}") as container:
            if not container.streams.audio:
                raise BridgeError(f"{path} has no sound")
            stream = container.streams.audio[0]
            resampler = av.AudioResampler(format="flt", layout="mono", rate=FILE_RATE)
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    continue
                for frame in frames:
                    frame.pts = None  # stamps that jump are no gaps: samples are counted
                    for part in resampler.resample(frame):
                        yield part.to_ndarray()[0]
            for part in resampler.resample(None):
                yield part.to_ndarray()[0]
    except (OSError, av.error.FFmpegError) as error:
        raise BridgeError(f"Cannot read the sound of {path}: {error.strerror or error}") from error
