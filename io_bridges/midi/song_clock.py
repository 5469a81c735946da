"""`SongClock`: the beat of a MIDI clock's song, by Start, Continue, Stop and Song Position Pointer.

MIDI 1.0 Detailed Specification 4.2.1, System Common and System Real Time Messages: the tick after a Start is the first
of the song, that after a Continue the one at which it stopped, or to which a Song Position has moved it.
"""

from collections.abc import Sequence
from typing import Literal

from io_bridges.midi.decoding import START
from io_bridges.midi.tempo import TICKS_IN_A_BEAT

SONG_POSITION, CONTINUE, STOP = 0xF2, 0xFB, 0xFC
"""Status bytes of the transport beside the start."""
TRANSPORT = frozenset({START, CONTINUE, STOP, SONG_POSITION})
_TICKS_IN_A_STEP = 6
"""Ticks of a sixteenth, in which a Song Position counts."""
_LEAK = 0.00002
"""Seconds a tick by which the least delay is forgotten, because two clocks drift apart."""
_OTHER_CLOCK = 0.5
"""Seconds of delay above which the device's clock has begun anew."""


class SongClock:
    """The place in one song. One thread only."""

    def __init__(self) -> None:
        self._ticks = 0
        """Number of the tick that comes next."""
        self._runs = False
        self.begins: Literal["", "start", "continue"] = ""
        """Message that the next tick carries out."""

    def take(self, message: Sequence[int]) -> None:
        """Take a message of the transport. One that is not whole is left out."""
        if message[0] == SONG_POSITION:
            if len(message) == 3 and max(message[1:]) < 128:
                self._ticks = (message[1] | message[2] << 7) * _TICKS_IN_A_STEP
                self.begins = "continue" if self._runs else self.begins
        elif message[0] == STOP:
            self._runs, self.begins = False, ""
        else:
            self._runs = True
            self.begins = "start" if message[0] == START else "continue"
            if message[0] == START:
                self._ticks = 0

    def tick(self) -> tuple[float | None, Literal["", "start", "continue"]]:
        """Take a tick. Return its beat, None while the song stands, and what begins with it."""
        if not self._runs:
            return None, ""
        beat, begins, self.begins = self._ticks / TICKS_IN_A_BEAT, self.begins, ""
        self._ticks += 1
        return beat, begins


class ArrivalDelay:
    """The time by which messages come later than the quickest, between two clocks that count from anywhere."""

    def __init__(self) -> None:
        self._least: float | None = None

    def of(self, seconds: float, now: float) -> float:
        """Return the delay in seconds of a message with a time on the device's clock, at the time `now` of another."""
        least, offset = self._least, now - seconds
        if least is None or not 0 <= offset - least <= _OTHER_CLOCK:
            least = offset
        self._least = least + _LEAK
        return offset - least
