"""Times of the frames of a clip: from its time stamps, with cuts in place of jumps of its clock."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from typing import Any

from io_bridges.frames import Pixels

LONGEST_GAP = 30.0
"""Longest pause in seconds between two frames. A longer one is a jump of the clock."""

LONGEST_GAP_OF_STREAMS = 1.0
"""The same for formats whose clock may jump, such as MPEG-TS, in which recordings are joined without a new clock."""


class FrameTimes:
    """Turns the time stamps of consecutive frames into seconds from the first frame. They always grow."""

    def __init__(self, fps: Fraction, longest_gap: float) -> None:
        """`fps` is the rate of frames without a time stamp. Gaps beyond `longest_gap` seconds become one period."""
        self._period = float(1 / fps)
        self._longest_gap = longest_gap
        self._stamp: float | None = None
        self._duration = self._period
        self._time = 0.0

    def next(self, stamp: float | None, duration: float) -> float:
        """Return the time of the next frame in seconds.

        Args:
            stamp: Its time stamp in seconds, None if it has none.
            duration: Its own duration in seconds, 0 if it does not say.
        """
        if self._stamp is None:
            self._stamp = 0.0 if stamp is None else stamp
        else:
            step = self._period if stamp is None else stamp - self._stamp
            self._stamp += step
            # A picture may stand for long because its own duration says so, as the last one of a GIF does.
            if not 0 < step <= max(self._longest_gap, 1.5 * self._duration):
                step = self._duration
            self._time += step
        self._duration = duration if duration > self._period / 2 else self._period
        return self._time

    @property
    def end(self) -> float:
        """Return the time at which the last frame ends, in seconds."""
        return self._time + self._duration


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """A decoded frame before its conversion to RGB, so that a dropped frame costs no conversion."""

    time: float
    """Seconds from the first frame of the clip."""
    end: float
    """Time at which the frame ends by its own duration, in seconds. The next frame may begin earlier or later."""
    frame: Any
    """Decoded frame, in the form that the `rgb` of its reader takes."""


def at_constant_rate(
    frames: Iterable[ClipFrame], fps: Fraction, rgb: Callable[[ClipFrame], Pixels]
) -> Iterator[Pixels]:
    """Yield the picture that stands at each 1/`fps` seconds: a long one several times, a very short one never.

    Each frame of a clip with a constant rate of `fps` comes once.
    """
    shown: ClipFrame | None = None
    count = 0
    for entry in frames:
        if shown is not None:
            yield from _repeated(shown, round(entry.time * fps) - count, rgb)
            count = max(count, round(entry.time * fps))
        shown = entry
    if shown is not None:
        yield from _repeated(shown, max(round(shown.end * fps) - count, int(count == 0)), rgb)


def _repeated(entry: ClipFrame, times: int, rgb: Callable[[ClipFrame], Pixels]) -> Iterator[Pixels]:
    if times > 0:
        yield from repeat(rgb(entry), times)
