"""`MidiDecoder`: MIDI messages of one device to moves of its controls.

Messages follow the MIDI 1.0 Detailed Specification, 4.2.1 (https://midi.org/midi-1-0-detailed-specification). Each is
whole and has its status byte, as RtMidi gives it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from presets.midi_mapping import MidiKind, MidiTrigger

CLOCK, START = 0xF8, 0xFA
"""Status bytes of the clock, 24 times a quarter note, and of its start."""

NOTE_OFF, NOTE_ON, CONTROL, PROGRAM, BEND = 0x80, 0x90, 0xB0, 0xC0, 0xE0
_LENGTHS = {NOTE_OFF: 3, NOTE_ON: 3, CONTROL: 3, PROGRAM: 2, BEND: 3}
_PAIRS = 32
"""Controllers 0 to 31 have their lower seven bits in the controllers 32 to 63."""
_CENTRE, _TOP = 8192, 16383


class MidiMove(NamedTuple):
    """A control that moved."""

    kind: MidiKind
    number: int
    channel: int
    """Channel from 1 to 16."""
    share: float
    """Place between its ends, 0 to 1: of a note its velocity."""
    pressed: bool | None = None
    """True for a press, False for a release, None for neither."""

    def trigger(self, device: str = "") -> MidiTrigger:
        """Return the control, of a device."""
        return MidiTrigger(self.kind, self.number, self.channel, device)


class MidiDecoder:
    """Keeps what messages of one device refer to: the halves of pairs, and the buttons that are down."""

    def __init__(self) -> None:
        self._high: dict[tuple[int, int], int] = {}
        """Upper seven bits by channel and controller."""
        self._fine: set[tuple[int, int]] = set()
        """Pairs whose lower half has come at least once."""
        self._down: dict[tuple[MidiKind, int, int], bool] = {}

    def decode(self, message: Sequence[int]) -> list[MidiMove]:
        """Return the controls that a message moves: a half of a pair moves the pair and itself.

        Empty for a message of another kind, and for bytes that are none. No bytes raise an error.
        """
        status = message[0] & 0xF0 if message else 0
        if _LENGTHS.get(status) != len(message) or any(byte > 127 for byte in message[1:]):
            return []
        channel, first, last = (message[0] & 0x0F) + 1, message[1], message[-1]
        if status in (NOTE_OFF, NOTE_ON):
            pressed = status == NOTE_ON and last > 0
            return [MidiMove("note", first, channel, last / 127 if pressed else 0.0, pressed)]
        if status == PROGRAM:
            return [MidiMove("program", 0, channel, first / 127, True)]
        if status == BEND:
            return [self._fader("bend", 0, channel, bend_share(first | last << 7))]
        return [self._fader("cc", first, channel, last / 127), *self._pair(channel, first, last)]

    def _fader(self, kind: MidiKind, number: int, channel: int, share: float) -> MidiMove:
        """Return the move of a fader. A button that sends a controller is down from the middle on."""
        key, down = (kind, number, channel), share >= 0.5
        before, self._down[key] = self._down.get(key, False), down
        return MidiMove(kind, number, channel, share, down if down != before else None)

    def _pair(self, channel: int, controller: int, value: int) -> list[MidiMove]:
        """Return the move of the pair that a controller is a half of.

        A device that never sends the lower half has faders of seven bits. In any other the upper half resets the lower
        one, as the specification has it.
        """
        number = controller % _PAIRS
        key = channel, number
        if controller < _PAIRS:
            self._high[key] = value
            share = value * 128 / _TOP if key in self._fine else value / 127
        elif controller < 2 * _PAIRS and key in self._high:
            self._fine.add(key)
            share = (self._high[key] * 128 + value) / _TOP
        else:
            return []
        return [self._fader("cc14", number, channel, share)]


def bend_share(value: int) -> float:
    """Return the place of a pitch bend of 14 bits. Its centre, 8192, is exactly a half."""
    return value / (2 * _CENTRE) if value < _CENTRE else 0.5 + (value - _CENTRE) / (2 * (_TOP - _CENTRE))


def encode_place(trigger: MidiTrigger, channel: int, share: float) -> list[bytes]:
    """Return the messages that put a control of a device to a place, for a motor or a light.

    `channel` is from 1 to 16. A pair of controllers gets one message for each half.
    """
    low = channel - 1
    if trigger.kind == "note":
        return [bytes([NOTE_ON | low, trigger.number, round(127 * share)])]
    if trigger.kind == "cc":
        return [bytes([CONTROL | low, trigger.number, round(127 * share)])]
    if trigger.kind == "cc14":
        upper, lower = divmod(round(_TOP * share), 128)
        return [bytes([CONTROL | low, trigger.number, upper]), bytes([CONTROL | low, trigger.number + _PAIRS, lower])]
    value = round(2 * _CENTRE * share) if share < 0.5 else _CENTRE + round((share - 0.5) * 2 * (_TOP - _CENTRE))
    return [bytes([BEND | low, value & 0x7F, value >> 7])]
