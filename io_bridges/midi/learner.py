"""`MidiLearner`: finds the control that a hand moves, among those that only repeat where they are."""

from collections.abc import Sequence

from io_bridges.midi.decoding import MidiMove
from presets.midi_mapping import MidiTarget

LEARN_SECONDS = 60.0
"""Time to move a control after learning began."""
PAIR_SECONDS = 0.1
"""Time in which the other half of a pair of 14 bits follows."""
_PAIRS = 32


class MidiLearner:
    """Waits for the next control that moves. One thread only.

    A controller from 0 to 63 may be one half of a pair: its other half follows at once, or it stands for itself.
    """

    def __init__(self) -> None:
        self.target: MidiTarget | None = None
        """Target that waits for a control; None while nothing is learned."""
        self._until = 0.0
        self._half: MidiMove | None = None
        self._half_until = 0.0
        self._places: dict[tuple[str, str, int, int], float] = {}
        self.heard_from = ""
        """Device of the control that moved."""

    def begin(self, target: MidiTarget, now: float) -> None:
        """Wait for a control for a target, from a time in seconds on."""
        self.target, self._half, self._until = target, None, now + LEARN_SECONDS

    def cancel(self) -> None:
        """Wait for none."""
        self.target = self._half = None

    def seconds_left(self, now: float) -> float:
        """Return the seconds in which a control can still be moved."""
        return max(self._until - now, 0.0)

    def hear(self, moves: Sequence[MidiMove], device: str, now: float) -> MidiMove | None:
        """Take the moves of one message of a device. Return the control that is learned; None while it is not known.

        A fader that sends the place it was at has not moved. A key counts when it is pressed. A program is no control.
        """
        move = moves[0]
        place = device, move.kind, move.number, move.channel
        has_moved = self._places.get(place) != move.share
        self._places[place] = move.share
        if self.target is None or move.kind == "program" or not (move.pressed if move.kind == "note" else has_moved):
            return None
        half = self._half
        if half is not None:
            if device == self.heard_from and _are_a_pair(half, move):
                return MidiMove("cc14", min(half.number, move.number), half.channel, half.share)
            return half if (half.number, half.channel) != (move.number, move.channel) else None
        self.heard_from = device
        if move.kind == "cc" and move.number < 2 * _PAIRS:
            self._half, self._half_until = move, now + PAIR_SECONDS
            return None
        return move

    def expire(self, now: float) -> MidiMove | None:
        """Return the control whose other half did not follow. Stop waiting after `LEARN_SECONDS`."""
        if self.target is not None and self._half is not None and now >= self._half_until:
            return self._half
        if self.target is not None and now >= self._until:
            self.cancel()
        return None


def _are_a_pair(one: MidiMove, other: MidiMove) -> bool:
    return other.kind == "cc" and one.channel == other.channel and abs(one.number - other.number) == _PAIRS
