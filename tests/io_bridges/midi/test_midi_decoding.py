"""MIDI messages are read as mido reads them, and what is sent for a place is read as that place."""

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_bridges.midi.decoding import MidiDecoder, MidiMove, bend_share, encode_place
from presets.midi_mapping import MidiTrigger

BYTES = st.binary(max_size=4) | st.builds(
    lambda first, rest: bytes([first, *rest]), st.integers(128, 255), st.binary(max_size=3)
)
SEVEN = st.integers(0, 127)
CHANNELS = st.integers(0, 15)
MESSAGES = st.one_of(
    st.builds(lambda c, n, v: mido.Message("note_on", channel=c, note=n, velocity=v), CHANNELS, SEVEN, SEVEN),
    st.builds(lambda c, n, v: mido.Message("note_off", channel=c, note=n, velocity=v), CHANNELS, SEVEN, SEVEN),
    st.builds(lambda c, n, v: mido.Message("control_change", channel=c, control=n, value=v), CHANNELS, SEVEN, SEVEN),
    st.builds(lambda c, n: mido.Message("program_change", channel=c, program=n), CHANNELS, SEVEN),
    st.builds(lambda c, p: mido.Message("pitchwheel", channel=c, pitch=p), CHANNELS, st.integers(-8192, 8191)),
)


def as_mido_reads_it(message: mido.Message) -> tuple[str, int, int, float]:
    """Return kind, number, channel and share of a message of mido."""
    channel = message.channel + 1
    match message.type:
        case "note_on":
            return "note", message.note, channel, message.velocity / 127
        case "note_off":
            return "note", message.note, channel, 0.0
        case "control_change":
            return "cc", message.control, channel, message.value / 127
        case "program_change":
            return "program", 0, channel, message.program / 127
    ends = 8192 if message.pitch < 0 else 8191
    return "bend", 0, channel, 0.5 + message.pitch / (2 * ends)


@given(sent=st.lists(MESSAGES, max_size=20))
def test_messages_are_read_as_by_mido(sent: list[mido.Message]) -> None:
    decoder, parser = MidiDecoder(), mido.Parser()
    for message in sent:
        data = message.bytes()
        parser.feed(data)
        first = decoder.decode(data)[0]
        read = parser.get_message()
        assert read == message
        kind, number, channel, share = as_mido_reads_it(read)
        assert (first.kind, first.number, first.channel) == (kind, number, channel)
        assert first.share == pytest.approx(share)


@given(data=BYTES)
def test_other_bytes_move_nothing(data: bytes) -> None:
    moves = MidiDecoder().decode(data)
    found = mido.parse_all(data)
    whole = found[0] if len(found) == 1 and bytes(found[0].bytes()) == data else None
    known = ("note_on", "note_off", "control_change", "program_change", "pitchwheel")
    assert bool(moves) == (whole is not None and whole.type in known)


@given(upper=SEVEN, lower=SEVEN, number=st.integers(0, 31), channel=CHANNELS)
def test_pair_has_fourteen_bits(upper: int, lower: int, number: int, channel: int) -> None:
    decoder = MidiDecoder()
    first = decoder.decode([0xB0 | channel, number, upper])
    assert [move.share for move in first if move.kind == "cc14"] == [upper / 127], "a fader of seven bits so far"
    both = decoder.decode([0xB0 | channel, number + 32, lower])
    pair = next(move for move in both if move.kind == "cc14")
    assert (pair.number, pair.channel) == (number, channel + 1)
    assert pair.share == pytest.approx((upper * 128 + lower) / 16383)


def test_button_is_pressed_once() -> None:
    decoder = MidiDecoder()
    pressed = [decoder.decode([0xB0, 64, value])[0].pressed for value in (0, 127, 127, 100, 0, 64)]
    assert pressed == [None, True, None, None, False, True]


@given(share=st.floats(0, 1), number=st.integers(0, 31), channel=st.integers(1, 16))
@pytest.mark.parametrize(
    ("kind", "error"), [("cc", 1 / 127), ("cc14", 1 / 16383), ("bend", 1 / 8191), ("note", 1 / 127)]
)
def test_place_is_read_back(kind: str, error: float, share: float, number: int, channel: int) -> None:
    number = 0 if kind == "bend" else number
    trigger = MidiTrigger(kind, number)  # type: ignore[arg-type]
    decoder, moves = MidiDecoder(), list[MidiMove]()
    for message in encode_place(trigger, channel, share):
        assert mido.Message.from_bytes(message).channel == channel - 1
        moves += decoder.decode(message)
    last = [move for move in moves if move.kind == kind][-1]
    assert (last.number, last.channel) == (number, channel)
    assert last.share == pytest.approx(share, abs=error)


def test_centre_of_the_bend_is_a_half() -> None:
    assert (bend_share(0), bend_share(8192), bend_share(16383)) == (0.0, 0.5, 1.0)
