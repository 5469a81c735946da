"""Morphs, turned by hand: continuous whatever interrupts them, bounded, and at their end exactly what is wanted."""

import math
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presets.drift import MOST_CHAINS
from presets.frame_parameters import FrameParameters, NoiseWeight, TextWeight, without_morph
from presets.morph import (
    GLIDING,
    MOST_TEXTS,
    Change,
    MorphState,
    MorphTime,
    is_moving,
    resolve_frame,
    start_morphs,
    update_morphs,
)
from presets.parameters import Parameters, WeightedPrompt

START = Parameters(prompt="ice", seed=1, strength=0.4)


def at(seconds: float, pictures: int = 0) -> MorphTime:
    return MorphTime(seconds, pictures)


def by_hand(course: MorphState, when: float, **values: object) -> MorphState:
    wanted = Parameters.model_validate(course.parameters.model_dump() | values)
    return update_morphs(course, wanted, at(when), Change.BY_HAND)


def of_texts(mix: Iterable[TextWeight]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text, weight in mix:
        found[text] = found.get(text, 0.0) + weight
    return found


def apart(one: dict[str, float], other: dict[str, float]) -> float:
    return sum(abs(one.get(text, 0.0) - other.get(text, 0.0)) for text in one.keys() | other.keys())


def angle(one: FrameParameters, other: FrameParameters) -> float:
    """Between the noises of two moments, as vectors whose axes are the independent ones."""
    first, second = ({(seed, leg): weight for seed, leg, weight in each.noise} for each in (one, other))
    chord = math.hypot(*(first.get(axis, 0.0) - second.get(axis, 0.0) for axis in first.keys() | second.keys()))
    return 2 * math.asin(min(chord / 2, 1.0))


def test_without_a_morph_everything_is_a_cut() -> None:
    course = start_morphs(START, at(0))
    assert resolve_frame(course, at(5)) == without_morph(START)
    for change in Change:
        wanted = Parameters(prompt="fire", negative_prompt="grey", seed=9, strength=0.8)
        after = update_morphs(course, wanted, at(5), change)
        assert resolve_frame(after, at(5)) == without_morph(wanted)
        assert not is_moving(after, at(5))


def test_a_prompt_goes_over_evenly_in_its_time() -> None:
    course = by_hand(start_morphs(START, at(0)), 10, prompt="fire", morph=4.0)
    shares = [of_texts(resolve_frame(course, at(10 + seconds)).prompt) for seconds in (0, 1, 2, 3, 4, 5)]
    assert shares == [
        {"ice": 1.0},
        {"ice": 0.75, "fire": 0.25},
        {"ice": 0.5, "fire": 0.5},
        {"ice": 0.25, "fire": 0.75},
        {"fire": 1.0},
        {"fire": 1.0},
    ]
    assert [is_moving(course, at(10 + seconds)) for seconds in (0, 3.99, 4)] == [True, True, False]


def test_in_pictures_the_last_of_so_many_is_wholly_there_and_time_does_not_count() -> None:
    wanted = START.model_copy(update={"prompt": (WeightedPrompt(text="fire"),), "morph": 60.0, "morph_pictures": 4})
    course = update_morphs(start_morphs(START, at(0)), wanted, at(7, 100), Change.BY_HAND)
    shares = [of_texts(resolve_frame(course, at(7 + 1000 * n, 100 + n)).prompt).get("fire", 0) for n in range(6)]
    assert shares == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert [is_moving(course, at(7, 100 + n)) for n in range(5)] == [True, True, True, False, False]


def test_nothing_is_a_text_too() -> None:
    course = by_hand(start_morphs(START, at(0)), 1, negative_prompt="grey", morph=2.0)
    assert resolve_frame(course, at(1)).negative == (TextWeight(""),)
    assert of_texts(resolve_frame(course, at(2)).negative) == {"": 0.5, "grey": 0.5}
    assert resolve_frame(course, at(3)).negative == (TextWeight("grey"),)
    assert resolve_frame(course, at(2)).prompt == (TextWeight("ice"),), "the prompt stands still meanwhile"


def test_the_old_mix_comes_before_the_new_one_with_its_own_shares() -> None:
    mix = (WeightedPrompt(text="ice", weight=1.0), WeightedPrompt(text="moss", weight=0.25))
    course = start_morphs(START.model_copy(update={"prompt": mix, "morph": 2.0}), at(0))
    after = by_hand(course, 1, prompt="fire")
    expected = [("ice", 0.4), ("moss", 0.1), ("fire", 0.5)]
    assert [(text, pytest.approx(weight)) for text, weight in expected] == [*resolve_frame(after, at(2)).prompt]
    third = by_hand(after, 2, prompt="ice")
    expected = [("ice", 0.2), ("moss", 0.05), ("fire", 0.25), ("ice", 0.5)]
    assert [(text, pytest.approx(weight)) for text, weight in expected] == [*resolve_frame(third, at(3)).prompt]


def test_what_a_hand_moves_at_a_fader_is_followed_at_once() -> None:
    two = (WeightedPrompt(text="ice"), WeightedPrompt(text="fire", weight=0.0))
    course = start_morphs(START.model_copy(update={"prompt": two, "morph": 10.0, "seed_to": 2}), at(0))
    for share in (0.25, 0.5, 1.0):
        weight = share / (1 - share) if share < 1 else 2.0
        prompts = [{"text": "ice", "weight": 1.0 if share < 1 else 0.0}, {"text": "fire", "weight": min(weight, 2.0)}]
        turn = by_hand(course, 5, strength=share, guidance=2.0, prompt=prompts, seed_mix=share)
        found = resolve_frame(turn, at(5))
        assert (found.parameters.strength, found.parameters.guidance) == (share, 2.0)
        assert of_texts(found.prompt)["fire"] == pytest.approx(share)
        assert found.noise[-1] == (2, 0, pytest.approx(math.sin(share * math.pi / 2)))
        assert not is_moving(turn, at(5))


def test_a_look_brings_its_numbers_gliding_and_everything_else_at_once() -> None:
    course = start_morphs(
        Parameters(strength=0.2, guidance=1.0, steps=2, width=128, brightness=0.5, feedback_x=-0.5), at(0)
    )
    wanted = Parameters(
        strength=1.0, guidance=3.0, steps=6, mode="text", width=512, low_latency=True, feedback_x=0.5, morph=2.0
    )
    after = update_morphs(course, wanted, at(0), Change.LOOK)
    found = resolve_frame(after, at(0.5)).parameters
    assert (found.strength, found.guidance, found.feedback_x) == (pytest.approx(0.4), 1.5, -0.25)
    assert found == wanted.model_copy(
        update={key: getattr(found, key) for key in ("strength", "guidance", "feedback_x")}
    )
    assert found.brightness == 1.0
    assert resolve_frame(after, at(2)) == without_morph(wanted)
    held = by_hand(after, 0.5, strength=0.9)
    assert resolve_frame(held, at(0.5)).parameters.strength == 0.9, (
        "a fader that a hand takes hold of is where the hand is"
    )
    assert resolve_frame(held, at(1.0)).parameters.guidance == 2.0, "the others glide on"


def test_a_look_on_its_way_is_left_for_another_from_where_it_is() -> None:
    course = start_morphs(Parameters(strength=0.0, prompt="ice", seed=1), at(0))
    first = update_morphs(course, Parameters(strength=1.0, prompt="fire", seed=2, morph=4.0), at(0), Change.LOOK)
    second = update_morphs(first, Parameters(strength=0.5, prompt="moss", seed=3, morph=2.0), at(2), Change.LOOK)
    assert resolve_frame(second, at(2)).parameters.strength == 0.5
    assert of_texts(resolve_frame(second, at(2)).prompt) == {"ice": 0.5, "fire": 0.5}
    assert of_texts(resolve_frame(second, at(3)).prompt) == {"ice": 0.25, "fire": 0.25, "moss": 0.5}
    assert angle(resolve_frame(first, at(2)), resolve_frame(second, at(2))) < 1e-6
    assert angle(resolve_frame(second, at(2)), resolve_frame(second, at(3))) == pytest.approx(math.pi / 4)
    assert resolve_frame(second, at(4)) == without_morph(second.parameters)


def test_panic_cuts_and_so_does_a_morph_of_no_length() -> None:
    course = by_hand(start_morphs(START, at(0)), 0, prompt="fire", seed=7, morph=10.0)
    assert is_moving(course, at(1))
    panic = update_morphs(course, START.model_copy(update={"morph": 10.0}), at(1), Change.CUT)
    assert resolve_frame(panic, at(1)) == without_morph(panic.parameters)
    at_once = by_hand(course, 1, morph=0.0)
    assert resolve_frame(at_once, at(1)) == without_morph(at_once.parameters)


def test_two_seeds_and_the_fader_between_them() -> None:
    def noise(**values: object) -> tuple[NoiseWeight, ...]:
        return without_morph(Parameters.model_validate({"seed": 4, "seed_to": 9} | values)).noise

    assert noise() == (NoiseWeight(4),)
    assert noise(seed_mix=1.0) == (NoiseWeight(9),)
    assert noise(seed_mix=0.5) == (
        NoiseWeight(4, 0, pytest.approx(math.sqrt(0.5))),
        NoiseWeight(9, 0, pytest.approx(math.sqrt(0.5))),
    )
    assert noise(seed_mix=0.3, seed_to=4) == (NoiseWeight(4, 0, pytest.approx(1.0)),)


def test_a_seed_that_is_not_heard_changes_without_a_morph() -> None:
    course = start_morphs(START.model_copy(update={"morph": 5.0, "seed_mix": 1.0}), at(0))
    after = by_hand(course, 1, seed=77)
    assert not is_moving(after, at(1))
    assert resolve_frame(after, at(1)).noise == (NoiseWeight(START.seed_to),)
    heard = by_hand(after, 2, seed_mix=0.0)
    assert resolve_frame(heard, at(2)).noise == (NoiseWeight(77),)


def test_drift_turns_at_its_speed_and_goes_ever_on() -> None:
    course = start_morphs(START.model_copy(update={"drift": 0.5}), at(3))
    assert is_moving(course, at(3))
    assert resolve_frame(course, at(3)).noise == (NoiseWeight(1),)
    assert resolve_frame(course, at(4)).noise == (
        NoiseWeight(1, 0, pytest.approx(math.sqrt(0.5))),
        NoiseWeight(1, 1, pytest.approx(math.sqrt(0.5))),
    )
    assert resolve_frame(course, at(5)).noise == (NoiseWeight(1, 1, pytest.approx(1.0)),)
    for one, other in pairwise(n / 10 for n in range(30, 400)):
        turn = angle(resolve_frame(course, at(one)), resolve_frame(course, at(other)))
        corner = math.floor((one - 3) / 2) != math.floor((other - 3) / 2 - 1e-9)
        assert turn == pytest.approx(0.1 * 0.5 * math.pi / 2, rel=0.3 if corner else 1e-6)
    assert angle(resolve_frame(course, at(3)), resolve_frame(course, at(100_003))) == pytest.approx(math.pi / 2)


def test_drift_that_stops_holds_the_noise_where_it_is_until_another_seed_or_look() -> None:
    course = start_morphs(START.model_copy(update={"drift": 1.0}), at(0))
    held = by_hand(course, 2.5, drift=0.0)
    assert not is_moving(held, at(2.5))
    assert (
        resolve_frame(held, at(2.5)).noise == resolve_frame(held, at(99)).noise == resolve_frame(course, at(2.5)).noise
    )
    on = by_hand(held, 99, drift=1.0)
    assert angle(resolve_frame(on, at(99)), resolve_frame(held, at(99))) == 0
    assert resolve_frame(on, at(99.5)).noise == (NoiseWeight(1, 3, pytest.approx(1.0)),)
    assert resolve_frame(by_hand(held, 99, seed=2), at(99)).noise == (NoiseWeight(2),)
    again = update_morphs(held, START, at(99), Change.LOOK)
    assert resolve_frame(again, at(99)) == without_morph(START)
    slowly = update_morphs(held, START.model_copy(update={"morph": 2.0}), at(99), Change.LOOK)
    assert angle(resolve_frame(slowly, at(99)), resolve_frame(held, at(99))) < 1e-6
    assert resolve_frame(slowly, at(101)).noise == (NoiseWeight(1),), "its own seed too begins anew"


def test_in_a_morph_of_seeds_both_wander_on() -> None:
    course = start_morphs(START.model_copy(update={"drift": 0.5}), at(0))
    after = by_hand(course, 1, seed=2, morph=4.0)
    assert angle(resolve_frame(course, at(1)), resolve_frame(after, at(1))) < 1e-6
    halfway = resolve_frame(after, at(3))
    axes = {(seed, leg) for seed, leg, weight in halfway.noise if weight > 1e-9}
    assert axes == {(1, 1), (1, 2), (2, 1)}
    assert resolve_frame(after, at(5)).noise == (NoiseWeight(2, 2, pytest.approx(1.0)),)


def look(prompt: list[tuple[str, float]], **values: object) -> Parameters:
    mix = tuple(WeightedPrompt(text=text, weight=weight) for text, weight in prompt)
    return Parameters.model_validate({"prompt": mix, **values})


LOOKS = st.builds(
    look,
    prompt=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 2)), max_size=4),
    negative_prompt=st.sampled_from(["", "x", "y"]),
    seed=st.integers(0, 3),
    seed_to=st.integers(0, 3),
    seed_mix=st.floats(0, 1),
    drift=st.sampled_from([0.0, 0.0, 0.3, 2.0]),
    strength=st.floats(0, 1),
    morph=st.floats(1, 10),
)
TURNS = st.tuples(st.sampled_from([Change.BY_HAND, Change.LOOK]), LOOKS, st.floats(0.01, 4.0))


def followed(course: MorphState, wanted: Parameters, change: Change) -> Parameters:
    """What a hand moves at a fader stays where it was: it would jump by itself."""
    before = course.parameters
    if change is Change.LOOK:
        return wanted
    same = [prompt.text for prompt in wanted.prompt] == [prompt.text for prompt in before.prompt]
    kept = {"strength": before.strength, "seed_mix": before.seed_mix}
    return wanted.model_copy(update=kept | {"prompt": before.prompt if same else wanted.prompt})


@settings(deadline=None, max_examples=60)
@given(LOOKS, st.lists(TURNS, max_size=6))
def test_whatever_is_turned_when_it_goes_on_from_where_it_is_and_evenly(
    start: Parameters, turns: list[tuple[Change, Parameters, float]]
) -> None:
    course, now = start_morphs(start, at(0)), 0.0
    for change, wanted, seconds in turns:
        shown = resolve_frame(course, at(now))
        course = update_morphs(course, followed(course, wanted, change), at(now), change)
        for step in (0.0, 1e-6, seconds / 2, seconds / 2 + 1e-3):
            found = resolve_frame(course, at(now + step))
            if step != seconds / 2:
                moved = 1e-7 + (step if step < 0.01 else 1e-3)  # no morph is shorter than a second
                assert apart(of_texts(shown.prompt), of_texts(found.prompt)) <= 2 * moved
                assert apart(of_texts(shown.negative), of_texts(found.negative)) <= 2 * moved
                assert abs(shown.parameters.strength - found.parameters.strength) <= moved
                assert angle(shown, found) <= 2 * math.pi * moved + 1e-7
            shown = found
        now += seconds


@settings(deadline=None, max_examples=60)
@given(LOOKS, st.lists(TURNS, max_size=40))
def test_however_often_it_is_interrupted_it_is_whole_and_bounded_and_comes_to_its_end(
    start: Parameters, turns: list[tuple[Change, Parameters, float]]
) -> None:
    course, now = start_morphs(start, at(0)), 0.0
    for change, wanted, seconds in turns:
        now += seconds / 10
        course = update_morphs(course, wanted, at(now), change)
        found = resolve_frame(course, at(now + seconds / 20))
        for mix in (found.prompt, found.negative):
            assert 1 <= len(mix) <= MOST_TEXTS
            assert all(share.weight > 0 for share in mix)
            assert math.fsum(share.weight for share in mix) == pytest.approx(1)
        assert 1 <= len(found.noise) <= 2 * MOST_CHAINS
        assert len({share[:2] for share in found.noise}) == len(found.noise), "each noise once"
        assert all(share.weight > 0 for share in found.noise)
        assert math.fsum(share.weight**2 for share in found.noise) == pytest.approx(1)
    settled, wanted = resolve_frame(course, at(now + 100)), without_morph(course.parameters)
    assert settled[:3] == wanted[:3]
    if not any(each.drift for each in (start, *(each for _, each, _ in turns))):
        assert settled == wanted


def test_of_too_many_texts_the_least_give_way() -> None:
    course = start_morphs(look([("ice", 1.0)], morph=10.0), at(0))
    for number in range(100):
        course = by_hand(course, number, prompt=f"text {number}")
    found = of_texts(resolve_frame(course, at(100)).prompt)
    assert len(found) <= MOST_TEXTS
    assert {f"text {number}" for number in range(80, 100)} <= found.keys()
    assert "ice" not in found


def test_what_glides_is_every_number_of_a_picture_that_is_not_about_the_way_itself() -> None:
    assert {"strength", "guidance", "feedback", "feedback_zoom", "skip"} <= set(GLIDING)
    assert not {"brightness", "fade", "drift", "morph", "seed_mix", "steps", "width"} & set(GLIDING)
