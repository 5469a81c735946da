"""Timecode: hours, minutes, seconds and frames, at the four rates of MIDI timecode (SMPTE 12M)."""

import re
from typing import Literal, NamedTuple

from presets.errors import ParameterRefused

TimecodeRate = Literal["24", "25", "29.97", "30"]
"""Frames a second. 29.97 is drop-frame, the only one of that rate that MIDI timecode has."""

RATES: tuple[TimecodeRate, ...] = ("24", "25", "29.97", "30")
"""Rates by their number in MIDI timecode."""
WHOLE: dict[TimecodeRate, int] = {"24": 24, "25": 25, "29.97": 30, "30": 30}
"""Frames of a second as they are counted."""
_DROPPED = 2
"""Frame numbers that 29.97 leaves out at each minute but every tenth."""
_WRITTEN = re.compile(r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[:;.]([0-9]{2}))?")


class Timecode(NamedTuple):
    """A place in a timeline. Two of one rate compare as their times do."""

    hours: int
    minutes: int
    seconds: int
    frames: int = 0

    def __str__(self) -> str:
        return ":".join(f"{part:02}" for part in self)

    def is_valid(self, rate: TimecodeRate = "30") -> bool:
        """Return True if there is such a time at a rate."""
        return self.hours < 24 and self.minutes < 60 and self.seconds < 60 and self.frames < WHOLE[rate]


def parse_timecode(text: str) -> Timecode:
    """Return the time of a text such as ``01:02:03:04``, or ``01:02:03``. Raises `ParameterRefused`."""
    match = _WRITTEN.fullmatch(text.strip())
    time = Timecode(*(int(part or 0) for part in match.groups())) if match else None
    if time is None or not time.is_valid():
        raise ParameterRefused(f"a time is hours, minutes, seconds and frames, such as 01:02:03:04; not {text[:40]!r}")
    return time


def frame_number(time: Timecode, rate: TimecodeRate) -> int:
    """Return the number of a frame since 00:00:00:00."""
    minutes = time.hours * 60 + time.minutes
    number = (minutes * 60 + time.seconds) * WHOLE[rate] + time.frames
    return number - _DROPPED * (minutes - minutes // 10) if rate == "29.97" else number


def time_of_frame(number: int, rate: TimecodeRate) -> Timecode:
    """Return the time of a frame. It counts round after a day."""
    whole = WHOLE[rate]
    if rate == "29.97":
        in_ten = 600 * whole - 9 * _DROPPED
        tens, rest = divmod(number % (144 * in_ten), in_ten)
        in_minute = 60 * whole - _DROPPED
        # The first minute of ten is whole.
        minutes = 0 if rest < 60 * whole else 1 + (rest - 60 * whole) // in_minute
        number = tens * 600 * whole + rest + _DROPPED * minutes
    seconds, frames = divmod(number % (86_400 * whole), whole)
    return Timecode(seconds // 3600, seconds // 60 % 60, seconds % 60, frames)
