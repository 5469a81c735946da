"""MIDI devices on a JACK server: their faders move the show, their motors follow it, and they are pulled out."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jack_rig import PeerDevice, jack_server, needs_jack

from daemon.doctor.checks import midi_finding
from daemon.doctor.diagnosis import Verdict
from daemon.stage.parameter_store import ParameterStore
from io_bridges.midi.control import MidiControl
from presets.library import Library
from presets.midi_file import MidiSetup, default_mapping

pytestmark = needs_jack

PAGE = "web:127.0.0.1"


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the condition did not become true in time"
        time.sleep(0.01)


class Rig:
    """A device, and a store that it controls."""

    def __init__(self, folder: Path) -> None:
        self.peer = PeerDevice("Fader Box")
        self.store = ParameterStore(Library(folder))
        self.control = MidiControl(MidiSetup(("fader box",), default_mapping(), folder / "midi.yaml"))

    def device(self, key: str) -> object:
        devices = self.control.status()["devices"]
        assert isinstance(devices, list)
        return devices[0][key]

    def until_open(self) -> None:
        """Wait until the device is open and has got every value."""
        eventually(lambda: self.device("state") == "open")
        eventually(lambda: [176, 16, 0] in self.peer.got and [144, 53, 0] in self.peer.got)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A control whose device is plugged in after the show has begun."""
    rig = Rig(tmp_path_factory.mktemp("midi"))
    with jack_server():
        rig.control.open(rig.store)
        thread = threading.Thread(target=rig.control.serve)
        thread.start()
        try:
            rig.peer.plug_in()
            rig.until_open()
            yield rig
        finally:
            rig.control.stop()
            thread.join(20)
            rig.control.close()
            rig.peer.pull_out()
            assert not thread.is_alive()


def test_fader_moves_the_show(rig: Rig) -> None:
    rig.peer.send([0xB0, 1, 127])
    eventually(lambda: rig.store.value("/strength") == 1.0)
    rig.peer.send([0xB0, 1, 32])
    eventually(lambda: rig.store.value("/strength") == 32 / 127)
    assert rig.device("input") == "Fader Box:out"


def test_motor_follows_without_an_echo(rig: Rig) -> None:
    rig.peer.send([0xB0, 1, 64])
    eventually(lambda: rig.store.value("/strength") == 64 / 127)
    rig.peer.got.clear()
    rig.store.apply("/strength", [0.25], PAGE)
    rig.store.apply("/freeze", [True], PAGE)
    eventually(lambda: [176, 1, 32] in rig.peer.got and [144, 52, 127] in rig.peer.got)
    rig.peer.send([0xB0, 1, 100])
    eventually(lambda: rig.store.value("/strength") == 100 / 127)
    rig.peer.send([0x90, 52, 100])
    eventually(lambda: [144, 52, 0] in rig.peer.got)
    assert [176, 1, 100] not in rig.peer.got


def test_timecode_comes_through(rig: Rig) -> None:
    def time_is(text: str, *messages: list[int]) -> bool:
        """Send messages, again if JACK has dropped one, until this is the time."""
        for _ in range(20):
            rig.peer.send(*messages)
            with contextlib.suppress(AssertionError):
                eventually(lambda: str(rig.control.status()["timecode"]).find(text) > 0, 3)
                return True
        return False

    assert time_is("'time': '01:02:03:04', 'rate': '25', 'runs': False", [0xF0, 0x7F, 0x7F, 1, 1, 0x21, 2, 3, 4, 0xF7])
    assert time_is("01:03:41:09", *([0xF1, piece << 4 | part] for piece, part in enumerate((8, 0, 9, 2, 3, 0, 1, 2))))
    for level in range(60, 80):  # again if JACK has dropped the fader
        received = int(str(rig.device("received")))
        rig.peer.send([0xF0, 0x7D, *range(100), 0xF7], [0xB0, 1, level])
        with contextlib.suppress(AssertionError):
            eventually(lambda level=level: rig.store.value("/strength") == level / 127, 3)  # type: ignore[misc]
            break
    else:
        raise AssertionError("no fader came through")
    assert rig.device("received") == received + 1, "no other system exclusive message"


def test_song_position_sets_the_beat(rig: Rig) -> None:
    rig.peer.send([0xF2, 4000 & 127, 4000 >> 7], [0xFB], [0xF8])
    eventually(lambda: rig.store.beats() >= 1000)


def test_doctor_lists_the_ports(rig: Rig) -> None:
    finding = midi_finding()
    assert (finding.area, finding.verdict) == ("control", Verdict.WORKS)
    assert "Fader Box:out" in finding.detail
    assert "streamflow-live" not in finding.detail, "its own ports"


def test_flood_ends_at_its_last_place(rig: Rig) -> None:
    for _ in range(30):
        rig.peer.send(*([0xB0, 7, place % 128] for place in range(100)))
    rig.peer.send([0xB0, 7, 5])
    eventually(lambda: rig.store.value("/brightness") == 5 / 127)
    eventually(lambda: int(str(rig.device("superseded"))) > 500)


def test_device_comes_back_by_itself(rig: Rig) -> None:
    rig.store.apply("/strength", [0.5], PAGE)
    rig.peer.pull_out()
    eventually(lambda: rig.device("state") == "searching" and rig.device("note"))
    assert rig.device("lost") == 1
    assert "no MIDI port has 'fader box' in its name" in rig.control.problems()[0]
    rig.store.apply("/guidance", [10.0], PAGE)
    rig.peer.got.clear()
    rig.peer.plug_in()
    eventually(lambda: [176, 16, 127] in rig.peer.got and [176, 1, 64] in rig.peer.got)
    rig.peer.send([0xB0, 1, 0])
    eventually(lambda: rig.store.value("/strength") == 0.0)
    assert rig.control.problems() == []
