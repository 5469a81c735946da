"""Ticks of a show as a reader of its ZeroMQ sink gets them, and the ticks that the show itself missed."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

LATE = 4
"""Periods that a busy machine may take for one tick of a show that does nothing else."""


class ReceivedTick(NamedTuple):
    """One frame that a reader got."""

    number: int
    """Number of the tick. It does not count the ticks that the show missed: a step is a loss on the way."""
    at: int
    """Time of the tick in nanoseconds, on the even grid of the output's rate."""
    index: int
    """Number of the drawn picture, below 1 for a slate."""
    lit: bool
    """False if the frame is black."""


def shown_periods(ticks: Sequence[ReceivedTick], fps: float = 30) -> list[int]:
    """Return the periods from each tick to the next: 1, or more if the show missed ticks.

    Ticks that were lost on the way to the reader count as shown.
    """
    return [
        round((after.at - tick.at) * fps / 1e9) - (after.number - tick.number) + 1 for tick, after in pairwise(ticks)
    ]
