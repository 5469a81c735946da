"""Movement of parameters by LFOs, as a function of time and beats. Nothing here reads a clock.

An LFO swings a number around the value that the performer set. The result stays in the number's range.
"""

import math
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, NamedTuple

from presets.declaration import LFOS, Effect
from presets.lfo_parameters import NO_TARGET, Lfo
from presets.parameter_table import LFO_TARGETS, NESTED, PARAMETERS, Parameter
from presets.parameters import Parameters
from presets.travel import swung_travel

PULSE_DECAY = 5.0
"""Exponent of a pulse at the end of its period: e^-5 is under one hundredth of its height."""


class Heard(NamedTuple):
    """Features of the sound that a show hears, each from 0 to 1. All are 0 in silence."""

    level: float = 0.0
    bass: float = 0.0
    mid: float = 0.0
    treble: float = 0.0
    onset: float = 0.0
    """1 where a sound begins, from which it dies away."""


SILENCE = Heard()


NEVER = (math.inf,) * LFOS


class MovementTime(NamedTuple):
    """Instant for which moving parameters are wanted, the sound that is heard then, and what happened before."""

    seconds: float
    """Seconds on any clock that does not run backwards."""
    beats: float
    """Beats since beat 0, of the tempo of the show."""
    heard: Heard = SILENCE
    since_onset: float = math.inf
    """Seconds since the last onset of the sound."""
    since_triggers: tuple[float, ...] = NEVER
    """Seconds since the last trigger of each LFO."""
    pictures: int = 0
    """Number of pictures begun before it."""


ALL = frozenset(LFO_TARGETS) - {NO_TARGET}
"""Every target of an LFO."""
DRAWING = frozenset(target for target in ALL if PARAMETERS[f"/{target}"].effect is not Effect.OUTPUT)
"""Targets that change what is drawn, so that a renderer draws a still source again."""


def moves(parameters: Parameters, targets: frozenset[str] = ALL) -> bool:
    """Return True if an LFO has one of these targets."""
    return any(lfo.target in targets for lfo in parameters.lfo)


def moved(parameters: Parameters, at: MovementTime, targets: frozenset[str] = ALL) -> Parameters:
    """Return the parameters at that instant: the same object if no LFO has one of these targets.

    LFOs with the same target add up. An LFO that moves a prompt's weight or a processor's number does nothing for
    one that is not there. The travel along the prompts goes round.
    """
    swings: dict[str, float] = {}
    for place, lfo in enumerate(parameters.lfo):
        if lfo.target in targets:
            swings[lfo.target] = swings.get(lfo.target, 0.0) + lfo.amount * _course(lfo, place, at, parameters.bpm)
    if not swings:
        return parameters
    changes: dict[str, Any] = {}
    for target, swing in swings.items():
        parameter = PARAMETERS[f"/{target}"]
        if target == "travel":
            changes[target] = swung_travel(parameters.prompt, parameters.travel, swing)
            continue
        if parameter.key not in NESTED:
            changes[parameter.key] = _swung(parameter, getattr(parameters, parameter.key), swing)
            continue
        key, number, field = target.split("/")
        place, entries = int(number) - 1, list(changes.get(key, getattr(parameters, key)))
        if place < len(entries):
            value = _swung(parameter, getattr(entries[place], field), swing)
            entries[place] = entries[place].model_copy(update={field: value})
            changes[key] = tuple(entries)
    return parameters.model_copy(update=changes)


def _swung(parameter: Parameter, value: float, swing: float) -> Any:
    """Return the value moved by `swing` times half of its range, in its range, whole for a whole number."""
    low, high = parameter.minimum, parameter.maximum
    if low is None or high is None:
        raise ValueError(f"{parameter.address} has no range to move in")
    return parameter.coerce(value + swing * (high - low) / 2)


def _course(lfo: Lfo, place: int, at: MovementTime, bpm: float) -> float:
    """Return the place of an LFO in its swing, -1 to 1. A feature of the sound has no period: it is what is heard."""
    if lfo.shape == "envelope":
        since = min(_since_start(lfo, at, bpm), at.since_triggers[place])
        return envelope((since * bpm / 60.0 if lfo.timing == "beats" else since) / lfo.period, lfo.attack)
    if lfo.shape not in SHAPES:
        return float(getattr(at.heard, lfo.shape))
    turns = (at.beats if lfo.timing == "beats" else at.seconds) / lfo.period + lfo.phase
    whole = math.floor(turns)
    return SHAPES[lfo.shape](turns - whole, whole, place)


def _since_start(lfo: Lfo, at: MovementTime, bpm: float) -> float:
    """Return the seconds since the event that starts an envelope. Its phase is a share of a beat."""
    if lfo.start == "beat":
        return (at.beats + lfo.phase) % 1.0 * 60.0 / bpm
    return at.since_onset if lfo.start == "onset" else math.inf


def envelope(turn: float, attack: float) -> float:
    """Return the height of an envelope, 0 to 1: it rises steadily, falls ever more slowly, and ends at 0.

    Args:
        turn: Place in its course: it begins at 0 and is over from 1 on.
        attack: Share of the course in which it rises.
    """
    if turn >= 1.0:
        return 0.0
    if turn < attack:
        return turn / attack
    rest = (1.0 - turn) / (1.0 - attack)
    return rest * rest


def _random(number: int, place: int) -> float:
    """Return a number in [-1, 1) that is the same for equal arguments, in every process and every show."""
    digest = blake2b(f"{place}:{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**63 - 1.0


def _noise(turn: float, whole: int, place: int) -> float:
    """Return value noise: smoothly from one random number to the next (Perlin's fade curve of 2002)."""
    share = turn**3 * (turn * (6 * turn - 15) + 10)
    return _random(whole, place) * (1 - share) + _random(whole + 1, place) * share


SHAPES: dict[str, Callable[[float, int, int], float]] = {
    "sine": lambda turn, whole, place: math.sin(2 * math.pi * turn),
    "triangle": lambda turn, whole, place: 1 - 4 * abs((turn + 0.25) % 1.0 - 0.5),
    "rise": lambda turn, whole, place: 2 * turn - 1,
    "fall": lambda turn, whole, place: 1 - 2 * turn,
    "square": lambda turn, whole, place: 1.0 if turn < 0.5 else -1.0,
    "pulse": lambda turn, whole, place: math.exp(-PULSE_DECAY * turn),
    "noise": _noise,
    "steps": lambda turn, whole, place: _random(whole, place),
}
"""Course of each periodic shape: -1 to 1, for the place in the period in [0, 1), the number of it and the LFO."""
