"""Set lists: read with their lengths, or refused whole with every problem and its place."""

from pathlib import Path

import pytest

from presets.errors import PresetError
from presets.library import Library
from presets.set_list import MOST_CUES, Cue, read_set_list

WHOLE = """\
cues:
  - fire
  - preset: Ice Cells
    morph: 4
  - {preset: ink, morph_beats: 8, after_beats: 64}
  - {preset: infrared, after: 30}
"""


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "presets")


def read(tmp_path: Path, library: Library, text: str) -> tuple[Cue, ...]:
    path = tmp_path / "tonight.yaml"
    path.write_text(text)
    return read_set_list(path, library)


def test_cues_and_their_lengths(tmp_path: Path, library: Library) -> None:
    cues = read(tmp_path, library, WHOLE)
    assert [cue.preset for cue in cues] == ["fire", "ice-cells", "ink", "infrared"]
    assert [cue.seconds("morph", 120.0) for cue in cues] == [None, 4.0, 4.0, None]
    assert [cue.seconds("after", 60.0) for cue in cues] == [None, None, 64.0, 30.0]


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("", "1:1", "a set list has one key, cues"),
        ("cues: []", "1:1", "a set list has one key, cues"),
        ("- fire", "1:1", "a set list has one key, cues"),
        ("cues: [fire]\nmorph: 3", "1:1", "a set list has one key, cues"),
        ("cues:\n  - fyre", "2:5", "did you mean fire?"),
        ("cues:\n  - {morph: 3}", "2:5", "a cue names a preset"),
        ("cues:\n  - 4", "2:5", "a cue is a preset's name or a mapping"),
        ("cues:\n  - {preset: fire, mroph: 3}", "2:20", "'mroph' is not a key of a cue"),
        ("cues:\n  - {preset: fire, morph: 99}", "2:27", "morph must be at most 60"),
        ("cues:\n  - {preset: fire, after: soon}", "2:27", "after must be a number"),
        ("cues:\n  - {preset: fire, morph: 1, morph_beats: 2}", "2:5", "give morph or morph_beats, not both"),
        ("cues:\n  - {preset: fire, at: soon}", "2:24", "at: a time is hours, minutes, seconds and frames"),
        ("cues:\n  - {preset: fire, at: 01:60:00:00}", "2:24", "such as 01:02:03:04; not '01:60:00:00'"),
        ("cues:\n  - {preset: fire, at: 90}", "2:24", "at must be a time such as 01:02:03:04; 90 was given"),
        ("cues:\n  - [", "2:5", ""),
    ],
)
def test_refused_set_lists(tmp_path: Path, library: Library, text: str, place: str, problem: str) -> None:
    with pytest.raises(PresetError) as refused:
        read(tmp_path, library, text)
    assert problem in str(refused.value)
    if problem:
        assert f"tonight.yaml:{place}:" in str(refused.value)


def test_every_problem_is_told(tmp_path: Path, library: Library) -> None:
    with pytest.raises(PresetError) as refused:
        read(tmp_path, library, "cues:\n  - fyre\n  - {preset: fire, morph: x}\n")
    assert str(refused.value).count("tonight.yaml:") == 2


def test_missing_file(tmp_path: Path, library: Library) -> None:
    with pytest.raises(PresetError, match="no such file"):
        read_set_list(tmp_path / "tonight.yaml", library)


def test_most_cues(tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "  - {preset: fire, morph: 1, after: 9}\n"
    assert len(read(tmp_path, library, f"cues:\n{line * MOST_CUES}")) == MOST_CUES
    monkeypatch.setattr(library, "find", None)  # not asked a thousand times for a list that is refused
    with pytest.raises(PresetError, match=f"at most {MOST_CUES} cues; {MOST_CUES + 1} came"):
        read(tmp_path, library, "cues:\n" + "  - fire\n" * (MOST_CUES + 1))
