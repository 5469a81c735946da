"""Offline rendering with the shipped model: every frame in, every frame out, at any pace, skipped or not."""

from collections.abc import Iterator
from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from daemon.commands.offline_render import graded, redraw, word_notes
from daemon.commands.preset_course import frame_parameters, preset_pictures, staged_parameters
from pipeline.image_stream import ImageStream
from presets.build import Build
from presets.lfo_parameters import Lfo
from presets.movement import Heard
from presets.parameters import Parameters

SIDE = 64


def test_word_notes_name_each_prompt_once(stream: ImageStream) -> None:
    first = Parameters(prompt="ink zzbzz", negative_prompt="fire")
    notes = word_notes(stream.vocabulary, {0: first, 5: first.model_copy(update={"strength": 0.3})})
    assert len(notes) == 1
    assert notes[0].startswith("'ink zzbzz' is drawn as 'ink'")
    assert word_notes(None, {0: first}) == []


@pytest.fixture(scope="module")
def _stream() -> ImageStream:
    torch.set_num_threads(1)
    return ImageStream.build(
        Build(width=SIDE, height=SIDE, accelerator="eager", slots=4, threads=1), lambda text, fraction: None
    )


@pytest.fixture
def stream(_stream: ImageStream) -> Iterator[ImageStream]:
    _stream.clear()
    yield _stream
    assert _stream.in_flight == 0


def picture(value: float) -> NDArray[np.uint8]:
    """A ring in front of a gradient, further along and brighter with `value`."""
    y, x = np.mgrid[:SIDE, :SIDE]
    ring = np.abs(np.hypot(x - 12 - 2 * value, y - 32) - 12) < 4
    grey = 60 + x + 4 * value + 100 * ring
    return np.stack([grey, 0.7 * grey, 255 - grey], -1).clip(0, 255).astype(np.uint8)


def drawn(stream: ImageStream, pictures: list[NDArray[np.uint8]], **values: object) -> list[NDArray[np.uint8]]:
    parameters = Parameters.model_validate({"strength": 0.8, "steps": 3} | values)
    counted: list[None] = []
    out = list(redraw(stream, pictures, frame_parameters({0: parameters}, 25.0), lambda: counted.append(None)))
    assert len(out) == len(counted) == len(pictures)
    return out


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def is_same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Return True if no value differs by more than one rounding step.

    Torch sums in another order in a batch of another size, and a frame shares its calls with those in flight.
    """
    return int(np.abs(one.astype(np.int16) - other).max()) <= 1


@pytest.fixture(scope="module")
def as_a_stream(_stream: ImageStream) -> list[NDArray[np.uint8]]:
    """Seven pictures, drawn at the usual pace."""
    return drawn(_stream, [picture(value) for value in range(7)])


@pytest.mark.parametrize(
    "pace",
    [{"low_latency": True}, {"frame_buffer": 3}, {"frame_buffer": 4}, {"frame_buffer": 2, "low_latency": True}],
)
def test_pace_changes_no_picture(
    stream: ImageStream, as_a_stream: list[NDArray[np.uint8]], pace: dict[str, object]
) -> None:
    pictures = [picture(value) for value in range(7)]
    assert all(difference(one, other) > 2 for one, other in pairwise(as_a_stream))
    for one, other in zip(drawn(stream, pictures, **pace), as_a_stream, strict=True):
        assert is_same(one, other)


STEPS = [0.0, 0.1, 0.2, 5.0, 5.1, 10.0, 10.1, 10.2, 10.1]


@pytest.fixture(scope="module")
def whole(_stream: ImageStream) -> list[NDArray[np.uint8]]:
    """The pictures at `STEPS`, none of them skipped."""
    return drawn(_stream, [picture(value) for value in STEPS])


@pytest.mark.parametrize("pace", [{}, {"low_latency": True}, {"frame_buffer": 3}])
def test_skipped_picture_repeats_the_last_output(
    stream: ImageStream, whole: list[NDArray[np.uint8]], pace: dict[str, object]
) -> None:
    out = drawn(stream, [picture(value) for value in STEPS], skip=3.0, **pace)
    for place, drawn_from in enumerate([0, 0, 0, 3, 3, 5, 5, 5, 5]):
        assert is_same(out[place], whole[drawn_from])
    assert difference(whole[0], whole[3]) > 5
    longest = drawn(stream, [picture(value) for value in STEPS[:3]], skip=3.0, skip_longest=1, **pace)
    assert is_same(longest[2], whole[2])


def test_feedback_is_deterministic(stream: ImageStream) -> None:
    still = [picture(0.0)] * 8
    values = {"feedback": 0.6, "feedback_rotate": 10.0, "skip": 10.0}
    out = drawn(stream, still, **values)
    stream.clear()
    again = drawn(stream, still, **values)
    assert all((one == other).all() for one, other in zip(out, again, strict=True))
    assert is_same(out[2], out[0]), "of three in flight none was finished when the third began"
    assert difference(out[3], out[0]) > 5
    assert difference(out[7], out[3]) > 5, "a still source moves, and is not skipped"


def frames_of(stream: ImageStream, presets: dict[int, dict[str, object]], count: int) -> list[NDArray[np.uint8]]:
    """Redraw a still picture `count` times, with presets by the number of their frame."""
    common = {"strength": 0.9, "steps": 3}
    parameters = {frame: Parameters.model_validate(common | values) for frame, values in presets.items()}
    return list(redraw(stream, [picture(0.0)] * count, frame_parameters(parameters, 10.0), lambda: None))


def test_morph_follows_the_frame_number(stream: ImageStream) -> None:
    one, other = {"prompt": "ice", "seed": 1}, {"prompt": "fire", "seed": 2, "strength": 0.7}
    out = frames_of(stream, {0: one, 4: other | {"morph": 0.5}}, 12)
    cut = frames_of(stream, {0: one, 4: other}, 12)
    assert all(is_same(out[frame], cut[0]) for frame in range(5)), "it starts at frame 4, from nothing"
    steps = [difference(*pair) for pair in pairwise(out[4:10])]
    assert all(0.5 < step < difference(cut[3], cut[4]) for step in steps), "five frames are half a second"
    assert all(is_same(out[frame], cut[-1]) for frame in range(9, 12))
    counted = frames_of(stream, {0: one, 4: other | {"morph_pictures": 5}}, 12)
    assert difference(counted[4], cut[0]) > 0.5, "counted, the first picture is a fifth of the way"
    assert is_same(counted[8], cut[-1])
    assert difference(counted[7], cut[-1]) > 0.5


def test_drift_moves_a_still_and_is_deterministic(stream: ImageStream) -> None:
    out, again = (frames_of(stream, {0: {"drift": 2.0, "skip": 10.0}}, 8) for _ in range(2))
    assert all((one == other).all() for one, other in zip(out, again, strict=True))
    assert all(difference(*pair) > 0.5 for pair in pairwise(out)), "and nothing is skipped"
    still = frames_of(stream, {0: {}}, 1)
    assert is_same(out[0], still[0])
    assert is_same(out[5], frames_of(stream, {0: {"drift": 1.0}}, 11)[10]), "one noise on, at either speed"


def test_lfos_follow_the_frame_number() -> None:
    lfo = Lfo(target="strength", shape="rise", amount=0.5, period=2.0)  # beats of half a second
    given = {0: Parameters(lfo=(lfo,), strength=0.5)}
    strengths = [frame.parameters.strength for frame in islice(frame_parameters(given, 4.0), 5)]
    assert strengths == pytest.approx([0.25, 0.375, 0.5, 0.625, 0.25])
    zoom = {0: Parameters(lfo=(lfo.model_copy(update={"target": "zoom"}),), zoom=4.0)}
    assert len({each.zoom for each in islice(staged_parameters(zoom, 4.0), 4)}) == 4


def test_sound_moves_each_frame() -> None:
    def hear(seconds: float) -> tuple[Heard, float]:
        return Heard(level=seconds), seconds

    level = Lfo(target="strength", shape="level", amount=0.5)
    onsets = Lfo(target="zoom", shape="envelope", start="onset", period=1.0, timing="seconds", amount=-0.5)
    given = {0: Parameters(lfo=(level, onsets), strength=0.5, zoom=10.0)}
    strengths = [frame.parameters.strength for frame in islice(frame_parameters(given, 4.0, hear), 5)]
    assert strengths == pytest.approx([0.5, 0.5625, 0.625, 0.6875, 0.75])
    zooms = [each.framing.zoom for each in islice(preset_pictures(given, 4.0, hear), 5)]
    assert zooms == pytest.approx([10 - 2.25 * height for height in (1, 0.5625, 0.25, 0.0625, 0)])


def test_presets_grade_what_goes_out() -> None:
    lfo = Lfo(target="brightness", shape="rise", amount=1.0, period=2.0)  # beats of half a second
    given = {0: Parameters(lfo=(lfo,), brightness=0.5), 4: Parameters(), 5: Parameters(zoom=3.0, morph=0.5)}
    white = np.full((2, 2, 3), 200, np.uint8)
    played = list(islice(preset_pictures(given, 4.0), 8))
    out = list(graded(played, [white] * 8))
    assert [picture.max() for picture in out] == [0, 50, 100, 150, 200, 200, 200, 200]
    assert out[4] is white, "no copy without a grade"
    assert [each.framing.zoom for each in played[4:]] == [1.0, 1.0, 2.0, 3.0], "a source glides too"
    assert {each.frame.parameters.brightness for each in played[:4]} == {0.5}, "a still source is not drawn again"
