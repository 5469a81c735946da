"""A rehearsal that is recorded and played back has the same values at the same ticks."""

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from control_rehearsal import HAND, RATE, Message, Moment, Rehearsal
from hand_clock import HandClock

from daemon.shared.clock import NS, SystemClock
from daemon.stage import control_recorder
from daemon.stage.control_player import SENDER, ControlPlayer
from daemon.stage.control_transport import ControlTransport, first_controls
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.settings import Settings
from io_bridges.show_control import ControlReply
from presets.control_file import RecordedControls, read_controls
from presets.errors import BridgeError, ControlsError, SettingsError
from presets.library import Library
from presets.parameter_table import PARAMETERS
from presets.set_list import Cue
from presets.taken_message import RESTART

TICKS = 12 * RATE
CUES = (Cue(preset="lava", morph_beats=3.0, after_beats=2.0), Cue(preset="ice-cells", morph=0.5))
SCRIPT: tuple[Message, ...] = (
    (0.1, "/strength", [0.25]),
    (0.15, "/strength/add", ["0,5"]),
    (0.2, "/prompt", ["liquid", "chrome"]),
    (0.25, "/morph", [1.5]),
    (0.3, "/drift", [0.7]),
    (0.5, "/prompt", ["white ice", 1.0, "a fire", 0.4]),
    (0.9, "/seed", [-1]),
    (1.1, "/lfo/1/target", ["/strength"]),
    (1.1, "/lfo/1/shape", ["steps"]),
    (1.13, "/lfo/1/period", [0.5]),
    (1.2, "/lfo/2/target", ["brightness"]),
    (1.2, "/lfo/2/timing", ["seconds"]),
    (1.2, "/lfo/2/shape", ["noise"]),
    (1.25, "/lfo/2/period", [0.4]),
    (2.0, "/tap", []),
    (2.41, "/tap", [1]),
    (2.83, "/tap", []),
    (2.9, "/lfo/3/target", ["guidance"]),
    (2.9, "/lfo/3/shape", ["envelope"]),
    (2.9, "/lfo/3/start", ["trigger"]),
    (2.95, "/lfo/3/trigger", [1]),
    (3.0, "/beat", [7.3]),
    (3.1, "/bpm/norm", [0.3]),
    (3.3, "/zoom", [1.7]),
    (3.5, "/quantise", ["bar"]),
    (3.6, "/preset/fire", []),
    (3.61, "/guidance", [400]),
    (5.9, "/quantise", ["beat"]),
    (6.0, "/cue/go", []),
    (6.2, "/resync", []),
    (7.7, "/blackout", ["bang"]),
    (7.9, "/save", ["rehearsed"]),
    (8.0, "/steps", [3]),
    (8.2, "/seed_mix", [0.5]),
    (8.6, "/panic", []),
    (8.9, "/undo_save", []),
    (9.0, "/next", []),
    (9.1, "/freeze", [True]),
    (9.6, "/source", ["stream:rtsp://me:secret@camera/1"]),
    (9.7, "/panic", []),
    (10.5, "/prompt/2/text", ["moss"]),
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("presets")
    (folder / "lava.yaml").write_text("prompt: lava\nseed: 7\ndrift: 0.2\nlfo:\n  - target: zoom\n    period: 1.5\n")
    return Library(folder)


@pytest.fixture
def rehearsal(library: Library) -> Iterator[Rehearsal]:
    with_cues = Rehearsal(library, CUES)
    yield with_cues
    with_cues.transport.stop()


@pytest.fixture(scope="module")
def taped(library: Library, tmp_path_factory: pytest.TempPathFactory) -> tuple[RecordedControls, list[Moment]]:
    """The recording of the script, and what each tick of the rehearsal had."""
    rehearsal = Rehearsal(library, CUES)
    rehearsal.record(tmp_path_factory.mktemp("tapes") / "rehearsal.jsonl")
    moments = rehearsal.play(TICKS, SCRIPT)
    return rehearsal.recorded(), moments


def test_the_rehearsal_moves_everything(taped: tuple[RecordedControls, list[Moment]]) -> None:
    _, moments = taped
    assert len({moment.frame.parameters.strength for moment in moments}) > 10
    assert len({moment.output.brightness for moment in moments}) > 40
    assert len({moment.frame.noise for moment in moments}) > 100
    assert len({moment.frame.prompt for moment in moments}) > 20
    assert (
        {moment.output.blackout for moment in moments} == {moment.output.freeze for moment in moments} == {False, True}
    )
    assert {"fire", "lava", "ice-cells", "rehearsed"} < {moment.output.preset for moment in moments}


def test_playing_has_the_same_values_at_each_tick(tmp_path: Path, taped: tuple[RecordedControls, list[Moment]]) -> None:
    controls, moments = taped
    # Another show, older, without those presets, and in the middle of a morph.
    other = Rehearsal(Library(tmp_path / "none"), age=77)
    other.play(
        20, [(0.1, "/morph", [9.0]), (0.2, "/preset", ["ink"]), (0.3, "/bpm", [90.0]), (0.4, "/lfo/4/target", ["mix"])]
    )
    other.transport.player.play(controls)
    assert other.play(TICKS) == moments
    assert other.transport.player.catch_up() is None
    assert other.transport.status()["playing_controls"] is None


def test_a_loop_begins_anew_each_time(library: Library, taped: tuple[RecordedControls, list[Moment]]) -> None:
    controls, moments = taped
    assert controls.length == TICKS * 10**9 // RATE
    other = Rehearsal(library)
    other.transport.player.play(controls, loop=True)
    assert other.play(2 * TICKS + 5) == [*moments, *moments, *moments[:5]]
    other.clock.time += 1000 * controls.length
    assert other.play(1) == moments[5:6], "whole rounds are left out"
    assert other.send("/play/stop").note == "stopped"
    still = other.store.values()
    other.play(TICKS)
    assert other.store.values() == still


def test_a_recording_of_a_playing_plays_alike(
    tmp_path: Path, library: Library, taped: tuple[RecordedControls, list[Moment]]
) -> None:
    controls, moments = taped
    second = Rehearsal(library, age=5)
    second.play(7, [(0.1, "/strength", [0.9])])
    second.record(tmp_path / "copy.jsonl")
    before = second.play(3)
    second.transport.player.play(controls)
    assert second.play(TICKS) == moments
    copy = second.recorded()
    assert {message.sender for message in copy.messages} == {SENDER}
    third = Rehearsal(library)
    third.transport.player.play(copy)
    assert third.play(3 + TICKS) == [*before, *moments]


@pytest.mark.parametrize("end", ["low", "high"])
def test_every_control_plays_as_it_was_taken(tmp_path: Path, library: Library, end: str) -> None:
    text = '\x07 "\u00fcber" \\ \u2028\U0001f525 ' * (100 if end == "high" else 1)
    first, other = Rehearsal(library), Rehearsal(library)
    first.record(tmp_path / "all.jsonl")
    for address, parameter in PARAMETERS.items():
        if address == "/preset":
            continue
        low, high = (0, len(parameter.choices) - 1) if parameter.choices else (-1e12, 1e12)
        wording = "mirror" if parameter.key == "processor" else text  # a name takes no other characters
        if parameter.kind == "text":
            first.store.opened.trust({address: parameter.coerce(wording)})
        first.send(address, wording if parameter.kind == "text" else low if end == "low" else high)
    assert len(set(first.store.values().items()) - set(other.store.values().items())) > 50
    other.transport.player.play(first.recorded())
    other.play(1)
    assert other.store.values() == {**first.store.values(), "/lock": False}, "no recording locks a show"


def test_hands_stay_in_charge(rehearsal: Rehearsal, taped: tuple[RecordedControls, list[Moment]]) -> None:
    controls, moments = taped
    heard = rehearsal.show.subscribe(HAND, lambda: None)
    rehearsal.transport.player.play(controls)
    played = rehearsal.play(3 * RATE, [(1.0, "/structure", [0.125])])
    assert [moment.frame.parameters.structure for moment in played[30:34]] == [1.0, 1.0, 0.125, 0.125]
    assert played[-1].frame.prompt == moments[len(played) - 1].frame.prompt
    assert heard.take()["/prompt/1/text"] == "white ice", "each surface hears of what is played"
    rehearsal.send("/panic")
    assert rehearsal.transport.status()["playing_controls"] is None
    rehearsal.send("/panic", 0)


def test_lines_are_plain(taped: tuple[RecordedControls, list[Moment]]) -> None:
    controls, _ = taped
    text = controls.path.read_text(encoding="utf-8")
    header, *lines = map(json.loads, text.splitlines())
    assert (header["format"], header["version"]) == ("streamflow-live controls", 1)
    assert header["values"]["/strength"] == controls.start.values["/strength"]
    assert lines[0] == {"time": 0.1, "address": "/strength", "arguments": [0.25], "sender": "osc:127.0.0.1:50123"}
    assert (lines[1]["address"], lines[1]["arguments"]) == ("/strength", [0.75]), "the value that was taken"
    assert lines[2]["arguments"] == ["liquid chrome", 1.0]
    assert lines[-1] == {"time": 12.0, "end": True, "dropped": 0}
    presets = [line for line in lines if line.get("address") == "/preset"]
    assert [line["arguments"] for line in presets[:3]] == [["fire"], ["lava"], ["ice-cells"]]
    (tempo,) = (line["tempo"] for line in lines if line.get("address") == "/bpm")
    beats = tempo["beats"] + (presets[0]["time"] - tempo["at"]) * tempo["bpm"] / 60
    assert presets[0]["time"] > 3.6
    assert beats % 4 == pytest.approx(0, abs=1e-6), "on its bar, and not when it was asked for"
    assert "secret" not in text
    assert "stream:rtsp://me:***@camera/1" in text


def test_a_file_is_never_replaced(rehearsal: Rehearsal, tmp_path: Path) -> None:
    rehearsal.transport.folder = tmp_path / "takes"
    for name in ("Take", "Take.jsonl", str(tmp_path / "takes" / "Take")):
        assert rehearsal.send("/record/controls", name).pending
        assert not rehearsal.show.apply("/record/controls", [name], "test").accepted, "one at a time"
        while not rehearsal.replies:
            threading.Event().wait(0.01)
        rehearsal.replies.clear()
        assert rehearsal.send("/record/stop").note == f"recorded {rehearsal.transport.recorder.state.path}"
    rehearsal.transport.recorder.end(60.0)
    taken = sorted(path.name for path in rehearsal.transport.folder.iterdir())
    assert taken == ["Take-2.jsonl", "Take-3.jsonl", "Take.jsonl"]
    assert rehearsal.show.apply("/record/stop", [], "test").note == "nothing is recorded"


def outcome_of(rehearsal: Rehearsal, address: str, text: str) -> ControlReply:
    """Send a request and return its late reply."""
    arrived = threading.Event()
    replies: list[ControlReply] = []
    assert rehearsal.show.apply(
        address, [text], "test", lambda reply: (replies.append(reply), arrived.set())[0]
    ).pending
    assert arrived.wait(60.0)
    return replies[0]


def test_surfaces_play_by_name(
    rehearsal: Rehearsal, tmp_path: Path, taped: tuple[RecordedControls, list[Moment]]
) -> None:
    controls, moments = taped
    folder = rehearsal.transport.folder = controls.path.parent
    reply = outcome_of(rehearsal, "/play/controls", controls.path.stem)
    assert reply.note == f"plays {controls.path}: {len(controls.messages)} messages in 12.0 s"
    assert rehearsal.play(RATE) == moments[:RATE]
    playing = rehearsal.show.status()["playing_controls"]
    assert playing == {"path": str(controls.path), "seconds": 1.0, "length": 12.0, "loop": False}
    refused = outcome_of(rehearsal, "/play/loop", "missing")
    assert (refused.accepted, refused.note) == (False, f"{folder / 'missing.jsonl'}: no such file")
    assert rehearsal.show.status()["playing_controls"] is not None, "the other one plays on"
    short = folder / "short.jsonl"
    short.write_text(controls.path.read_text().splitlines()[0] + "\n")
    refused = outcome_of(rehearsal, "/play/loop", "short")
    assert refused.note == f"{short} takes 0 s; a loop takes at least 0.1 s"
    rehearsal.transport.folder = short / "no folder"
    refused = outcome_of(rehearsal, "/record/controls", "late")
    assert refused.note.startswith(f"Cannot record controls into {short / 'no folder' / 'late.jsonl'}: ")


@pytest.mark.skipif(sys.platform == "win32", reason="it limits the size of files")
def test_disk_that_is_full_is_told(rehearsal: Rehearsal, tmp_path: Path) -> None:
    import resource
    import signal

    rehearsal.transport.folder = tmp_path
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        reply = outcome_of(rehearsal, "/record/controls", "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (reply.accepted, reply.note) == (False, f"Cannot write to {tmp_path / 'full.jsonl'}: File too large")
    assert not rehearsal.transport.recorder.state.is_on


def test_take_over_stays_that_of_the_show(tmp_path: Path, library: Library) -> None:
    rehearsal = Rehearsal(library)
    rehearsal.record(tmp_path / "jump.jsonl")
    rehearsal.play(8, [(0.1, "/strength", [0.25])])
    controls = rehearsal.recorded()
    other = Rehearsal(library)
    other.send("/takeover", "pickup")
    other.transport.player.play(controls)
    other.play(8)
    assert (other.store.value("/takeover"), other.store.value("/strength")) == ("pickup", 0.25)


def test_more_messages_than_time_can_be_stopped(tmp_path: Path, library: Library) -> None:
    """A loop that falls behind on every round leaves the show to its surfaces."""
    rehearsal = Rehearsal(library)
    rehearsal.record(tmp_path / "one.jsonl")
    rehearsal.play(8, [(0.1, "/strength", [0.25])])
    controls = rehearsal.recorded()

    class BusyMachine(HandClock):
        def now(self) -> int:
            self.time += NS // 1000
            return self.time

    player = ControlPlayer(rehearsal.store, BusyMachine())
    many = tuple(controls.messages[0]._replace(at=0, arguments=(place % 2 / 2,)) for place in range(200))
    player.play(replace(controls, messages=many, length=NS // 10), loop=True)
    playing = threading.Thread(target=player.catch_up, daemon=True)
    playing.start()
    rounds = rehearsal.store.wanted + 1000
    while rehearsal.store.wanted < rounds:
        threading.Event().wait(0.01)
    stopping = threading.Thread(target=player.stop, daemon=True)
    stopping.start()
    for thread in (stopping, playing):
        thread.join(20.0)
        assert not thread.is_alive()
    assert player.state.path == ""


def test_a_source_on_air_keeps_its_password(tmp_path: Path, library: Library) -> None:
    uri = "stream:rtsp://me:secret@camera/1"
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "camera.yaml").write_text(f"source: {uri}\n")
    first = Rehearsal(Library(tmp_path / "presets"))
    first.record(tmp_path / "take.jsonl")
    first.play(20, [(0.1, "/preset", ["camera"]), (0.2, "/source", ["card:"]), (0.3, "/source", [uri])])
    controls = first.recorded()
    assert "secret" not in controls.path.read_text()
    asked: list[str] = []
    other = Rehearsal(library)
    other.store.take_source(uri, HAND)
    other.store.open_source["/source"] = lambda uri, sender, later: (
        asked.append(uri),
        ControlReply("/source", True, None),
    )[1]
    other.transport.player.play(controls)
    other.play(20)
    hidden = "stream:rtsp://me:***@camera/1"
    assert asked == ["card:", uri, "card:"], "the start, the preset and the other source"
    assert other.store.values()["/source"] == hidden


def test_a_crash_leaves_what_was_written(rehearsal: Rehearsal, tmp_path: Path) -> None:
    rehearsal.record(tmp_path / "crash.jsonl")
    rehearsal.play(RATE, [(0.1, "/strength", [0.5]), (0.2, "/zoom", [2.0])])
    recording = rehearsal.show.status()["recording_controls"]
    path = str(tmp_path / "crash.jsonl")
    expected = {"path": path, "is_on": True, "messages": 2, "seconds": 1.0, "dropped": 0, "failure": ""}
    assert recording == expected
    while b'"address": "/zoom"' not in (tmp_path / "crash.jsonl").read_bytes():
        threading.Event().wait(0.02)
    so_far = (tmp_path / "crash.jsonl").read_bytes()
    (tmp_path / "cut.jsonl").write_bytes(so_far[:-9])
    whole, cut = read_controls(tmp_path / "crash.jsonl"), read_controls(tmp_path / "cut.jsonl")
    assert [message.address for message in whole.messages] == ["/strength", "/zoom"]
    assert ([message.address for message in cut.messages], whole.is_cut, cut.is_cut) == (["/strength"], False, True)


def test_a_slow_disk_drops_the_oldest(rehearsal: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_recorder, "INTERVAL", 3600.0)
    rehearsal.record(tmp_path / "slow.jsonl")
    for number in range(control_recorder.MOST_WAITING + 3):
        rehearsal.send("/seed", number)
    rehearsal.transport.recorder.end(60.0)
    lines = (tmp_path / "slow.jsonl").read_text().splitlines()
    assert json.loads(lines[1])["arguments"] == [3]
    assert json.loads(lines[-1])["dropped"] == rehearsal.transport.recorder.state.dropped == 3


def test_a_full_disk_ends_the_recording(rehearsal: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_recorder, "INTERVAL", 0.01)
    monkeypatch.setattr("io_bridges.disk_space.RESERVE", 1 << 60)
    rehearsal.record(tmp_path / "full.jsonl")
    while rehearsal.transport.recorder.is_on:
        threading.Event().wait(0.01)
    (notice,) = rehearsal.show.status()["notices"]  # type: ignore[misc]
    assert "The disk of" in notice["text"]
    rehearsal.send("/strength", 0.5)


def test_settings_record_and_play_from_the_start(
    tmp_path: Path, library: Library, taped: tuple[RecordedControls, list[Moment]]
) -> None:
    controls, _ = taped
    short = replace(controls, messages=controls.messages[:3], length=300_000_000)
    transport = ControlTransport(ParameterStore(library), SystemClock())
    transport.start(Settings(record_controls=tmp_path / "live.jsonl", play_controls=short))
    while transport.player.state.path:
        threading.Event().wait(0.01)
    transport.stop()
    assert transport.store.value("/prompt/1/text") == "liquid chrome"
    live = read_controls(tmp_path / "live.jsonl")
    assert [message.address for message in live.messages] == [RESTART, "/strength", "/strength", "/prompt"]
    with pytest.raises(BridgeError, match="Cannot record controls into"):
        transport.start(Settings(record_controls=tmp_path / "no" / "folder"))
    transport.stop()


def test_a_loop_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--loop-controls goes with --play-controls FILE"):
        first_controls(None, loop=True)
    with pytest.raises(ControlsError, match="no such file"):
        first_controls(tmp_path / "missing", loop=False)
