"""Messages between the stage and the process of a window: `WindowSettings` at the start, then `WindowReport` lines."""

import json
from dataclasses import asdict, dataclass
from typing import Literal, get_args

Fit = Literal["fit", "fill", "stretch"]

State = Literal["starting", "open", "closed", "failed"]
"""``closed`` is by the user."""


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """The window to open."""

    memory: str
    """Name of the ring of pictures in shared memory."""
    width: int
    """Pixels of the picture."""
    height: int
    display: int | None = None
    """Number of the display, from 1; None for the last one."""
    fullscreen: bool | None = None
    """None for full screen on a display that is named or is not the primary one."""
    fit: Fit = "fit"

    def encode(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> "WindowSettings":
        """Return the settings that `encode` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class WindowReport:
    """The state of a window. An open one reports every second."""

    state: State = "starting"
    text: str = ""
    """Sentence about a failure."""
    display: int = 0
    """Number of the display, from 1."""
    fullscreen: bool = False
    size: tuple[int, int] = (0, 0)
    """Pixels of the window."""
    shown: int = 0
    """Pictures drawn so far."""
    vsync: bool = False

    def encode(self) -> bytes:
        """Return the report as a line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "WindowReport | None":
        """Return the report in a line, or None for the words of a native library."""
        try:
            fields = json.loads(line)
            report = cls(**{**fields, "size": tuple(fields["size"])})
        except (ValueError, TypeError, KeyError):
            return None
        return report if report.state in get_args(State) else None
