"""Rendering a clip or a still without a stage: every frame in, every frame out, the same file every time.

The same `ImageStream` as on stage, with the frame number in place of the clock.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.image_stream import ImageStream
from presets.parameters import Parameters

Picture = NDArray[np.uint8]


def redraw(
    stream: ImageStream, pictures: Iterable[Picture], parameters: Parameters, done: Callable[[], None]
) -> Iterator[Picture]:
    """Every picture redrawn, in order.

    Args:
        stream: Already warm.
        pictures: uint8 [H, W, 3] of the stream's size.
        parameters: One look for all of them.
        done: Called once a finished picture, for a progress bar.

    Yields:
        uint8 [H, W, 3], one for each that came in.
    """
    conditioning = stream.encode(parameters)
    for number, picture in enumerate(pictures):
        while not stream.free:
            yield from _finished(stream, done)
        stream.admit(picture, parameters, conditioning, number)
        yield from _finished(stream, done)
    while stream.in_flight:
        yield from _finished(stream, done)


def _finished(stream: ImageStream, done: Callable[[], None]) -> Iterator[Picture]:
    for picture in stream.step():
        done()
        yield picture.pixels
