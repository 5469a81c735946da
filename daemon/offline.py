"""Rendering a clip or a still without a stage: every frame in, every frame out, the same file every time.

The same `ImageStream` as on stage, at the same pace, with the frame number in place of the clock.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.image_stream import ImageStream
from pipeline.still import Still
from presets.parameters import Parameters

Picture = NDArray[np.uint8]


def redraw(
    stream: ImageStream, pictures: Iterable[Picture], parameters: Parameters, done: Callable[[], None]
) -> Iterator[Picture]:
    """Every picture redrawn, in order; where one is skipped, the output before it comes once more.

    Args:
        stream: Already warm.
        pictures: uint8 [H, W, 3] of the stream's size.
        parameters: One look for all of them.
        done: Called once a picture, for a progress bar.

    Yields:
        uint8 [H, W, 3], one for each that came in.
    """
    conditioning = stream.encode(parameters)
    still = Still(stream.width, stream.height)
    stands_for: deque[int] = deque()  # of each picture in flight: itself, and those skipped after it
    last: Picture | None = None

    def step() -> Iterator[Picture]:
        nonlocal last
        for finished in stream.step():
            last = finished.pixels
            for _ in range(stands_for.popleft()):
                done()
                yield last

    together = 0
    for number, picture in enumerate(pictures):
        if still.skips(picture, parameters, None):
            if stands_for:
                stands_for[-1] += 1
            elif last is not None:
                done()
                yield last
            continue
        while not stream.free:
            yield from step()
        stream.admit(picture, parameters, conditioning, number)
        still.admitted(picture, None)
        stands_for.append(1)
        together = (together + 1) % parameters.frame_buffer
        if together == 0:
            yield from step()
            while parameters.low_latency and stream.in_flight:
                yield from step()
    while stream.in_flight:
        yield from step()
