"""The control that moves is learned, in place of those that its address had, and saved."""

from pathlib import Path

import pytest

from io_bridges.midi.decoding import MidiDecoder
from io_bridges.midi.learner import LEARN_SECONDS, PAIR_SECONDS
from io_bridges.midi.learning import LearningDesk, MidiMemory
from io_bridges.show_control import ControlReply
from presets.errors import ParameterRefused
from presets.midi_file import default_mapping, parse_mapping


class Desk:
    """A desk whose clock the test sets."""

    def __init__(self, file: Path, several: bool = False) -> None:
        self.memory = MidiMemory(default_mapping(), file)
        self.desk = LearningDesk(self.memory, several)
        self.decoder = MidiDecoder()
        self.now = 0.0
        self.outcomes: list[ControlReply] = []

    def learn(self, text: str) -> None:
        self.desk.begin(text, self.outcomes.append)
        self.desk.tend(self.now)

    def move(self, *messages: bytes, device: str = "nano") -> list[bool]:
        """Move controls. Return for each if it moves nothing else."""
        kept = [self.desk.hear(self.decoder.decode(message), device, self.now) for message in messages]
        self.now += PAIR_SECONDS
        self.desk.tend(self.now)
        return kept

    def controls(self, address: str) -> list[str]:
        return [str(trigger) for trigger, target in self.memory.mapping.targets.items() if target.to == address]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "deep" / "midi.yaml")


@pytest.mark.parametrize(
    ("messages", "control"),
    [
        ([b"\xb2\x28\x10"], "cc 40 ch 3"),
        ([b"\xb0\x05\x10", b"\xb0\x05\x11"], "cc 5 ch 1"),
        ([b"\xb0\x05\x10", b"\xb0\x25\x11"], "cc14 5 ch 1"),
        ([b"\xb0\x25\x11", b"\xb0\x05\x10"], "cc14 5 ch 1"),
        ([b"\xb0\x20\x7f"], "cc 32 ch 1"),
        ([b"\x80\x24\x00", b"\xc0\x03", b"\x90\x24\x40"], "note 36 ch 1"),
        ([b"\xe5\x00\x40"], "bend ch 6"),
    ],
)
def test_next_control_is_learned(desk: Desk, messages: list[bytes], control: str) -> None:
    desk.learn("/strength")
    assert all(desk.move(*messages)[:1]), "it moves nothing else meanwhile"
    assert desk.controls("/strength") == [control]
    assert [(reply.accepted, reply.note) for reply in desk.outcomes] == [(True, f"{control} moves /strength")]
    assert desk.move(b"\xb0\x01\x01") == [False]


def test_control_that_repeats_is_not_learned(desk: Desk) -> None:
    desk.move(b"\xb0\x09\x40")
    desk.learn("/strength")
    desk.move(b"\xb0\x09\x40", b"\xb0\x46\x01")
    assert desk.controls("/strength") == ["cc 70 ch 1"]


def test_pad_is_learned_for_a_preset(desk: Desk) -> None:
    desk.learn("preset neon")
    desk.move(b"\x99\x24\x7f")
    mapping = desk.memory.mapping
    assert {str(trigger): target.value for trigger, target in mapping.targets.items()}["note 36 ch 10"] == "neon"
    assert len(desk.controls("/preset")) == 18, "the others stay"


def test_range_of_an_address_stays(desk: Desk) -> None:
    desk.memory.mapping = parse_mapping(b"cc 1: {to: /steps, range: [1, 8]}\ncc 2: /strength", "test")
    desk.learn("/steps")
    desk.move(b"\xb0\x46\x01")
    assert {str(trigger): target.range for trigger, target in desk.memory.mapping.targets.items()} == {
        "cc 2": None,
        "cc 70 ch 1": (1.0, 8.0),
    }
    desk.learn("/preset 3")
    desk.move(b"\x90\x07\x01")
    assert list(desk.memory.mapping.targets.values())[-1].value == 3


def test_several_devices_are_told_apart(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "midi.yaml", several=True)
    desk.learn("/strength")
    desk.move(b"\xb0\x46\x01", device="nano")
    assert desk.controls("/strength") == ["cc 70 ch 1 on nano"]


def test_learning_ends(desk: Desk) -> None:
    desk.learn("/strength")
    desk.now += LEARN_SECONDS
    desk.desk.tend(desk.now)
    desk.learn("/guidance")
    desk.learn("/steps")
    desk.desk.cancel()
    desk.desk.tend(desk.now)
    notes = [reply.note for reply in desk.outcomes]
    assert notes == ["no MIDI control was moved in time", "another control is learned", "learning was stopped"]
    assert desk.move(b"\xb0\x46\x01") == [False]
    assert desk.desk.status()["learning"] is None


@pytest.mark.parametrize("text", ["/strenght", "/preset", "/midi/learn x", "/strength/norm", "/steps fire"])
def test_other_addresses_are_refused(desk: Desk, text: str) -> None:
    with pytest.raises(ParameterRefused):
        desk.desk.begin(text, None)


def test_mapping_is_saved(desk: Desk) -> None:
    file = desk.memory.file
    desk.learn("/strength")
    desk.move(b"\xb0\x46\x01")
    assert desk.memory.forget("/brightness") == "1 MIDI control removed"
    desk.memory.wait_until_saved(20.0)
    saved = parse_mapping(file.read_bytes(), "saved")
    assert saved.targets == desk.memory.mapping.targets
    assert len(saved.targets) == len(default_mapping().targets) - 1
    with pytest.raises(ParameterRefused, match="no MIDI control is mapped as 'cc 99'"):
        desk.memory.forget("cc 99")


def test_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    desk = Desk(tmp_path / "file" / "midi.yaml")
    desk.memory.forget("/brightness")
    desk.memory.wait_until_saved(20.0)
    assert "can't be written" in desk.memory.failure
    assert desk.controls("/brightness") == [], "it holds for this show"
