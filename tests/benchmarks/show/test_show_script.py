"""The script of a show: its files are sound, its events in order, and a look's error is that of its first frame."""

import socket
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.show.measure_scripted import Landing, beat_error_ms
from benchmarks.show.osc_sender import OscSender
from benchmarks.show.received_frames import ReceivedFrame
from benchmarks.show.show_script import BEAT, BROKEN, OWN_LOOK, ROUND, ShowScript, look_text, write_files
from daemon.shared.clock import NS
from io_bridges.osc.packets import decode_packet
from presets.errors import PresetError
from presets.library import Library
from presets.set_list import read_set_list


def test_files_are_sound(tmp_path: Path) -> None:
    presets, cues = write_files(tmp_path)
    library = Library(presets)
    assert len(read_set_list(cues, library)) >= 5
    first = library.recall(OWN_LOOK)
    (presets / f"{OWN_LOOK}.yaml").write_text(look_text("ice mosaic"))
    assert library.recall(OWN_LOOK) != first
    (presets / f"{OWN_LOOK}.yaml").write_text(BROKEN)
    with pytest.raises(PresetError, match="strength must be a number"):
        library.recall(OWN_LOOK)


@pytest.mark.parametrize("seconds", [1.0, 64.0, 600.0])
def test_events_in_order(tmp_path: Path, seconds: float) -> None:
    script = ShowScript(tmp_path, OscSender(9), seconds)
    events = list(script.events())
    assert all(before.beat < after.beat for before, after in pairwise(events))
    assert events[-1].beat * BEAT < script.seconds
    assert script.seconds == pytest.approx(max(seconds, ROUND * BEAT), abs=ROUND * BEAT / 2)
    names = [event.name for event in events]
    assert names.count("broken look saved") == names.count("look saved") == 1
    assert {"cue", "prompt", "fader", "lfo", "look"} <= {*names}
    assert names.count("panic") == round(seconds / (ROUND * BEAT)) // 2


def test_cues_start_again(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as show:
        show.bind(("127.0.0.1", 0))
        show.settimeout(10)
        with OscSender(show.getsockname()[1]) as osc:
            script = ShowScript(tmp_path, osc, 160.0)
            cues = [event for event in script.events() if event.name == "cue"]
            for cue in cues[:7]:
                cue.act()
            heard = [decode_packet(show.recv(1000))[0].address for _ in range(7)]
    assert heard == ["/cue/jump", *["/cue/go"] * 5, "/cue/jump"]


@pytest.mark.parametrize(("at", "error"), [(1.01, 10.0), (0.98, -20.0), (2.4, 1400.0), (2.6, None)])
def test_error_of_a_look(at: float, error: float | None) -> None:
    def frame(seconds: float, revision: int) -> ReceivedFrame:
        return ReceivedFrame(round(seconds * NS), 0, 1, 1, 0, revision)

    shown = [frame(0.1, 9), frame(0.6, 4), frame(0.9, 4), frame(at, 5), frame(at + 0.1, 6)]
    measured = beat_error_ms(Landing("cue", round(0.5 * NS), NS, 4), shown)
    assert measured == (None if error is None else pytest.approx(error))
