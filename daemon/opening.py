"""What a show begins with: the state the last one ended in, the preset that was asked for, the size."""

import logging
from pathlib import Path

from daemon.state import StateFile
from presets.errors import SettingsError
from presets.library import Library
from presets.live import PARAMETERS, Value

log = logging.getLogger("stage")

FIRST_LOOK = "neon"
"""What plays where nobody has said anything yet."""


def opening_values(
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
