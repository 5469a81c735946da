"""Recorded controls in ``render``: the values of the show at each picture, and the same file every time."""

import json
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from clips import big_buck_bunny
from control_rehearsal import RATE, Message, Moment, Rehearsal
from typer.testing import CliRunner, Result

from daemon.__main__ import app
from daemon.commands.played_controls import PlayedControls
from daemon.stage.initial_values import DEFAULTS
from io_bridges.clip import decode_clip
from io_bridges.framing import framing_of
from presets.control_file import RecordedControls
from presets.errors import ControlsError, SettingsError
from presets.library import Library
from presets.set_list import Cue

CLIP = big_buck_bunny()
"""A clip of 25 frames a second."""
CUES = (Cue(preset="fire", morph=0.7, after=1.5), Cue(preset="ice-cells", morph_beats=2.0))
MOVING: Sequence[Message] = (
    (0.0, "/bpm", [133.0]),
    (0.2, "/cue/go", []),
    (0.3, "/lfo/1/target", ["strength"]),
    (0.4, "/lfo/1/shape", ["square"]),
    (0.5, "/lfo/1/period", [0.5]),
    (0.6, "/lfo/2/target", ["zoom"]),
    (0.6, "/lfo/2/timing", ["seconds"]),
    (0.9, "/drift", [1.5]),
    (1.1, "/tap", []),
    (1.6, "/tap", []),
    (2.4, "/quantise", ["beat"]),
    (2.5, "/prompt", ["gold"]),
    (3.2, "/width", [512]),
    (3.3, "/panic", []),
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("presets"))


def record(
    folder: Path, library: Library, ticks: int, messages: Sequence[Message]
) -> tuple[RecordedControls, list[Moment]]:
    rehearsal = Rehearsal(library, CUES, age=3)
    rehearsal.record(folder / "rehearsal.jsonl")
    moments = rehearsal.play(ticks, messages)
    return rehearsal.recorded(), moments


def test_each_picture_has_the_values_of_the_show(tmp_path: Path, library: Library) -> None:
    controls, moments = record(tmp_path, library, 4 * RATE, MOVING)
    played = PlayedControls(controls, library, DEFAULTS)
    pictures = list(islice(played.pictures(Fraction(RATE)), len(moments)))
    assert played.left_out == ["/width"]
    size = {"width": 256}
    expected = [each.frame._replace(parameters=each.frame.parameters.model_copy(update=size)) for each in moments]
    assert len({each.prompt for each in expected}) > 20
    assert [each.frame for each in pictures] == expected
    assert [each.framing for each in pictures] == [framing_of(each.frame.parameters) for each in moments]


def test_a_message_acts_at_the_first_picture_after_it(tmp_path: Path, library: Library) -> None:
    at = [
        (0.1, "/seed", [1]),
        (0.12, "/seed", [2]),
        (0.100001, "/steps", [3]),
        (0.15, "/fade", [0.1]),
        (0.2, "/blackout", [1]),
    ]
    controls, _ = record(tmp_path, library, RATE, at)

    def seen(fps: Fraction) -> list[tuple[int, int]]:
        pictures = islice(PlayedControls(controls, library, DEFAULTS).pictures(fps), 6)
        return [(each.frame.parameters.seed, each.frame.parameters.steps) for each in pictures]

    before = (0, 4)
    assert seen(Fraction(50)) == [before] * 5 + [(1, 4)]
    assert seen(Fraction(25)) == [before] * 3 + [(2, 3)] * 3
    assert seen(Fraction(30000, 1001)) == [before] * 3 + [(1, 3), (2, 3), (2, 3)]
    grades = [
        each.grade.level for each in islice(PlayedControls(controls, library, DEFAULTS).pictures(Fraction(20)), 8)
    ]
    assert grades == [1.0, 1.0, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0]


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, ["render", *arguments])


def test_the_same_controls_give_the_same_file(tmp_path: Path, library: Library) -> None:
    controls, _ = record(
        tmp_path,
        library,
        RATE,
        [
            (0.0, "/prompt", ["fire"]),
            (0.05, "/morph_pictures", [3]),
            (0.1, "/prompt", ["white ice"]),
            (0.15, "/strength", [1.0]),
            (0.22, "/freeze", [True]),
            (0.31, "/freeze", [False]),
            (0.4, "/blackout", [True]),
        ],
    )
    eager = tmp_path / "eager.yaml"
    eager.write_text("accelerator: eager\n")
    options = ("--preset", str(eager), "--size", "64x64", "--frames", "13", "--threads", "1")
    files = [tmp_path / name for name in ("one.mp4", "two.mp4")]
    for file in files:
        result = invoke(CLIP, str(file), "--controls", str(controls.path), *options)
        assert result.exit_code == 0, (result.output, result.exception)
        assert "The clip ends at 0.52 s, before the recorded controls at 1.00 s." in " ".join(result.output.split())
    assert files[0].read_bytes() == files[1].read_bytes()
    pictures = [picture.astype(np.int16) for picture in decode_clip(files[0])]
    still = [float(np.abs(one - other).mean()) for one, other in pairwise(pictures)]
    assert max(still[5:7]) < 1.5 < min(still[4], still[7]), "frozen from 0.22 s to 0.31 s"
    assert [float(picture.mean()) < 3 for picture in pictures] == [False] * 10 + [True] * 3


@pytest.mark.parametrize("options", [("--strength", "0.3"), ("--then", "1=fire"), ("--prompt", "ice")])
def test_another_look_is_refused(tmp_path: Path, library: Library, options: tuple[str, ...]) -> None:
    controls, _ = record(tmp_path, library, 3, ())
    result = invoke(CLIP, str(tmp_path / "out.mp4"), "--controls", str(controls.path), *options)
    assert isinstance(result.exception, SettingsError)
    assert "decides about the look" in str(result.exception)


def test_a_bad_file_is_refused_before_the_model_loads(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(json.dumps({"format": "streamflow-live controls", "version": 2}))
    result = invoke(CLIP, str(tmp_path / "out.mp4"), "--controls", str(tmp_path / "bad"))
    assert isinstance(result.exception, ControlsError)
    assert str(result.exception) == f"{tmp_path / 'bad.jsonl'}:1: version 1 is expected, not 2"
