"""Grade of the picture on air: the parameters that change the pixels that go out, whatever renderer drew them.

To add such a control, add its value to `OutputGrade`, read it in `output_grade`, and apply it in `apply_grade`.
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

    It is a new array, because a sink may still read the one of the last tick.
    """
    return pixels.fade(picture, grade.level)
