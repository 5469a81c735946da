"""Rendering a clip or a still without a stage: every frame in, every frame out, the same file every time.

The same `ImageStream` as on stage, at the same pace, with the frame number in place of the clock.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count

import numpy as np
from numpy.typing import NDArray

from pipeline.conditioning import Conditioning
from pipeline.image_stream import ImageStream
from pipeline.similar_frame_filter import SimilarFrameFilter
from presets.frame_parameters import FrameParameters, PromptMixture
from presets.morph import Change, MorphTime, resolve_frame, start_morphs, update_morphs
from presets.parameters import Parameters

Picture = NDArray[np.uint8]


def moments(looks: Mapping[int, Parameters], fps: float) -> Iterator[FrameParameters]:
    """What each frame is drawn with, without end: morphs and drift as on stage, `fps` frames to a second.

    Args:
        looks: By the number of the frame that they come with; 0 is among them.
        fps: Frames a second of the clip.
    """
    course = start_morphs(looks[0], MorphTime(0.0))
    for number in count():
        at = MorphTime(number / fps, number)
        if number in looks and number > 0:
            course = update_morphs(course, looks[number], at, Change.LOOK)
        yield resolve_frame(course, at)


def redraw(
    stream: ImageStream, pictures: Iterable[Picture], moments: Iterable[FrameParameters], done: Callable[[], None]
) -> Iterator[Picture]:
    """Every picture redrawn, in order; where one is skipped, the output before it comes once more.

    Args:
        stream: Already warm.
        pictures: uint8 [H, W, 3] of the stream's size.
        moments: One for each picture or more.
        done: Called once a picture, for a progress bar.

    Yields:
        uint8 [H, W, 3], one for each that came in.
    """
    still = SimilarFrameFilter(stream.width, stream.height)
    stands_for: deque[int] = deque()  # of each picture in flight: itself, and those skipped after it
    last: Picture | None = None
    words: tuple[PromptMixture, Conditioning] | None = None

    def step() -> Iterator[Picture]:
        nonlocal last
        for finished in stream.step():
            last = finished.pixels
            for _ in range(stands_for.popleft()):
                done()
                yield last

    together = 0
    for number, (picture, now) in enumerate(zip(pictures, moments, strict=False)):
        if still.skips(picture, now.parameters, now):
            if stands_for:
                stands_for[-1] += 1
            elif last is not None:
                done()
                yield last
            continue
        while not stream.free:
            yield from step()
        if words is None or words[0] != now.wording:
            words = now.wording, stream.encode(now.wording)
        stream.admit(picture, now, words[1], number)
        still.admitted(picture, now)
        stands_for.append(1)
        together += 1
        if together >= now.parameters.frame_buffer:
            together = 0
            yield from step()
            while now.parameters.low_latency and stream.in_flight:
                yield from step()
    while stream.in_flight:
        yield from step()
