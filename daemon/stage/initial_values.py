"""What a show begins with: the state the last one ended in, the preset that was asked for, the size."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from daemon.stage.state_file import StateFile
from presets.build import REBUILD_KEYS
from presets.errors import SettingsError
from presets.library import Library
from presets.parameter_table import PARAMETERS, Value

log = logging.getLogger("stage")

FIRST_LOOK = "neon"
"""What plays where nobody has said anything yet."""


def initial_values(
    library: Library, state: Path | None, preset: str | None, size: tuple[int, int] | None
) -> dict[str, Value]:
    """Values by address, complete. Raises `PresetError` for a preset that can't be read, `SettingsError` for a size."""
    values: dict[str, Value] = {address: parameter.default for address, parameter in PARAMETERS.items()}
    restored = StateFile(state).restore() if state is not None else {}
    if preset is None and not restored:
        preset = FIRST_LOOK
    values |= restored
    if preset is not None:
        values |= library.opening(preset)
    if size is not None:
        for address, side in zip(("/width", "/height"), size, strict=True):
            taken = PARAMETERS[address].coerce(side)
            if taken != side:
                raise SettingsError(
                    f"the model draws in steps of 32 pixels from 64 to 2048; {side} would become {taken}"
                )
            values[address] = taken
    return values


def scheduled_values(
    library: Library, opening: Mapping[str, Value], given: Sequence[str]
) -> dict[float, dict[str, Value]]:
    """Values by address, complete, by the second that they come at: each look on top of the one before it.

    Model, size and accelerator stay those of the opening. `given` is ``SECONDS=LOOK`` each. Raises `SettingsError` for
    anything else, `PresetError` for a look that can't be read.
    """
    looks: dict[float, str] = {}
    for text in given:
        seconds, _, look = text.partition("=")
        try:
            at = float(seconds)
        except ValueError:
            at = math.nan
        if not (0 < at < math.inf and look):
            raise SettingsError(f"{text!r} is no time and look: 4.5=fire takes the look fire from second 4.5 on")
        if at in looks:
            raise SettingsError(f"two looks, {looks[at]} and {look}, are to come at second {at:g}: one of them can")
        looks[at] = look
    values, found = dict(opening), dict[float, dict[str, Value]]()
    for at in sorted(looks):
        look_values = library.opening(looks[at])
        values |= {address: value for address, value in look_values.items() if address[1:] not in REBUILD_KEYS}
        found[at] = dict(values)
    return found


def frames_of(seconds: Iterable[float], fps: Fraction) -> dict[int, float]:
    """Those seconds by the number of the frame that each comes with, at so many frames a second.

    Raises `SettingsError` for one that would come with the first frame, or with the frame of another.
    """
    frames: dict[int, float] = {}
    for at in seconds:
        frame = round(at * fps)
        if frame == 0:
            raise SettingsError(
                f"a look at second {at:g} would come with the first frame, {1 / float(fps):.3g} s long:"
                " what the clip begins with is given by --preset"
            )
        if frame in frames:
            raise SettingsError(
                f"the looks at seconds {frames[frame]:g} and {at:g} would come with one frame:"
                f" {1 / float(fps):.3g} s is the least between two"
            )
        frames[frame] = at
    return frames
