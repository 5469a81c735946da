"""Sounds with known times and bands, and files of them written with PyAV."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 44_100
CLICKS = (0.5, 1.0, 1.37, 2.0, 2.2, 3.3, 4.0, 4.5, 5.2)
"""Seconds at which clicks begin."""

Sound = NDArray[np.float32]


def times(seconds: float, rate: int = RATE) -> NDArray[np.float64]:
    """Return the time of each sample."""
    return np.arange(round(seconds * rate)) / rate


def clicks(seconds: float, at: tuple[float, ...] = CLICKS) -> Sound:
    """Return bursts of noise that die away within 5 ms."""
    sound, random = np.zeros(round(seconds * RATE)), np.random.default_rng(1)
    for begin in at:
        first, length = round(begin * RATE), round(0.03 * RATE)
        sound[first : first + length] += 0.6 * np.exp(-times(0.03) / 0.005) * random.uniform(-1, 1, length)
    return sound.astype(np.float32)


def burst(hertz: float, begin: float, end: float, seconds: float, amplitude: float = 0.5) -> Sound:
    """Return a sine that sounds from `begin` to `end`, with ramps of 10 ms."""
    at = times(seconds)
    ramp = np.clip(np.minimum(at - begin, end - at) / 0.01, 0, 1)
    return np.asarray(amplitude * ramp * np.sin(2 * np.pi * hertz * at), np.float32)


def write(path: Path, *channels: Sound, rate: int = RATE, codec: str = "pcm_s16le") -> Path:
    """Write channels of equal length to a file."""
    with av.open(str(path), "w") as container:
        layout = "stereo" if len(channels) == 2 else "mono"
        stream = container.add_stream(codec, rate=rate, layout=layout)
        interleaved = np.stack(channels, axis=1).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(
            np.clip(interleaved * 32767, -32768, 32767).astype(np.int16), format="s16", layout=layout
        )
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, layout, rate, frame_size=stream.codec_context.frame_size or None)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path
