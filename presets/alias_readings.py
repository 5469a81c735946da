"""Readings of messages of other programs that set several parameters at once, for alias tables."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from presets.coercion import as_number
from presets.errors import ParameterRefused
from presets.parameters import PROMPTS

Call = tuple[str, list[object]]
"""An address of this program and its arguments."""
AliasReading = Callable[[str, Sequence[object]], list[Call]]
"""Returns the calls that a message to an address stands for. Raises `ParameterRefused`."""

_GRID = 50
"""Timesteps of the grid that StreamDiffusion's ``t_index_list`` counts on."""
_LAST_TIMESTEP = 1000.0
_MOST_STEPS = 1000
"""More than any show takes. The quotient of a strength near 0 may be infinite."""


def _prompts(address: str, arguments: Sequence[object]) -> list[Call]:
    """Read texts with weights: ``[["rain", 0.7], ["snow", 0.3]]`` as JSON, or the same as plain arguments."""
    pairs = _pairs(address, arguments)
    if len(pairs) > PROMPTS:
        raise ParameterRefused(f"there are {PROMPTS} prompts; {len(pairs)} texts came")
    if not all(isinstance(text, str) or type(text) in (int, float) for text, _ in pairs):
        raise ParameterRefused(f"{address} takes texts with their weights")
    return [("/prompt", [part for text, weight in pairs for part in (str(text), weight)])]


def _seeds(address: str, arguments: Sequence[object]) -> list[Call]:
    """Read seeds with weights. The two heaviest are mixed: ``/seed``, ``/seed_to`` and ``/seed_mix``."""
    pairs = sorted(_pairs(address, arguments), key=lambda pair: -pair[1])[:2]
    (seed, weight), (other, share) = pairs[0], pairs[-1] if len(pairs) > 1 else (None, 0.0)
    ratio = max(share, 0.0) / weight if weight > 0 else 0.0  # 0 to 1, as the first is the heaviest
    calls: list[Call] = [("/seed", [seed]), ("/seed_mix", [ratio / (1.0 + ratio)])]
    return calls if other is None else [*calls, ("/seed_to", [other])]


def _t_index_list(address: str, arguments: Sequence[object]) -> list[Call]:
    """Read StreamDiffusion's places on a grid of 50 timesteps: the first is the strength, their number the steps."""
    places = _numbers(address, arguments)
    return _strength_and_steps(1.0 - places[0] / _GRID, len(places))


def _timesteps(address: str, arguments: Sequence[object]) -> list[Call]:
    """Read timesteps from 1000 down: the first is the strength, their number the steps."""
    steps = _numbers(address, arguments)
    return _strength_and_steps(steps[0] / _LAST_TIMESTEP, len(steps))


READINGS: Mapping[str, AliasReading] = MappingProxyType(
    {"prompts": _prompts, "seeds": _seeds, "t_index_list": _t_index_list, "timesteps": _timesteps}
)
"""Readings by the name that an alias table gives them."""


def _strength_and_steps(strength: float, calls: int) -> list[Call]:
    """Return the strength, and the steps of which so many calls are left at it."""
    strength = min(max(strength, 0.0), 1.0)
    # A schedule of n steps has ceil(strength · n) calls. The small number is for shares such as 1 − 16 / 50.
    steps = math.floor(min(calls / strength, _MOST_STEPS) + 1e-9) if strength > 0 else calls
    return [("/strength", [strength]), ("/steps", [steps])]


def _pairs(address: str, arguments: Sequence[object]) -> list[tuple[object, float]]:
    items = _items(address, arguments)
    if items and not isinstance(items[0], list):
        items = [items[at : at + 2] for at in range(0, len(items), 2)]
    if not items or not all(isinstance(item, list) and len(item) == 2 for item in items):
        raise ParameterRefused(f"{address} takes pairs with a weight, such as [[first, 0.7], [second, 0.3]]")
    return [(item[0], as_number(item[1])) for item in items]


def _numbers(address: str, arguments: Sequence[object]) -> list[float]:
    items = _items(address, arguments)
    if not items:
        raise ParameterRefused(f"{address} takes one number or more")
    return [as_number(item) for item in items]


def _items(address: str, arguments: Sequence[object]) -> list[Any]:
    """Return the arguments, or the items of the one JSON list or OSC array that came."""
    if len(arguments) != 1:
        return list(arguments)
    only = arguments[0]
    if isinstance(only, str) and only.lstrip().startswith("["):
        try:
            only = json.loads(only)
        except (ValueError, RecursionError) as error:
            raise ParameterRefused(f"{address} takes a JSON list; {only[:60]!r} is none") from error
    return only if isinstance(only, list) else [only]
