"""What the stage tells a renderer, on a clock that is turned by hand; and the same as the renderer reads it."""

import math
from pathlib import Path

import pytest
from hand_clock import HandClock
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.link.resolved_frame import ResolvedFrame
from daemon.shared.clock import NS
from daemon.stage.morph_clock import MorphClock
from daemon.stage.parameter_store import ParameterStore
from presets.frame_parameters import FrameParameters, NoiseWeight, TextWeight, without_morph
from presets.library import Library
from presets.parameters import Parameters

HAND = "osc:127.0.0.1:50123"


class Desk:
    """A store, its moments and a clock."""

    def __init__(self, folder: Path, **values: object) -> None:
        self.library = Library(folder)
        self.clock = HandClock()
        self.store = ParameterStore(self.library)
        self.set(prompt="ice", **values)
        self.moments = MorphClock(self.store, self.clock)

    def set(self, **values: object) -> None:
        for key, value in values.items():
            assert self.store.apply(f"/{key}", [value], HAND).accepted

    def look(self, name: str, text: str) -> None:
        self.library.folder.mkdir(exist_ok=True)
        (self.library.folder / f"{name}.yaml").write_text(text)

    def after(self, seconds: float) -> tuple[FrameParameters, bool]:
        """What is told that much later, and whether it moves on."""
        self.clock.time += round(seconds * NS)
        revision, message = self.moments.resolved_frame()
        assert revision == self.store.wanted
        frame = ResolvedFrame.decode(message)
        return frame.parameters, frame.is_moving


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "presets")


def texts(moment: FrameParameters) -> dict[str, float]:
    return {text: pytest.approx(weight) for text, weight in moment.prompt}


def test_what_stands_still_is_told_in_the_same_bytes(desk: Desk) -> None:
    first = desk.moments.resolved_frame()
    desk.clock.time += 100 * NS
    assert desk.moments.resolved_frame() is first
    assert desk.after(1) == (without_morph(desk.store.snapshot()[1]), False)
    desk.set(brightness=0.5)
    assert desk.moments.resolved_frame()[0] == first[0] + 1


def test_a_morph_runs_on_the_clock_from_when_it_is_first_told_of(desk: Desk) -> None:
    desk.set(morph=2.0, seed=9)
    desk.set(prompt="fire")
    desk.clock.time += 50 * NS  # nobody has asked
    assert desk.after(0)[0].prompt == (TextWeight("ice"),)
    moment, moves = desk.after(0.5)
    assert texts(moment) == {"ice": 0.75, "fire": 0.25}
    assert moves
    assert {seed: weight for seed, _, weight in moment.noise} == {
        0: pytest.approx(math.cos(math.pi / 8)),
        9: pytest.approx(math.sin(math.pi / 8)),
    }
    desk.set(prompt="moss")
    assert texts(desk.after(0)[0]) == {"ice": 0.75, "fire": 0.25}
    assert texts(desk.after(1)[0]) == {"ice": 0.375, "fire": 0.125, "moss": 0.5}
    assert desk.after(1) == (without_morph(desk.store.snapshot()[1]), False)


def test_in_pictures_each_message_is_one_and_time_is_nothing(desk: Desk) -> None:
    desk.set(morph_pictures=4, prompt="fire")
    told = [desk.after(100) for _ in range(5)]
    assert [moment.prompt[-1] for moment, _ in told] == [
        TextWeight("fire", share) for share in (0.25, 0.5, 0.75, 1.0, 1.0)
    ]
    assert [moves for _, moves in told] == [True, True, True, False, False]


def test_a_look_glides_in_its_own_time_and_one_that_says_none_in_the_fader_s(desk: Desk) -> None:
    desk.look("cold", "strength: 0.2\nprompt: snow\nmorph: 1\n")
    desk.look("hot", "strength: 1.0\nprompt: fire\n")
    desk.look("sharp", "strength: 0.5\nprompt: glass\nmorph: 0\n")
    desk.set(strength=0.6, morph=4.0, preset="hot")
    desk.after(0)
    moment, moves = desk.after(2)
    assert (moment.parameters.strength, moves) == (pytest.approx(0.8), True)
    assert texts(moment) == {"ice": 0.5, "fire": 0.5}
    desk.set(preset="cold")
    desk.after(0)
    assert desk.after(0.5)[0].parameters.strength == pytest.approx(0.5), "on from where it was, in the look's time"
    assert desk.after(0.5)[0] == without_morph(desk.store.snapshot()[1])
    desk.set(preset="sharp")
    assert desk.after(0) == (without_morph(desk.store.snapshot()[1]), False)
    assert desk.store.values()["/morph"] == 0


def test_panic_cuts_back_to_the_look(desk: Desk) -> None:
    desk.look("hot", "strength: 1.0\nprompt: fire\nmorph: 4\n")
    desk.set(preset="hot")
    desk.after(0)
    desk.after(9)
    desk.set(prompt="ash", strength=0.1)
    desk.after(0)
    assert texts(desk.after(3)[0]) == {"fire": 0.25, "ash": 0.75}
    assert desk.store.apply("/panic", [], HAND).accepted
    assert desk.after(0) == (without_morph(desk.store.snapshot()[1]), False)
    assert desk.after(0)[0].prompt == (TextWeight("fire"),)


def test_a_saved_look_is_no_other_look(desk: Desk) -> None:
    desk.set(morph=4.0, strength=0.5)
    desk.after(0)
    assert desk.store.apply("/save", ["mine"], HAND).accepted
    assert desk.after(0) == (without_morph(desk.store.snapshot()[1]), False)
    assert desk.library.load("mine").values["morph"] == 4.0


def test_drift_wanders_on_the_clock(desk: Desk) -> None:
    desk.set(drift=2.0)
    assert desk.after(0) == (without_morph(desk.store.snapshot()[1]), True)
    found = {leg: pytest.approx(weight) for _, leg, weight in desk.after(0.25)[0].noise}
    assert found == {0: math.sqrt(0.5), 1: math.sqrt(0.5)}
    desk.set(drift=0.0)
    held, moves = desk.after(0.25)
    assert not moves
    assert desk.after(60)[0].noise == held.noise == (NoiseWeight(0, 1, pytest.approx(1.0)),)


SHARES = st.lists(st.builds(TextWeight, st.text(max_size=20), st.floats(0, 1)), min_size=1, max_size=5).map(tuple)


@settings(deadline=None)
@given(
    SHARES,
    SHARES,
    st.lists(st.builds(NoiseWeight, st.integers(0, 2**31 - 1), st.integers(0, 10**6), st.floats(0, 1))).map(tuple),
    st.floats(0, 1),
    st.booleans(),
)
def test_a_moment_comes_through_the_link_as_it_is(
    prompt: tuple[TextWeight, ...],
    negative: tuple[TextWeight, ...],
    noise: tuple[NoiseWeight, ...],
    strength: float,
    moving: bool,
) -> None:
    moment = FrameParameters(Parameters(strength=strength, prompt_mix="spherical", drift=0.1), prompt, negative, noise)
    frame = ResolvedFrame(moment, moving)
    assert ResolvedFrame.decode(frame.encode()) == frame
