"""MIDI controls are learned and removed by every surface of a show. A device that is missing is a notice."""

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from show import until

from daemon.backup.backup_pair import pair_of
from daemon.doctor.checks import midi_finding
from daemon.doctor.diagnosis import Verdict
from daemon.processors.processor_folder import ProcessorFolder
from daemon.shared.clock import SystemClock
from daemon.stage.bridge_maker import BridgeMaker
from daemon.stage.control_transport import ControlTransport
from daemon.stage.cue_show import CueShow
from daemon.stage.midi_show import MidiShow
from daemon.stage.newest_frame import NewestFrame
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.settings import Settings
from daemon.stage.source_thread import Fitting
from daemon.stage.takeover_show import TakeoverShow
from io_bridges.midi.control import MidiControl
from io_bridges.midi.device import MidiDevice
from io_bridges.show_control import ControlReply
from io_bridges.web.page_content import PageFeeds
from presets.errors import BridgeUnavailable
from presets.library import Library
from presets.midi_file import MidiSetup, default_mapping, parse_mapping
from presets.set_list import Cue

PAGE = "web:127.0.0.1"

PLAYED = """
import json, sys
print(json.dumps({"state": "open", "text": "", "input": "Box", "output": "", "inputs": ["Box"], "outputs": []}))
for line in open(sys.argv[1]):
    print(line, flush=True)
sys.stdin.read()
"""
"""Process of a device that plays the messages of a file."""


class Rig:
    """A store, and one device that plays messages from a file."""

    def __init__(self, folder: Path, mapping: str = "", cues: Sequence[Cue] = ()) -> None:
        self.store = ParameterStore(Library(folder))
        self.messages = folder / "messages"
        first = parse_mapping(mapping.encode(), "test") if mapping else default_mapping()
        times = [(cue.time, number) for number, cue in enumerate(cues, 1) if cue.time is not None]
        self.midi = MidiControl(MidiSetup(("box",), first, folder / "midi.yaml"), self._device, times)
        self.cues = CueShow(self.store, cues)
        self.show = MidiShow(TakeoverShow(self.cues, self.store.value), self.midi)

    def _device(self, name: str, wake: Callable[[], None]) -> MidiDevice:
        return MidiDevice(str(self.messages), wake, (sys.executable, "-c", PLAYED))

    def play(self, lines: list[str]) -> None:
        """Play messages, and wait until each is applied."""
        self.messages.write_text("\n".join(lines))
        self.midi.open(self.show)
        thread = threading.Thread(target=self.midi.serve)
        thread.start()
        try:
            until(lambda: self.device()["received"] == sum(line.count("], [") + 1 for line in lines))
            until(lambda: self.store.value("/seed") == 77)
        finally:
            self.midi.stop()
            thread.join(20)
            self.status = self.midi.status()
            self.midi.close()

    def device(self) -> dict[str, object]:
        devices = self.midi.status()["devices"]
        assert isinstance(devices, list)
        return devices[0]


END = "[[9.0, 144, 127, 1]]"
SEED = "note 127: {to: /seed, value: 77}\n"
"""The last message of each file sets the seed."""


def test_clock_sets_the_tempo(tmp_path: Path) -> None:
    rig = Rig(tmp_path, SEED + "clock: /bpm\nstart: /resync")
    rig.store.apply("/bpm", [90.0], PAGE)
    ticks = ", ".join(f"[{place * 60 / 140 / 24}, 248]" for place in range(48))
    rig.play(["[[0.0, 250]]", f"[{ticks}]", "[[9.0, 252]]", END])
    assert rig.store.value("/bpm") == pytest.approx(140.0, abs=0.01)
    assert rig.status["accepted"] == 3, "one tempo, the start and the seed"


def test_song_position_sets_the_beat(tmp_path: Path) -> None:
    """Continue at the fifth sixteenth of the second bar, for 48 ticks."""
    rig = Rig(tmp_path, SEED + "clock: /bpm\nstart: /resync")
    ticks = ", ".join(f"[{place * 60 / 120 / 24}, 248]" for place in range(24))
    more = ", ".join(f"[{1 + place * 60 / 120 / 24}, 248]" for place in range(24))
    rig.play([f"[{ticks}]", "[[0.9, 252]]", "[[0.9, 242, 20, 0]]", "[[0.9, 251]]", f"[{more}]", END])
    beats = rig.store.beats()
    # The first tick was beat 5. Those of a file come at once, so that little more than no time has passed since.
    assert 5 <= beats < 5 + 20 * 2
    assert rig.status["accepted"] == 2, "the beat and the seed"


def test_timecode_calls_cues(tmp_path: Path) -> None:
    cues = [Cue(preset="fire"), Cue(preset="ink", at="00:00:01:02"), Cue(preset="gold", at="00:00:01:10")]
    rig = Rig(tmp_path, SEED, cues)
    # 25 frames a second: the eight quarter frames of 1 s and 0, 2, 4 … frames.
    values = [(frame % 16, frame // 16, 1, 0, 0, 0, 0, 2) for frame in range(0, 8, 2)]
    lines = [f"[0.0, 241, {piece << 4 | value}]" for each in values for piece, value in enumerate(each)]
    rig.play([f"[{', '.join(lines)}]", END])
    assert rig.store.value("/preset") == "ink"
    assert rig.cues.status()["cues"] == {
        "presets": ["fire", "ink", "gold"],
        "place": 2,
        "at": ["", *(c.at for c in cues[1:])],
    }
    assert rig.status["timecode"] == {"device": str(rig.messages), "time": "00:00:01:07", "rate": "25", "runs": True}
    assert rig.status["accepted"] == 2, "the cue and the seed"


def test_clock_without_an_entry_changes_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path, SEED + "cc 1: /strength")
    rig.play([f"[{', '.join(f'[{place / 48}, 248]' for place in range(60))}]", END])
    assert rig.store.value("/bpm") == 120.0


def test_keys_programs_and_faders(tmp_path: Path) -> None:
    rig = Rig(tmp_path, SEED + "program: /preset\nnote 1: /freeze\nnote 2: {to: /steps, value: 9}\nbend ch 3: /zoom")
    names = rig.store.preset_names()
    rig.play(["[[0, 192, 4], [0, 144, 1, 9], [0, 128, 1, 0], [0, 144, 2, 1], [0, 226, 127, 127], [0, 176, 3, 3]]", END])
    assert rig.store.value("/preset") == names[4]
    assert rig.store.value("/freeze") is True
    assert rig.store.value("/steps") == 9
    assert rig.store.value("/zoom") == 10.0
    assert rig.status["unmapped"] == 1


def test_takeover_holds_for_faders(tmp_path: Path) -> None:
    rig = Rig(tmp_path, SEED + "cc 1: /strength\ncc 2: /strength")
    rig.store.apply("/takeover", ["pickup"], PAGE)
    rig.store.apply("/strength", [0.5], PAGE)
    rig.play(["[[0, 176, 1, 10], [0, 144, 0, 0], [0, 176, 2, 20]]", END])
    assert rig.store.value("/strength") == 0.5, "neither has passed it"
    rig = Rig(tmp_path, SEED + "cc 1: /strength\ncc 2: /strength")
    rig.store.apply("/takeover", ["pickup"], PAGE)
    rig.store.apply("/strength", [0.5], PAGE)
    rig.play(["[[0, 176, 1, 10], [0, 144, 0, 0], [0, 176, 1, 120]]", END])
    assert rig.store.value("/strength") == pytest.approx(120 / 127)


def test_control_is_learned_and_removed(tmp_path: Path) -> None:
    rig = Rig(tmp_path, SEED + "cc 70: /brightness")
    outcomes: list[ControlReply] = []
    reply = rig.show.apply("/midi/learn", ["/Strength"], PAGE, outcomes.append)
    assert reply.accepted
    assert "move a MIDI control within 60 s" in reply.note
    rig.play(["[[0, 176, 70, 10]]", END])
    assert [(outcome.address, outcome.note) for outcome in outcomes] == [("/midi/learn", "cc 70 ch 1 moves /strength")]
    assert rig.store.value("/brightness") == 1.0
    saved = parse_mapping((tmp_path / "midi.yaml").read_bytes(), "saved")
    assert [str(trigger) for trigger in saved.targets] == ["note 127", "cc 70", "cc 70 ch 1"]
    assert rig.show.apply("/midi/forget", ["cc 70 ch 1"], PAGE).note == "1 MIDI control removed"
    assert rig.show.apply("/midi/cancel", [], PAGE).accepted


@pytest.mark.parametrize(
    ("address", "arguments", "reason"),
    [
        ("/midi/learn", ["/strenght"], "/strenght is not an address of this program"),
        ("/midi/learn", ["/preset"], "/preset takes a text: give value"),
        ("/midi/learn", [], "needs a text"),
        ("/midi/forget", ["cc 99"], "no MIDI control is mapped as 'cc 99'"),
        ("/midi/lern", ["/strength"], "did you mean /midi/learn?"),
    ],
)
def test_senseless_messages_are_refused(tmp_path: Path, address: str, arguments: list[object], reason: str) -> None:
    reply = Rig(tmp_path).show.apply(address, arguments, PAGE)
    assert not reply.accepted
    assert reason in reply.note


def test_words_and_addresses_are_read(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert "moves /preset fire" in rig.show.apply("/midi/learn", ["/preset", "fire"], PAGE).note
    assert "moves /strength" in rig.show.apply("/midi/learn/strength", [1], PAGE).note
    assert rig.show.apply("/midi/learn/strength", [0], PAGE).note == "a button's release does nothing"


def test_show_without_midi_says_so(tmp_path: Path) -> None:
    store = ParameterStore(Library(tmp_path))
    reply = MidiShow(store, None).apply("/midi/learn", ["/strength"], PAGE)
    assert (reply.accepted, reply.note) == (False, "MIDI is off; start the show with --midi NAME")


def test_missing_extra_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmidi2", None)  # as if it were not installed
    with pytest.raises(BridgeUnavailable, match=r"Run: pip install 'streamflow-live\[midi\]'"):
        Rig(tmp_path).midi.open(ParameterStore(Library(tmp_path)))
    finding = midi_finding()
    assert (finding.verdict, finding.remedy) == (Verdict.ABSENT, "pip install 'streamflow-live[midi]'")


def test_settings_make_the_control(tmp_path: Path) -> None:
    setup = MidiSetup(("no such box", "pads"), default_mapping(), tmp_path / "midi.yaml")
    settings = Settings(midi=setup, web=None, osc=None, control=None)
    clock, store = SystemClock(), ParameterStore(Library(tmp_path))
    incoming = NewestFrame(clock, lambda: store.snapshot()[1])
    maker = BridgeMaker(settings, clock, incoming, lambda: Fitting(64, 64), ProcessorFolder(tmp_path / "processors"))
    pair = pair_of(settings, store, clock, lambda: pytest.fail("nothing looks at the output"), None)
    (control,) = maker.controls(ControlTransport(store, clock), dict, PageFeeds(), pair)
    assert (control.name, control.address) == ("midi", "no such box, pads")


def test_mapping_that_is_not_saved_is_a_notice(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.midi.memory.failure = "the disk is full"
    notices = rig.show.status()["notices"]
    assert notices == [{"level": "warning", "text": "MIDI: the mapping is not saved: the disk is full"}]
