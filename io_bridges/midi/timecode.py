"""MIDI timecode (MTC): reads where a timeline is, and which cue of a set list is due there.

MIDI Time Code, MMA RP-004/RP-008 (https://midi.org/midi-time-code): eight quarter frames carry one time, of the frame
at which the first of them was sent; a full frame is sent when the timeline is moved.
"""

from collections.abc import Sequence
from typing import NamedTuple

from presets.timecode import RATES, WHOLE, Timecode, TimecodeRate, frame_number, time_of_frame

QUARTER_FRAME = 0xF1
"""Status byte of a quarter frame."""
SYSEX = 0xF0
_PIECES = 8
_FULL_FRAME_LENGTH = 10


class MtcPosition(NamedTuple):
    """Place of a timeline."""

    time: Timecode
    rate: TimecodeRate
    runs: bool
    """False for a timeline that was moved, and does not run yet."""


def is_full_frame(message: Sequence[int]) -> bool:
    """Return True for the system exclusive message that has a whole time."""
    return (
        len(message) == _FULL_FRAME_LENGTH
        and (message[0], message[1], message[3], message[4], message[9]) == (SYSEX, 0x7F, 1, 1, 0xF7)
        and all(byte < 128 for byte in message[1:9])
    )


class MtcReader:
    """Reads the timecode of one device. No bytes raise an error."""

    def __init__(self) -> None:
        self._pieces: list[int] = []
        """Values of the quarter frames since the first of the eight, in order."""
        self._next = -1
        """Number of the quarter frame that is due; -1 for any."""
        self._frame: int | None = None
        """Number of the frame at which the first of these eight was sent; None until it is known."""
        self._rate: TimecodeRate = "25"

    def read(self, message: Sequence[int]) -> MtcPosition | None:
        """Return the place after a message, None while it is not known and for any other message.

        Backwards a timeline has no place: no cue is called there.
        """
        if is_full_frame(message):
            return self._full(message)
        if len(message) == 2 and message[0] == QUARTER_FRAME and message[1] < 128:
            return self._quarter(message[1] >> 4, message[1] & 0x0F)
        return None

    def _full(self, message: Sequence[int]) -> MtcPosition | None:
        self._forget()
        rate = RATES[message[5] >> 5 & 3]
        time = Timecode(message[5] & 0x1F, message[6], message[7], message[8])
        return MtcPosition(time, rate, False) if time.is_valid(rate) else None

    def _quarter(self, piece: int, value: int) -> MtcPosition | None:
        if self._next not in (-1, piece):  # one was lost, or the timeline runs backwards
            self._forget()
        self._next = (piece + 1) % _PIECES
        if piece == 0:
            self._pieces = []
            if self._frame is not None:
                self._frame += 2
        self._pieces.append(value)
        if piece == _PIECES - 1 and len(self._pieces) == _PIECES:
            self._take_time(self._pieces)
        if self._frame is None:
            return None
        return MtcPosition(time_of_frame(self._frame + piece // 4, self._rate), self._rate, True)

    def _take_time(self, pieces: Sequence[int]) -> None:
        frames, seconds, minutes, hours = (pieces[place] | pieces[place + 1] << 4 for place in range(0, _PIECES, 2))
        rate = RATES[hours >> 5 & 3]
        time = Timecode(hours & 0x1F, minutes & 0x3F, seconds & 0x3F, frames & 0x1F)
        if time.is_valid(rate):
            self._frame, self._rate = frame_number(time, rate), rate
        else:
            self._frame = None

    def _forget(self) -> None:
        self._pieces, self._next, self._frame = [], -1, None


class CueTimes:
    """Finds the cue that a timeline calls. One thread only.

    A cue is due when the time runs through it. Where the timeline starts or is moved to, the cue that belongs there is
    due once it runs, unless it was the last one that was called.
    """

    def __init__(self, times: Sequence[tuple[Timecode, int]]) -> None:
        """Take the time and the number of each cue that has a time."""
        self._times = sorted(times)
        self._last: MtcPosition | None = None
        self._called: Timecode | None = None

    def replace(self, times: Sequence[tuple[Timecode, int]]) -> None:
        """Call other cues from now on. The timeline goes on: the cue of its place is not called again. Any thread."""
        self._times = sorted(times)

    def take(self, position: MtcPosition) -> int | None:
        """Return the number of the cue that is due at this place of the timeline; None if none is."""
        last, self._last = self._last, position
        if not position.runs:
            return None
        reached = [(time, number) for time, number in self._times if time <= position.time]
        if not reached:
            self._called = None
            return None
        time, number = reached[-1]
        is_due = time > last.time if last is not None and _follows(last, position) else time != self._called
        if not is_due:
            return None
        self._called = time
        return number


def _follows(last: MtcPosition, position: MtcPosition) -> bool:
    """Return True if a timeline ran from one place to the other, with at most a second between them."""
    if not last.runs or last.rate != position.rate:
        return False
    passed = frame_number(position.time, position.rate) - frame_number(last.time, last.rate)
    return 0 <= passed <= WHOLE[position.rate]
