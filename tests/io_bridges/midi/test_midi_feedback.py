"""Motors and lights are put to the values of the show, and a fader gets no echo of its own."""

import pytest

from io_bridges.midi.decoding import MidiDecoder
from io_bridges.midi.feedback import MidiFeedback
from presets.midi_file import parse_mapping
from presets.parameter_table import PARAMETERS, Value

MAPPING = parse_mapping(
    b"""\
cc 1: /strength
cc 2: /strength
cc14 3: /guidance
bend ch 2: {to: /zoom, range: [10, 1]}
note 36: {to: /preset, value: 2}
note 37: {to: /preset, value: ice-cells}
note 38: /freeze
note 39: /panic
cc 40: /mode
cc 41 on other: /drift
cc 41: /feedback
program: /preset
""",
    "test",
)
NAMES = ["fire", "ice-cells"]


class Device:
    """The feedback of one device, and what it was sent."""

    def __init__(self, name: str = "nano") -> None:
        self.feedback = MidiFeedback(name)

    def follow(self, **values: Value) -> list[bytes]:
        by_address = {f"/{name}": value for name, value in values.items()}
        return list(self.feedback.messages(MAPPING, by_address, NAMES).values())

    def move(self, message: bytes, value: Value | None) -> None:
        for move in MidiDecoder().decode(message):
            self.feedback.moved(move, value)


@pytest.fixture
def device() -> Device:
    return Device()


def test_values_become_places(device: Device) -> None:
    assert device.follow(strength=0.5) == [b"\xb0\x01\x40", b"\xb0\x02\x40"]
    assert device.follow(guidance=10.0) == [b"\xb0\x03\x7f", b"\xb0\x23\x7f"]
    assert device.follow(zoom=10.0) == [b"\xe1\x00\x00"]
    assert device.follow(zoom=1.0) == [b"\xe1\x7f\x7f"]
    assert device.follow(mode=PARAMETERS["/mode"].choices[-1]) == [b"\xb0\x28\x7f"]


def test_pads_show_what_is_on(device: Device) -> None:
    assert device.follow(preset="ice-cells", freeze=True) == [b"\x90\x24\x7f", b"\x90\x25\x7f", b"\x90\x26\x7f"]
    assert device.follow(preset="fire", freeze=True) == [b"\x90\x24\x00", b"\x90\x25\x00"]
    device.move(b"\x90\x26\x50", False)
    assert device.follow(freeze=False) == [b"\x90\x26\x00"], "a pad gets its light, also if it was pressed itself"


def test_no_echo_to_the_fader_that_moved(device: Device) -> None:
    device.follow(strength=0.5)
    device.move(b"\xb0\x01\x20", 0.26)
    assert device.follow(strength=0.26) == [b"\xb0\x02\x21"], "the other fader of this address follows"
    assert device.follow(strength=0.75) == [b"\xb0\x01\x5f", b"\xb0\x02\x5f"]
    assert device.follow(strength=0.26) == [b"\xb0\x01\x21", b"\xb0\x02\x21"], "another surface went back to it"


def test_fader_of_any_channel_is_answered_on_its_own(device: Device) -> None:
    device.move(b"\xb5\x01\x00", 0.0)
    assert device.follow(strength=1.0) == [b"\xb5\x01\x7f", b"\xb0\x02\x7f"]


def test_nothing_is_sent_twice_until_it_is_plugged_in_again(device: Device) -> None:
    assert device.follow(strength=0.5)
    assert device.follow(strength=0.5001) == []
    device.feedback.forget()
    assert len(device.follow(strength=0.5)) == 2


def test_entry_of_another_device_is_left_alone(device: Device) -> None:
    assert device.follow(drift=5.0, feedback=1.0) == [b"\xb0\x29\x7f"]
    other = Device("Other")
    assert other.follow(feedback=1.0) == []
    assert other.follow(drift=5.0) == [b"\xb0\x29\x7f"]
