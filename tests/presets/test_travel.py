"""Travel along the prompts: continuous, a ring, without holes, and exact at each prompt."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from presets.frame_parameters import prompt_shares, without_morph
from presets.lfo_parameters import Lfo
from presets.movement import MovementTime, moved
from presets.parameters import Parameters, WeightedPrompt
from presets.travel import swung_travel, travel_shares

WEIGHTS = st.sampled_from([0.0, 1.0]) | st.floats(0.001, 2)
ONE = st.builds(
    lambda text, weight: WeightedPrompt(text=text, weight=weight), st.sampled_from(["ice", "", " "]), WEIGHTS
)
PROMPTS = st.lists(ONE, max_size=4).map(tuple)
POSITIONS = st.floats(0, 5)


def look(*texts: str, travel: float = 1.0, **values: object) -> Parameters:
    return Parameters(prompt=tuple(WeightedPrompt(text=text) for text in texts), travel=travel).model_copy(
        update=values
    )


def mix(parameters: Parameters) -> dict[str, float]:
    return {text: pytest.approx(weight, abs=1e-8) for text, weight in prompt_shares(parameters)}


def expected(prompts: tuple[WeightedPrompt, ...], position: float) -> list[float]:
    """Return the shares by numpy's periodic interpolation between the prompts that are drawn."""
    texts = [place for place, prompt in enumerate(prompts, 1) if prompt.text.strip()]
    drawn = [place for place in texts if prompts[place - 1].weight > 0]
    length, shares = texts[-1] - texts[0] + 1, np.zeros(len(prompts))
    for place in drawn:
        ends = [float(each == place) for each in drawn]
        shares[place - 1] = np.interp(max(position, 1), drawn, ends, period=length)
    fading = min(position, 1)
    return list(1 - fading + fading * shares)


@given(PROMPTS, POSITIONS)
def test_shares_are_periodic_interpolation(prompts: tuple[WeightedPrompt, ...], position: float) -> None:
    assume(any(prompt.text.strip() and prompt.weight > 0 for prompt in prompts))
    shares = travel_shares(prompts, position)
    assert shares == pytest.approx(expected(prompts, position), abs=1e-9)
    if position >= 1:
        assert sum(shares) == pytest.approx(1)
        assert sum(share > 0 for share in shares) <= 2
    assert all(0 <= share <= 1 for share in shares)


@given(PROMPTS, POSITIONS, st.floats(0, 0.1))
def test_shares_have_no_jump(prompts: tuple[WeightedPrompt, ...], position: float, step: float) -> None:
    one, other = travel_shares(prompts, position), travel_shares(prompts, min(position + step, 5.0))
    assert all(abs(first - second) <= step + 1e-9 for first, second in zip(one, other, strict=True))


@given(PROMPTS, st.floats(1, 5), st.floats(-4, 4))
def test_swing_goes_round_the_ring(prompts: tuple[WeightedPrompt, ...], position: float, swing: float) -> None:
    after = swung_travel(prompts, position, swing)
    assert 1 <= after <= 5
    assert travel_shares(prompts, swung_travel(prompts, position, swing + 2)) == pytest.approx(
        travel_shares(prompts, after), abs=1e-9
    ), "a swing of 2 is one round"


@given(PROMPTS, WEIGHTS, st.sampled_from(["linear", "spherical"]))
def test_travel_off_keeps_the_weights(prompts: tuple[WeightedPrompt, ...], weight: float, how: str) -> None:
    given = Parameters(prompt=(*prompts[:3], WeightedPrompt(text="fire", weight=weight)), prompt_mix=how)
    weights = {place: each.weight for place, each in enumerate(given.prompt) if each.text.strip() and each.weight > 0}
    total = sum(weights.values())
    shares = [share.weight for share in prompt_shares(given)]
    assert shares == ([pytest.approx(each / total) for each in weights.values()] if weights else [1.0])
    assert without_morph(given).wording.ahead == ()


def test_each_prompt_is_alone_at_its_place() -> None:
    four = ("ice", "fire", "moss", "ash")
    assert [mix(look(*four, travel=place)) for place in (1, 2, 3, 4, 5)] == [{each: 1.0} for each in (*four, "ice")]
    assert mix(look(*four, travel=2.5)) == {"fire": 0.5, "moss": 0.5}
    assert mix(look(*four, travel=4.75)) == {"ice": 0.75, "ash": 0.25}
    assert mix(look(*four, travel=0.5)) == {"ice": 0.4, "fire": 0.2, "moss": 0.2, "ash": 0.2}


def test_prompts_keep_their_weights_on_the_way() -> None:
    given = Parameters(
        prompt=(WeightedPrompt(text="ice", weight=1.5), WeightedPrompt(text="fire", weight=0.5)), travel=1.5
    )
    assert mix(given) == {"ice": 0.75, "fire": 0.25}


def test_empty_prompts_are_passed_over() -> None:
    assert mix(look("ice", "", "fire", travel=2.0)) == {"ice": 0.5, "fire": 0.5}
    assert mix(look("", "ice", " ", "fire", travel=4.5)) == {"ice": 0.5, "fire": 0.5}
    assert mix(look("ice", "fire", travel=3.25)) == {"ice": 0.75, "fire": 0.25}, "after the last comes the first"
    assert mix(look("ice", travel=3.3)) == {"ice": 1.0}
    assert mix(look("", "", travel=2.0)) == mix(look(travel=2.0)) == {"": 1.0}


@pytest.mark.parametrize("texts", [("ice", "fire"), ("ice", "fire", "moss"), ("ice", "fire", "moss", "ash")])
@pytest.mark.parametrize("shape", ["rise", "fall"])
def test_saw_takes_one_even_round(texts: tuple[str, ...], shape: str) -> None:
    lfo = Lfo(target="travel", shape=shape, amount=1.0, period=16.0, phase=0.5)
    laps = [prompt_shares(moved(look(*texts, lfo=(lfo,)), MovementTime(0.0, step / 15))) for step in range(480)]
    weights = np.array([[dict(shares).get(text, 0.0) for text in texts] for shares in laps])
    assert abs(np.diff(weights, axis=0)).max() == pytest.approx(len(texts) / 240), "even, and no jump at its end"
    assert weights.mean(0) == pytest.approx(1 / len(texts)), "each as long as the others"
    order = [int(place) for place in weights.argmax(1)]
    steps = {(after - before) % len(texts) for before, after in pairwise(order)} - {0}
    assert steps == {1 if shape == "rise" else len(texts) - 1}
    assert weights[0] == pytest.approx([1.0, *[0.0] * (len(texts) - 1)], abs=1e-9), "beat 0 is at the position"


def test_lfo_leaves_a_travel_that_is_off() -> None:
    lfo = Lfo(target="travel", shape="rise", amount=1.0)
    for travel in (0.0, 0.5):
        assert moved(look("ice", "fire", travel=travel, lfo=(lfo,)), MovementTime(0.0, 1.3)).travel == travel
    assert moved(look("", travel=3.0, lfo=(lfo,)), MovementTime(0.0, 1.3)).travel == 3.0, "no text"
