"""Grade of the picture on air: the parameters that change the pixels that go out, whatever renderer drew them.

To add such a control, declare it in `presets.output_parameters`, add its value to `OutputGrade`, read it in
`output_grade`, and apply it in `apply_grade`. A show, ``render`` and the small pictures of presets use these.
"""

from typing import NamedTuple

from io_bridges import pixels
from io_bridges.frames import Pixels
from presets.parameters import Parameters


class OutputGrade(NamedTuple):
    """Values that decide how a picture goes out. Equal grades of one picture give equal pixels."""

    level: float = 1.0
    """Brightness, from 0 (black) to 1 (unchanged)."""


NEUTRAL = OutputGrade()
"""Grade that leaves a picture unchanged."""


def output_grade(parameters: Parameters, fade: float) -> OutputGrade:
    """Return the grade of a tick. `fade` is the level of a blackout: 0 is black, 1 is fully lit."""
    return OutputGrade(level=fade * parameters.brightness)


def apply_grade(picture: Pixels, grade: OutputGrade) -> Pixels:
    """Return the graded picture, RGB uint8 [H, W, 3], read-only.

    It is a new array, because a sink may still read the one of the last tick. It is the only one: a grade is computed
    in one call into OpenCV, or in place, without arrays in between. It runs on the thread of the output clock.
    """
    return pixels.fade(picture, grade.level)


class BlackoutFade:
    """The way into a blackout and out of it, tick by tick."""

    def __init__(self) -> None:
        self._level = 1.0

    def step(self, is_dark: bool, seconds: float, rate: float) -> float:
        """Return the level of a tick: 0 is black, 1 is fully lit.

        Args:
            is_dark: True for a blackout, False for its release.
            seconds: Time that the whole way takes; 0 cuts.
            rate: Ticks a second.
        """
        step = 1.0 if seconds <= 0 else 1.0 / max(seconds * rate, 1.0)
        target = 0.0 if is_dark else 1.0
        self._level += min(max(target - self._level, -step), step)
        return self._level
