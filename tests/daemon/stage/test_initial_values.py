"""Looks that come later, as they are typed for `render`."""

from fractions import Fraction
from pathlib import Path

import pytest

from daemon.stage.initial_values import frames_of, initial_values, scheduled_values
from presets.errors import PresetError, SettingsError
from presets.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "slow.yaml").write_text("prompt: snow\nseed: 5\nmorph: 3\nwidth: 512\n")
    (tmp_path / "plain.yaml").write_text("prompt: moss\n")
    return Library(tmp_path)


def test_looks_come_in_the_order_of_their_time_each_on_top_of_the_one_before(library: Library) -> None:
    opening = initial_values(library, None, "plain", (128, 64))
    later = scheduled_values(library, opening, ["7=plain", "2.5=slow"])
    assert [*later] == [2.5, 7.0]
    assert [values["/prompt/1/text"] for values in later.values()] == ["snow", "moss"]
    assert [values["/morph"] for values in later.values()] == [3.0, 3.0], "a look that names none leaves it"
    assert [values["/seed"] for values in later.values()] == [5, 0]
    assert all(values["/width"] == 128 for values in later.values()), "a clip keeps its size"
    assert opening["/prompt/1/text"] == "moss"
    assert scheduled_values(library, opening, []) == {}


@pytest.mark.parametrize("text", ["fire", "=fire", "2=", "0=fire", "-1=fire", "nan=fire", "inf=fire", "soon=fire"])
def test_what_is_no_time_and_look_is_refused(library: Library, text: str) -> None:
    with pytest.raises(SettingsError, match=r"4\.5=fire takes the look fire"):
        scheduled_values(library, initial_values(library, None, None, None), [text])
    with pytest.raises(PresetError, match="no-such"):
        scheduled_values(library, initial_values(library, None, None, None), ["2=no-such"])


def test_two_looks_at_one_second_are_refused(library: Library) -> None:
    with pytest.raises(SettingsError, match=r"plain and slow, are to come at second 2\.5"):
        scheduled_values(library, initial_values(library, None, None, None), ["2.5=plain", "2.50=slow"])


def test_each_look_has_a_frame_of_its_own_and_none_the_first() -> None:
    assert frames_of([0.04, 1.0, 0.5], Fraction(25)) == {1: 0.04, 25: 1.0, 12: 0.5}
    with pytest.raises(SettingsError, match=r"0\.01 would come with the first frame.*--preset"):
        frames_of([1.0, 0.01], Fraction(25))
    with pytest.raises(SettingsError, match=r"2 and 2\.01 would come with one frame: 0\.04 s"):
        frames_of([2.0, 2.01], Fraction(25))
