"""Search for the displays of this machine, with the numbers that ``--sink window:`` takes.

SDL numbers them in a child process, as it does for a window, so that the numbers agree.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.doctor.source_search import ask_child
from io_bridges.schemes import schemes
from io_bridges.window.placement import Display, choose_display
from presets.errors import BridgeUnavailable

SEARCH_SECONDS = 20.0
"""Seconds that SDL may take."""

_SEARCH = """
import dataclasses, json
from io_bridges.window.sdl import displays
from presets.errors import StreamflowError
try:
    answer = {"displays": [dataclasses.asdict(display) for display in displays()]}
except StreamflowError as error:
    answer = {"failure": str(error)}
print()
print(json.dumps(answer))
"""
_COMMAND = (sys.executable, "-c", _SEARCH)


@dataclass(frozen=True, slots=True)
class NumberedDisplay:
    """A display and the sink that shows the output on it."""

    display: Display
    is_default: bool
    """True for the display of ``window:`` without a number."""

    @property
    def uri(self) -> str:
        """URI that ``--sink`` takes."""
        return f"window:?display={self.display.number}"


def search_displays(command: Sequence[str] = _COMMAND) -> list[NumberedDisplay]:
    """Return the displays, the primary one first. Raises `BridgeUnavailable` without SDL or a screen.

    `command` answers JSON on its last line.
    """
    reason = schemes("sink")["window"].unavailable()
    if reason:
        raise BridgeUnavailable(f"The displays cannot be listed: {reason}")
    answer = ask_child(command, SEARCH_SECONDS)
    if failure := answer.get("failure"):
        raise BridgeUnavailable(f"The displays cannot be listed: {failure}")
    displays = [Display(**fields) for fields in answer["displays"]]
    default, _ = choose_display(displays, None, None)
    return [NumberedDisplay(display, display == default) for display in displays]
