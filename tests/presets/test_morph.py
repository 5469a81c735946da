"""Morphs under explicit instants: continuous when interrupted, bounded, and exact at their end."""

import math
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presets.drift import MAX_CHAINS
from presets.fades import DRAWN, STAGED, Change, MorphTime
from presets.frame_parameters import FrameParameters, NoiseWeight, TextWeight, without_morph
from presets.lfo_parameters import Lfo
from presets.morph import (
    MAX_TEXTS,
    MorphState,
    is_moving,
    resolve_frame,
    start_morphs,
    update_morphs,
)
from presets.parameters import Parameters, WeightedPrompt

START = Parameters(prompt="ice", seed=1, strength=0.4)


def at(seconds: float, pictures: int = 0) -> MorphTime:
    return MorphTime(seconds, pictures)


def set_controls(state: MorphState, when: float, **values: object) -> MorphState:
    wanted = Parameters.model_validate(state.parameters.model_dump() | values)
    return update_morphs(state, wanted, at(when), Change.CONTROL)


def text_weights(mix: Iterable[TextWeight]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text, weight in mix:
        found[text] = found.get(text, 0.0) + weight
    return found


def apart(one: dict[str, float], other: dict[str, float]) -> float:
    return sum(abs(one.get(text, 0.0) - other.get(text, 0.0)) for text in one.keys() | other.keys())


def angle(one: FrameParameters, other: FrameParameters) -> float:
    """Return the angle between the noises of two frames, as vectors on the independent noises."""
    first, second = ({(seed, leg): weight for seed, leg, weight in each.noise} for each in (one, other))
    chord = math.hypot(*(first.get(axis, 0.0) - second.get(axis, 0.0) for axis in first.keys() | second.keys()))
    return 2 * math.asin(min(chord / 2, 1.0))


def test_without_morph_everything_cuts() -> None:
    state = start_morphs(START, at(0))
    assert resolve_frame(state, at(5)) == without_morph(START)
    for change in Change:
        wanted = Parameters(prompt="fire", negative_prompt="grey", seed=9, strength=0.8)
        after = update_morphs(state, wanted, at(5), change)
        assert resolve_frame(after, at(5)) == without_morph(wanted)
        assert not is_moving(after, at(5))


def test_prompt_fades_linearly_in_seconds() -> None:
    state = set_controls(start_morphs(START, at(0)), 10, prompt="fire", morph=4.0)
    shares = [text_weights(resolve_frame(state, at(10 + seconds)).prompt) for seconds in (0, 1, 2, 3, 4, 5)]
    assert shares == [
        {"ice": 1.0},
        {"ice": 0.75, "fire": 0.25},
        {"ice": 0.5, "fire": 0.5},
        {"ice": 0.25, "fire": 0.75},
        {"fire": 1.0},
        {"fire": 1.0},
    ]
    assert [is_moving(state, at(10 + seconds)) for seconds in (0, 3.99, 4)] == [True, True, False]


def test_morph_pictures_count_instead_of_time() -> None:
    wanted = START.model_copy(update={"prompt": (WeightedPrompt(text="fire"),), "morph": 60.0, "morph_pictures": 4})
    state = update_morphs(start_morphs(START, at(0)), wanted, at(7, 100), Change.CONTROL)
    shares = [text_weights(resolve_frame(state, at(7 + 1000 * n, 100 + n)).prompt).get("fire", 0) for n in range(6)]
    assert shares == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert [is_moving(state, at(7, 100 + n)) for n in range(5)] == [True, True, True, False, False]


def test_morph_in_beats_at_the_tempo() -> None:
    state = set_controls(start_morphs(START, at(0.0)), 0.0, prompt="fire", morph_beats=4.0, morph=60.0, bpm=240.0)
    assert text_weights(resolve_frame(state, at(0.25)).prompt) == pytest.approx({"ice": 0.75, "fire": 0.25})
    assert not is_moving(state, at(1.0))


def test_random_seed_is_another_for_each_picture() -> None:
    state = start_morphs(Parameters(seed=-1), at(0.0))
    assert is_moving(state, at(0.0))
    seeds = [resolve_frame(state, at(0.0, number)).noise[0].seed for number in range(1000)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert 0.45 < sum(seed & 1 for seed in seeds) / 1000 < 0.55
    still = set_controls(state, 1.0, seed=5, seed_to=-1)
    assert not is_moving(still, at(1.0)), "the second seed is not used"
    assert resolve_frame(still, at(1.0, 7)).noise == (NoiseWeight(5),)
    assert is_moving(set_controls(still, 1.0, seed_mix=0.5), at(1.0))


def test_empty_text_fades_like_any_other() -> None:
    state = set_controls(start_morphs(START, at(0)), 1, negative_prompt="grey", morph=2.0)
    assert resolve_frame(state, at(1)).negative == (TextWeight(""),)
    assert text_weights(resolve_frame(state, at(2)).negative) == {"": 0.5, "grey": 0.5}
    assert resolve_frame(state, at(3)).negative == (TextWeight("grey"),)
    assert resolve_frame(state, at(2)).prompt == (TextWeight("ice"),), "the prompt does not change meanwhile"


def test_old_mix_keeps_its_shares_and_order() -> None:
    mix = (WeightedPrompt(text="ice", weight=1.0), WeightedPrompt(text="moss", weight=0.25))
    state = start_morphs(START.model_copy(update={"prompt": mix, "morph": 2.0}), at(0))
    after = set_controls(state, 1, prompt="fire")
    expected = [("ice", 0.4), ("moss", 0.1), ("fire", 0.5)]
    assert [(text, pytest.approx(weight)) for text, weight in expected] == [*resolve_frame(after, at(2)).prompt]
    third = set_controls(after, 2, prompt="ice")
    expected = [("ice", 0.2), ("moss", 0.05), ("fire", 0.25), ("ice", 0.5)]
    assert [(text, pytest.approx(weight)) for text, weight in expected] == [*resolve_frame(third, at(3)).prompt]


def test_faders_are_followed_directly() -> None:
    two = (WeightedPrompt(text="ice"), WeightedPrompt(text="fire", weight=0.0))
    state = start_morphs(START.model_copy(update={"prompt": two, "morph": 10.0, "seed_to": 2}), at(0))
    for share in (0.25, 0.5, 1.0):
        weight = share / (1 - share) if share < 1 else 2.0
        prompts = [{"text": "ice", "weight": 1.0 if share < 1 else 0.0}, {"text": "fire", "weight": min(weight, 2.0)}]
        moved = set_controls(state, 5, strength=share, guidance=2.0, prompt=prompts, seed_mix=share)
        found = resolve_frame(moved, at(5))
        assert (found.parameters.strength, found.parameters.guidance) == (share, 2.0)
        assert text_weights(found.prompt)["fire"] == pytest.approx(share)
        assert found.noise[-1] == (2, 0, pytest.approx(math.sin(share * math.pi / 2)))
        assert not is_moving(moved, at(5))


def test_preset_glides_numbers_and_cuts_the_rest() -> None:
    state = start_morphs(
        Parameters(strength=0.2, guidance=1.0, steps=2, width=128, brightness=0.5, feedback_x=-0.5), at(0)
    )
    wanted = Parameters(
        strength=1.0, guidance=3.0, steps=6, mode="text", width=512, low_latency=True, feedback_x=0.5, morph=2.0
    )
    after = update_morphs(state, wanted, at(0), Change.PRESET)
    found = resolve_frame(after, at(0.5)).parameters
    assert (found.strength, found.guidance, found.feedback_x) == (pytest.approx(0.4), 1.5, -0.25)
    assert found == wanted.model_copy(
        update={key: getattr(found, key) for key in ("strength", "guidance", "feedback_x")}
    )
    assert found.brightness == 1.0
    assert resolve_frame(after, at(2)) == without_morph(wanted)
    held = set_controls(after, 0.5, strength=0.9)
    assert resolve_frame(held, at(0.5)).parameters.strength == 0.9, "a moved fader stops gliding"
    assert resolve_frame(held, at(1.0)).parameters.guidance == 2.0, "the others still glide"


def test_interrupted_morph_continues() -> None:
    state = start_morphs(Parameters(strength=0.0, prompt="ice", seed=1), at(0))
    first = update_morphs(state, Parameters(strength=1.0, prompt="fire", seed=2, morph=4.0), at(0), Change.PRESET)
    second = update_morphs(first, Parameters(strength=0.5, prompt="moss", seed=3, morph=2.0), at(2), Change.PRESET)
    assert resolve_frame(second, at(2)).parameters.strength == 0.5
    assert text_weights(resolve_frame(second, at(2)).prompt) == {"ice": 0.5, "fire": 0.5}
    assert text_weights(resolve_frame(second, at(3)).prompt) == {"ice": 0.25, "fire": 0.25, "moss": 0.5}
    assert angle(resolve_frame(first, at(2)), resolve_frame(second, at(2))) < 1e-6
    assert angle(resolve_frame(second, at(2)), resolve_frame(second, at(3))) == pytest.approx(math.pi / 4)
    assert resolve_frame(second, at(4)) == without_morph(second.parameters)


def test_panic_and_zero_length_cut() -> None:
    state = set_controls(start_morphs(START, at(0)), 0, prompt="fire", seed=7, morph=10.0)
    assert is_moving(state, at(1))
    panic = update_morphs(state, START.model_copy(update={"morph": 10.0}), at(1), Change.CUT)
    assert resolve_frame(panic, at(1)) == without_morph(panic.parameters)
    cut = set_controls(state, 1, morph=0.0)
    assert resolve_frame(cut, at(1)) == without_morph(cut.parameters)


def test_seed_mix_blends_two_seeds() -> None:
    def noise(**values: object) -> tuple[NoiseWeight, ...]:
        return without_morph(Parameters.model_validate({"seed": 4, "seed_to": 9} | values)).noise

    assert noise() == (NoiseWeight(4),)
    assert noise(seed_mix=1.0) == (NoiseWeight(9),)
    assert noise(seed_mix=0.5) == (
        NoiseWeight(4, 0, pytest.approx(math.sqrt(0.5))),
        NoiseWeight(9, 0, pytest.approx(math.sqrt(0.5))),
    )
    assert noise(seed_mix=0.3, seed_to=4) == (NoiseWeight(4, 0, pytest.approx(1.0)),)


def test_unused_seed_changes_without_a_morph() -> None:
    state = start_morphs(START.model_copy(update={"morph": 5.0, "seed_mix": 1.0}), at(0))
    after = set_controls(state, 1, seed=77)
    assert not is_moving(after, at(1))
    assert resolve_frame(after, at(1)).noise == (NoiseWeight(START.seed_to),)
    heard = set_controls(after, 2, seed_mix=0.0)
    assert resolve_frame(heard, at(2)).noise == (NoiseWeight(77),)


def test_drift_moves_at_its_speed_without_end() -> None:
    state = start_morphs(START.model_copy(update={"drift": 0.5}), at(3))
    assert is_moving(state, at(3))
    assert resolve_frame(state, at(3)).noise == (NoiseWeight(1),)
    assert resolve_frame(state, at(4)).noise == (
        NoiseWeight(1, 0, pytest.approx(math.sqrt(0.5))),
        NoiseWeight(1, 1, pytest.approx(math.sqrt(0.5))),
    )
    assert resolve_frame(state, at(5)).noise == (NoiseWeight(1, 1, pytest.approx(1.0)),)
    for one, other in pairwise(n / 10 for n in range(30, 400)):
        turn = angle(resolve_frame(state, at(one)), resolve_frame(state, at(other)))
        corner = math.floor((one - 3) / 2) != math.floor((other - 3) / 2 - 1e-9)
        assert turn == pytest.approx(0.1 * 0.5 * math.pi / 2, rel=0.3 if corner else 1e-6)
    assert angle(resolve_frame(state, at(3)), resolve_frame(state, at(100_003))) == pytest.approx(math.pi / 2)


def test_stopped_drift_holds_the_noise() -> None:
    state = start_morphs(START.model_copy(update={"drift": 1.0}), at(0))
    held = set_controls(state, 2.5, drift=0.0)
    assert not is_moving(held, at(2.5))
    assert (
        resolve_frame(held, at(2.5)).noise == resolve_frame(held, at(99)).noise == resolve_frame(state, at(2.5)).noise
    )
    on = set_controls(held, 99, drift=1.0)
    assert angle(resolve_frame(on, at(99)), resolve_frame(held, at(99))) == 0
    assert resolve_frame(on, at(99.5)).noise == (NoiseWeight(1, 3, pytest.approx(1.0)),)
    assert resolve_frame(set_controls(held, 99, seed=2), at(99)).noise == (NoiseWeight(2),)
    again = update_morphs(held, START, at(99), Change.PRESET)
    assert resolve_frame(again, at(99)) == without_morph(START)
    slowly = update_morphs(held, START.model_copy(update={"morph": 2.0}), at(99), Change.PRESET)
    assert angle(resolve_frame(slowly, at(99)), resolve_frame(held, at(99))) < 1e-6
    assert resolve_frame(slowly, at(101)).noise == (NoiseWeight(1),), "its own seed starts again"


def test_both_seeds_drift_during_a_morph() -> None:
    state = start_morphs(START.model_copy(update={"drift": 0.5}), at(0))
    after = set_controls(state, 1, seed=2, morph=4.0)
    assert angle(resolve_frame(state, at(1)), resolve_frame(after, at(1))) < 1e-6
    halfway = resolve_frame(after, at(3))
    axes = {(seed, leg) for seed, leg, weight in halfway.noise if weight > 1e-9}
    assert axes == {(1, 1), (1, 2), (2, 1)}
    assert resolve_frame(after, at(5)).noise == (NoiseWeight(2, 2, pytest.approx(1.0)),)


def preset(prompt: list[tuple[str, float]], **values: object) -> Parameters:
    mix = tuple(WeightedPrompt(text=text, weight=weight) for text, weight in prompt)
    return Parameters.model_validate({"prompt": mix, **values})


PRESETS = st.builds(
    preset,
    prompt=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 2)), max_size=4),
    negative_prompt=st.sampled_from(["", "x", "y"]),
    seed=st.integers(0, 3),
    seed_to=st.integers(0, 3),
    seed_mix=st.floats(0, 1),
    drift=st.sampled_from([0.0, 0.0, 0.3, 2.0]),
    strength=st.floats(0, 1),
    morph=st.floats(1, 10),
)
CHANGES = st.tuples(st.sampled_from([Change.CONTROL, Change.PRESET]), PRESETS, st.floats(0.01, 4.0))


def without_jumps(state: MorphState, wanted: Parameters, change: Change) -> Parameters:
    """Keep the faders as they were, because a moved fader jumps without a morph."""
    before = state.parameters
    if change is Change.PRESET:
        return wanted
    same = [prompt.text for prompt in wanted.prompt] == [prompt.text for prompt in before.prompt]
    kept = {"strength": before.strength, "seed_mix": before.seed_mix}
    return wanted.model_copy(update=kept | {"prompt": before.prompt if same else wanted.prompt})


@settings(deadline=None, max_examples=60)
@given(PRESETS, st.lists(CHANGES, max_size=6))
def test_changes_at_any_time_stay_continuous(
    start: Parameters, changes: list[tuple[Change, Parameters, float]]
) -> None:
    state, now = start_morphs(start, at(0)), 0.0
    for change, wanted, seconds in changes:
        shown = resolve_frame(state, at(now))
        state = update_morphs(state, without_jumps(state, wanted, change), at(now), change)
        for step in (0.0, 1e-6, seconds / 2, seconds / 2 + 1e-3):
            found = resolve_frame(state, at(now + step))
            if step != seconds / 2:
                moved = 1e-7 + (step if step < 0.01 else 1e-3)  # no morph is shorter than a second
                assert apart(text_weights(shown.prompt), text_weights(found.prompt)) <= 2 * moved
                assert apart(text_weights(shown.negative), text_weights(found.negative)) <= 2 * moved
                assert abs(shown.parameters.strength - found.parameters.strength) <= moved
                assert angle(shown, found) <= 2 * math.pi * moved + 1e-7
            shown = found
        now += seconds


@settings(deadline=None, max_examples=60)
@given(PRESETS, st.lists(CHANGES, max_size=40))
def test_repeated_interruption_stays_bounded(
    start: Parameters, changes: list[tuple[Change, Parameters, float]]
) -> None:
    state, now = start_morphs(start, at(0)), 0.0
    for change, wanted, seconds in changes:
        now += seconds / 10
        state = update_morphs(state, wanted, at(now), change)
        found = resolve_frame(state, at(now + seconds / 20))
        for mix in (found.prompt, found.negative):
            assert 1 <= len(mix) <= MAX_TEXTS
            assert all(share.weight > 0 for share in mix)
            assert math.fsum(share.weight for share in mix) == pytest.approx(1)
        assert 1 <= len(found.noise) <= 2 * MAX_CHAINS
        assert len({share[:2] for share in found.noise}) == len(found.noise), "each noise once"
        assert all(share.weight > 0 for share in found.noise)
        assert math.fsum(share.weight**2 for share in found.noise) == pytest.approx(1)
    settled, wanted = resolve_frame(state, at(now + 100)), without_morph(state.parameters)
    assert settled[:3] == wanted[:3]
    if not any(each.drift for each in (start, *(each for _, each, _ in changes))):
        assert settled == wanted


def test_too_many_texts_drop_the_lightest() -> None:
    state = start_morphs(preset([("ice", 1.0)], morph=10.0), at(0))
    for number in range(100):
        state = set_controls(state, number, prompt=f"text {number}")
    found = text_weights(resolve_frame(state, at(100)).prompt)
    assert len(found) <= MAX_TEXTS
    assert {f"text {number}" for number in range(80, 100)} <= found.keys()
    assert "ice" not in found


def test_gliding_keys() -> None:
    assert {"strength", "guidance", "feedback", "feedback_zoom", "skip"} <= set(DRAWN)
    assert {"zoom", "pan_x", "mix"} <= set(STAGED)
    assert not {"brightness", "fade", "drift", "morph", "seed_mix", "steps", "width"} & {*DRAWN, *STAGED}
    assert {type(getattr(Parameters(), key)) for key in (*DRAWN, *STAGED)} == {float}, "all others have no difference"


def test_preset_with_other_lfos_morphs() -> None:
    one, other = (Parameters(morph=2.0, strength=s, lfo=(Lfo(target="zoom", amount=s),)) for s in (0.25, 0.75))
    state = update_morphs(start_morphs(one, at(0)), other, at(0), Change.PRESET)
    drawn = resolve_frame(state, at(1)).parameters
    assert (drawn.strength, drawn.lfo) == (0.5, other.lfo), "a list of LFOs jumps"
