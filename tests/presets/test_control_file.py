"""Recordings of controls as files: what is written is read again, and anything else is refused whole."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presets import control_file
from presets.control_file import read_controls
from presets.control_lines import EndLine, LineRefused, read_header, read_line
from presets.errors import ControlsError
from presets.parameter_table import PARAMETERS
from presets.taken_message import RESTART, ShowStart, TakenMessage, TempoMark, to_end, to_header, to_line

VALUES = {address: parameter.default for address, parameter in PARAMETERS.items()}
START = ShowStart(VALUES, "fire", {"/seed": 3}, TempoMark(-1_500_000_001, 3.25, 128.5), -7_000_000_003)
HEADER = to_header(START, "2026-11-28T12:00:00+00:00")
STRENGTH = {"time": 1.5, "address": "/strength", "arguments": [0.5], "sender": "osc"}


def line(**changes: Any) -> str:
    """Return a line about the strength with other fields. None leaves one out."""
    return json.dumps({key: value for key, value in {**STRENGTH, **changes}.items() if value is not None})


def write(folder: Path, *lines: str) -> Path:
    path = folder / "take.jsonl"
    path.write_text(HEADER + "".join(f"{each}\n" for each in lines), encoding="utf-8")
    return path


MESSAGES = (
    TakenMessage("/strength", (0.1 + 0.2,), "osc:1", 1),
    TakenMessage("/prompt/1/text", ("feuer \u2028 \N{FIRE}".replace("\u2028", ""),), "web", 2),
    TakenMessage("/prompt", ("a", 1.0, "b", 0.25), "zmq", 2),
    TakenMessage("/freeze", (True,), "web", 3),
    TakenMessage("/bpm", (90.5,), "osc", 4, tempo=TempoMark(4, 17.333333333333332, 90.5)),
    TakenMessage("/tap", (), "osc", 5, tempo=TempoMark(5, 18.0, 91.0)),
    TakenMessage("/preset", ("fire",), "osc", 6, values={"/seed": 4, "/preset": "fire"}),
    TakenMessage("/save", ("fire-2",), "osc", 6, values={"/zoom": 1.5}),
    TakenMessage("/panic", (), "osc", 7, values={"/blackout": False}),
    TakenMessage("/sink/add", ("png:out",), "osc", 86_400_000_000_007),
    TakenMessage(RESTART, (), "recorded controls", 86_400_000_000_008, start=START),
)


def test_written_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, *(to_line(message).rstrip() for message in MESSAGES), to_end(86_400_000_000_009, 2).rstrip())
    controls = read_controls(path)
    assert (controls.start, controls.date) == (START, "2026-11-28T12:00:00+00:00")
    assert controls.messages == MESSAGES
    assert (controls.length, controls.is_cut) == (86_400_000_000_009, False)
    assert controls.changed == {
        *("/strength", "/prompt/1/text", "/freeze", "/bpm", "/preset", "/seed", "/zoom", "/blackout")
    }


def test_a_newer_parameter_has_its_default(tmp_path: Path) -> None:
    path = tmp_path / "take.jsonl"
    older = {address: value for address, value in VALUES.items() if address != "/zoom"}
    path.write_text(to_header(START._replace(values={**older, "/seed": 8}), ""))
    assert read_controls(path).start.values == {**VALUES, "/seed": 8}


@settings(max_examples=50)
@given(st.integers(0, 10**15), st.floats(0, 1), st.floats(-1e9, 1e9), st.integers(-(10**15), 10**15))
def test_times_and_numbers_are_exact(at: int, strength: float, beats: float, mark: int) -> None:
    message = TakenMessage("/strength", (strength,), "osc", at)
    assert read_line(to_line(message).encode()) == message
    tap = TakenMessage("/tap", (), "osc", at, tempo=TempoMark(mark, beats, 120.0))
    assert read_line(to_line(tap).encode()) == tap


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    for read in (read_header, read_line):
        with pytest.raises(LineRefused):
            read(data)


REFUSED = [
    (line(address="/strngth"), "there is no address '/strngth' in recordings"),
    (line(address="/play/stop"), "there is no address '/play/stop' in recordings"),
    (line(address=3), "there is no address 3 in recordings"),
    (line(arguments=[1.5]), "/strength must be a number from 0 to 1, not 1.5"),
    (line(arguments=["0.5"]), "/strength must be a number from 0 to 1, not '0.5'"),
    (line(arguments=[True]), "/strength must be a number from 0 to 1, not True"),
    (line(arguments=[0.1, 0.2]), "arguments must hold 1, not 2"),
    (line(arguments=0.5), "arguments must be a list"),
    (line(address="/steps", arguments=[2.0]), "/steps must be a whole number from 1 to 50, not 2.0"),
    (line(address="/steps", arguments=[10**200]), "/steps must be a whole number from 1 to 50"),
    (line(address="/mode", arguments=["dream"]), "/mode: one of image, text is expected, not 'dream'"),
    (line(address="/prompt/1/text", arguments=["a\nb"]), "/prompt/1/text must be a text as it is taken"),
    (line(address="/prompt", arguments=["fire"]), "arguments must be 1 to 4 texts, each with its weight"),
    (line(address="/prompt", arguments=["fire", 1] * 5), "arguments must be 1 to 4 texts, each with its weight"),
    (line(address="/panic", arguments=[]), "values is missing"),
    (line(address="/panic", arguments=[], values={"/nothing": 1}), "there is no parameter '/nothing'"),
    (line(address="/preset", arguments=["x"], values=[]), "values must be a JSON object"),
    (line(address="/tap", arguments=[], tempo={"bpm": 1000, "beats": 0, "at": 0}), "/bpm must be a number from 20 to"),
    (line(address="/tap", arguments=[], tempo=128), "tempo must be a JSON object with bpm, beats and at"),
    (line(address="/bpm", arguments=[100]), "tempo is missing"),
    (line(address=RESTART, arguments=[], start={"values": {}}), "began, preset, tempo is missing"),
    (line(time=None), "time must be a number up to 1000000, not none"),
    (line(time=-1), "time must be 0 or later"),
    (line(time=True), "time must be a number"),
    (line(time=float("nan")), "a finite number is expected, not NaN"),
    (line(time=float("inf")), "a finite number is expected, not Infinity"),
    (line().replace("1.5", "1e999"), "time must be a number up to 1000000, not inf"),
    (line().replace("1.5", "9" * 5000), "a message is expected, as one line of JSON"),
    (line(time=10**12), "time must be a number up to 1000000"),
    (line(sender=None), "sender is missing"),
    (line(sender="x" * 2000), "sender must be a text of at most 1000 characters"),
    (line(colour=1), "'colour' is no key here; the keys are address, arguments, sender, time"),
    (line()[:-1] + ', "time": 2}', "each key is expected once"),
    (line(time=0.5), "time must not go back: 0.5 follows 1"),
    ('{"time": 2, "end": true, "dropped": 0}\n' + line(time=3), "nothing is expected after the end"),
    ('{"time": 2, "end": 1, "dropped": 0}', "the end has true and the number of dropped messages"),
    ("[" * 100_000, "a message is expected, as one line of JSON"),
    ("[1]", "a message is expected, as a JSON object"),
    ("\x00\xff", "a message is expected, as one line of JSON"),
    (line(sender="x" * 300_000), "a line has at most 262144 bytes"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=range(len(REFUSED)))
def test_a_bad_line_refuses_the_file(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, line(time=1), text, line(time=9))
    with pytest.raises(ControlsError) as refusal:
        read_controls(path)
    number = 4 if "after the end" in expected else 3
    assert str(refusal.value).startswith(f"{path}:{number}: {expected}")
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("", "a recording of controls is expected, as one line of JSON"),
        ('{"format": "midi"}', 'a recording of controls is expected, whose first line has "format"'),
        (HEADER.replace('"version": 1', '"version": 2'), "version 1 is expected, not 2"),
        (HEADER.replace('"version": 1', '"version": true'), "version 1 is expected, not True"),
        (HEADER.replace('"/seed": 0, ', '"/sed": 0, '), "there is no parameter '/sed'"),
        (HEADER.replace('"beats": 3.25', '"beats": NaN'), "a finite number is expected, not NaN"),
        ("\x89PNG\r\n\x1a\n", "a recording of controls is expected, as one line of JSON ('utf-8' codec can't decode"),
        ("\x00" * 400_000, "a line has at most 262144 bytes"),
    ],
)
def test_a_bad_header_is_refused(tmp_path: Path, first: str, expected: str) -> None:
    path = tmp_path / "take.jsonl"
    path.write_text(first.rstrip("\n") + "\n" + line() + "\n", encoding="latin-1")
    with pytest.raises(ControlsError) as refusal:
        read_controls(path)
    assert str(refusal.value).startswith(f"{path}:1: {expected}")


def test_a_huge_line_takes_little_memory(tmp_path: Path) -> None:
    path = write(tmp_path, line(time=1))
    with path.open("r+b") as file:
        file.truncate(control_file.MOST_BYTES)  # a line of one gibibyte, which takes no room on the disk
    tracemalloc.start()
    try:
        with pytest.raises(ControlsError, match=":3: a line has at most 262144 bytes"):
            read_controls(path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    with path.open("r+b") as file:
        file.truncate(control_file.MOST_BYTES + 1)
    with pytest.raises(ControlsError, match="a recording has at most 1024 MiB"):
        read_controls(path)


def test_many_messages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_file, "MOST_MESSAGES", 3)
    pauses: list[None] = []
    monkeypatch.setattr(control_file, "_PAUSE_EVERY", 2)
    assert len(read_controls(write(tmp_path, *[line()] * 3), lambda: pauses.append(None)).messages) == 3
    assert len(pauses) == 2
    with pytest.raises(ControlsError, match=":5: a recording has at most 3 messages"):
        read_controls(write(tmp_path, *[line()] * 4))


def test_only_the_last_line_may_be_cut(tmp_path: Path) -> None:
    path = write(tmp_path, line(time=1))
    whole = path.read_bytes()
    for cut in range(1, len(line()) - 1):
        path.write_bytes(whole + line().encode()[:-cut])
        controls = read_controls(path)
        assert ([message.at for message in controls.messages], controls.is_cut) == ([10**9], True)
    path.write_bytes(whole + line().encode())
    assert (len(read_controls(path).messages), read_controls(path).is_cut) == (2, False)
    path.write_bytes(HEADER.encode()[:-20])
    with pytest.raises(ControlsError, match=":1: a recording of controls is expected"):
        read_controls(path)


def test_no_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ControlsError, match="no such file"):
        read_controls(tmp_path / "missing.jsonl")
    with pytest.raises(ControlsError, match="not a plain file"):
        read_controls(tmp_path)


def test_machine_and_passwords_stay_out_of_a_start(tmp_path: Path) -> None:
    values = {**VALUES, "/source": "stream:rtsp://me:***@camera", "/accelerator": "eager", "/width": 512}
    path = tmp_path / "take.jsonl"
    path.write_text(to_header(START._replace(values=values), "") + line() + "\n")
    first = read_controls(path).first_values()
    assert (first["/width"], first["/preset"]) == (512, "")
    assert not {"/source", "/accelerator"} & first.keys()
    opening = read_controls(path).opening(read_controls(path).start)
    assert not {"/source", "/accelerator", "/width"} & opening.keys()
    assert {"/strength", "/zoom", "/blackout"} < opening.keys()


def test_the_end_is_a_line_of_its_own() -> None:
    assert read_line(to_end(12_500_000_000, 3).encode()) == EndLine(12_500_000_000, 3)
