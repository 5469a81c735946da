"""Strength as a continuous fader: where on a solver's grid a picture enters."""

import numpy as np
from numpy.typing import NDArray

SHORTEST_STEP = 1e-3
"""The least share of the whole way that earns a network call of its own: one training timestep of a thousand."""


def entered(grid: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """Times ``[M]``, falling: ``strength·grid[0]``, then each point of `grid` ``[N]`` below it; none for strength 0.

    M is N at most. Strength 1 is the whole grid as it stands. Elsewhere a point less than `SHORTEST_STEP` of the way
    below the entry is left out, and a strength up to that draws nothing.

    Args:
        grid: Times, falling from where noise is pure; the picture is at 0.
        strength: 0 (the picture passes through) to 1 (it is forgotten).
    """
    if strength == 1.0:
        return grid
    if strength <= SHORTEST_STEP:
        return grid[:0]
    entry = strength * grid[0]
    return np.concatenate([[entry], grid[grid < entry - SHORTEST_STEP * grid[0]]])
