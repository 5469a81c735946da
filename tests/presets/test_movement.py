"""LFOs: bounded, periodic, in the range of what they move, and the same in every process."""

import math
import subprocess
import sys
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presets.declaration import LFOS, Effect
from presets.lfo_parameters import Lfo, LfoShape
from presets.movement import SHAPES, Heard, MovementTime, envelope, moved, moves
from presets.parameter_table import LFO_TARGETS, PARAMETERS, flatten, snapshot
from presets.parameters import Parameters
from presets.processor_parameters import ProcessorPlace

TIMES = st.floats(-1e6, 1e6)
SHARES = st.floats(0, 1)
AGES = st.floats(0, math.inf)


def parameters(*lfos: Lfo, **values: object) -> Parameters:
    return Parameters().model_copy(update={"lfo": lfos, **values})


@given(
    target=st.sampled_from(LFO_TARGETS),
    shape=st.sampled_from(get_args(LfoShape)),
    amount=st.floats(-1, 1),
    period=st.floats(0.05, 600),
    start=st.sampled_from(["beat", "onset", "trigger"]),
    at=st.builds(MovementTime, TIMES, TIMES, st.builds(Heard, *[SHARES] * 5), AGES, st.tuples(*[AGES] * LFOS)),
)
def test_stays_in_range(target: str, shape: str, amount: float, period: float, start: str, at: MovementTime) -> None:
    given = snapshot({f"/prompt/{place}/text": "ice" for place in (1, 2, 3, 4)} | {"/travel": 4.5})
    lfo = Lfo(target=target, shape=shape, amount=amount, period=period, phase=0.25, attack=0.2, start=start)
    values = flatten(moved(given.model_copy(update={"lfo": (lfo,)}), at))
    for address, parameter in PARAMETERS.items():
        if parameter.key != "lfo":
            assert parameter.coerce(values[address]) == values[address]
            if address != f"/{target}":
                assert values[address] == flatten(given)[address]


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_shape_is_bounded_and_moves(shape: str) -> None:
    course = [SHAPES[shape](turn / 100, whole, 0) for whole in range(5) for turn in range(100)]
    assert -1 <= min(course) < 0.1
    assert 0.1 < max(course) <= 1


@pytest.mark.parametrize(
    ("shape", "quarters"),
    [
        ("sine", (0, 1, 0, -1)),
        ("triangle", (0, 1, 0, -1)),
        ("rise", (-1, -0.5, 0, 0.5)),
        ("fall", (1, 0.5, 0, -0.5)),
        ("square", (1, 1, -1, -1)),
        ("pulse", (1, math.exp(-1.25), math.exp(-2.5), math.exp(-3.75))),
    ],
)
def test_course_of_one_period(shape: str, quarters: tuple[float, ...]) -> None:
    lfo = Lfo(target="strength", shape=shape, amount=0.5, period=8.0, timing="beats")
    for quarter, swing in enumerate(quarters):
        for beats in (2.0 * quarter, 2.0 * quarter + 8.0):
            value = moved(parameters(lfo, strength=0.5), MovementTime(123.0, beats)).strength
            assert value == pytest.approx(0.5 + 0.5 * 0.5 * swing, abs=1e-9)


def test_noise_is_smooth_and_steps_hold() -> None:
    noise = [SHAPES["noise"](turn / 50, whole, 1) for whole in range(20) for turn in range(50)]
    assert max(abs(one - other) for one, other in pairwise(noise)) < 0.1
    assert len({SHAPES["steps"](turn / 50, 7, 1) for turn in range(50)}) == 1
    assert len({SHAPES["steps"](0.0, whole, place) for whole in range(20) for place in range(4)}) == 80


def test_random_shapes_are_the_same_everywhere() -> None:
    code = "from presets.movement import SHAPES; print(SHAPES['steps'](0.0, 12, 3), SHAPES['noise'](0.3, -5, 0))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert other.split() == [str(SHAPES["steps"](0.0, 12, 3)), str(SHAPES["noise"](0.3, -5, 0))]


def test_timing_chooses_the_clock() -> None:
    beats, seconds = (
        Lfo(target="strength", shape="rise", period=4.0, timing=timing) for timing in ("beats", "seconds")
    )
    at = MovementTime(seconds=1.0, beats=3.0)
    assert moved(parameters(beats, strength=0.5), at).strength == pytest.approx(0.5 + 0.25 * 0.5)
    assert moved(parameters(seconds, strength=0.5), at).strength == pytest.approx(0.5 - 0.25 * 0.5)


@pytest.mark.parametrize("place", range(1, LFOS + 1))
@pytest.mark.parametrize(
    ("field", "value"), [("shape", "square"), ("amount", -0.5), ("period", 3.0), ("timing", "seconds"), ("phase", 0.4)]
)
def test_every_lfo_acts(place: int, field: str, value: object) -> None:
    at = MovementTime(seconds=1.1, beats=2.7)
    plain = moved(snapshot({f"/lfo/{place}/target": "zoom", "/zoom": 5.0}), at).zoom
    changed = snapshot({f"/lfo/{place}/target": "zoom", f"/lfo/{place}/{field}": value, "/zoom": 5.0})  # type: ignore[dict-item]
    assert abs(plain - 5.0) > 0.1
    assert abs(moved(changed, at).zoom - plain) > 0.1


def test_every_shape_has_a_course() -> None:
    assert set(get_args(LfoShape)) == {*SHAPES, *Heard._fields, "envelope"}


@pytest.mark.parametrize("feature", Heard._fields)
def test_sound_moves_a_number(feature: str) -> None:
    given = parameters(Lfo(target="strength", shape=feature, amount=-0.8, period=0.05, phase=0.3), strength=0.5)
    heard = Heard(**{feature: 0.5})
    assert moved(given, MovementTime(1.1, 2.7, heard)).strength == pytest.approx(0.5 - 0.8 * 0.5 * 0.5)
    assert moved(given, MovementTime(7.0, 9.0, heard)).strength == pytest.approx(0.3), "no period counts"
    assert moved(given, MovementTime(1.1, 2.7)).strength == 0.5, "silence"
    others = Heard(*(0.0 if name == feature else 1.0 for name in Heard._fields))
    assert moved(given, MovementTime(1.1, 2.7, others)).strength == 0.5


@given(attack=SHARES, turn=SHARES)
def test_envelope_rises_then_falls(attack: float, turn: float) -> None:
    height, later = envelope(turn, attack), envelope(min(turn + 1e-3, 1.0), attack)
    assert 0 <= height <= 1
    if turn + 1e-3 < attack:
        assert later > height
    elif turn >= attack:
        assert later <= height
    if 0.05 < attack < 0.95:  # no jump
        assert abs(later - height) < 0.05
    assert envelope(attack, attack) == (1.0 if attack < 1 else 0.0)
    assert envelope(1.0, attack) == envelope(math.inf, attack) == 0.0
    assert envelope(0.0, attack) == (0.0 if attack else 1.0)


def envelope_at(at: MovementTime, place: int = 0, bpm: float = 120.0, **values: object) -> float:
    """Return the height of the envelope of the LFO in a place."""
    lfo = Lfo(target="zoom", shape="envelope", amount=0.5, **values)  # type: ignore[arg-type]
    given = parameters(*[Lfo()] * place, lfo, zoom=1.0, bpm=bpm)
    low, high = PARAMETERS["/zoom"].minimum or 0.0, PARAMETERS["/zoom"].maximum or 0.0
    return float((moved(given, at).zoom - 1.0) / (0.5 * (high - low) / 2))


def test_envelope_starts_on_each_beat() -> None:
    for beats, height in ((8.0, 0.0), (8.05, 0.5), (8.1, 1.0), (8.3, 0.25), (8.5, 0.0), (8.99, 0.0), (9.05, 0.5)):
        at = MovementTime(0.0, beats)
        assert envelope_at(at, period=0.5, attack=0.2) == pytest.approx(height, abs=1e-6)
        assert envelope_at(at, period=0.25, timing="seconds", attack=0.2) == pytest.approx(height, abs=1e-6)
        assert envelope_at(at, period=0.5, timing="seconds", attack=0.2, bpm=60) == pytest.approx(height, abs=1e-6)
        late = MovementTime(0.0, beats - 0.25)
        assert envelope_at(late, period=0.5, attack=0.2, phase=0.25) == pytest.approx(height, abs=1e-6)


def test_envelope_starts_on_onsets() -> None:
    at = MovementTime(0.0, 8.0, since_onset=0.1)
    assert envelope_at(at, start="onset", period=0.2, timing="seconds") == pytest.approx(0.25)
    assert envelope_at(at, start="onset", period=0.4) == pytest.approx(0.25), "0.2 beats at 120 a minute"
    assert envelope_at(MovementTime(0.0, 8.0), start="onset") == 0.0


@pytest.mark.parametrize("start", ["beat", "onset", "trigger"])
def test_trigger_starts_the_envelope_of_its_lfo(start: str) -> None:
    since = (math.inf, 0.1, math.inf, math.inf)
    at = MovementTime(0.0, 8.9, since_onset=9.0, since_triggers=since)
    heights = [envelope_at(at, place, start=start, period=0.2, timing="seconds") for place in range(LFOS)]
    assert heights == [0.0, pytest.approx(0.25), 0.0, 0.0]


def test_swings_of_one_target_add_up() -> None:
    lfo = Lfo(target="zoom", shape="square", amount=0.2, period=4.0)
    one, two = (moved(parameters(*[lfo] * count, zoom=2.0), MovementTime(0, 0)).zoom for count in (1, 2))
    assert (one, two) == (pytest.approx(2.9), pytest.approx(3.8))


def test_weights_of_prompts_move_in_their_places() -> None:
    given = snapshot({"/prompt/1/text": "ice", "/prompt/3/text": "fire", "/prompt/3/weight": 1.0})
    lfo = Lfo(target="prompt/3/weight", shape="square", amount=-0.5, period=4.0)
    after = moved(given.model_copy(update={"lfo": (lfo,)}), MovementTime(0, 0))
    assert [(prompt.text, prompt.weight) for prompt in after.prompt] == [("ice", 1.0), ("", 1.0), ("fire", 0.5)]
    beyond = Lfo(target="prompt/4/weight", amount=1.0)
    assert moved(given.model_copy(update={"lfo": (beyond,)}), MovementTime(0, 1)).prompt == given.prompt


def test_nothing_moves_without_a_target() -> None:
    still = parameters(Lfo(), Lfo(amount=1.0))
    assert not moves(still)
    assert moved(still, MovementTime(0.3, 0.7)) is still
    assert moves(parameters(Lfo(), Lfo(target="zoom")))


def test_targets_are_numbers_with_a_range() -> None:
    for target in LFO_TARGETS[1:]:
        parameter = PARAMETERS[f"/{target}"]
        assert parameter.kind in ("float", "int")
        assert parameter.minimum is not None
        assert parameter.maximum is not None
        assert parameter.effect is not Effect.REBUILD
    assert not {"morph", "fade", "drift", "bpm", "lfo/1/amount", "max_rate"} & set(LFO_TARGETS)
    assert {"strength", "brightness", "zoom", "prompt/2/weight", "seed", "travel"} <= set(LFO_TARGETS)


def test_target_is_also_an_address() -> None:
    target = PARAMETERS["/lfo/1/target"]
    assert target.coerce("/prompt/2/weight") == target.coerce(" Prompt/2/Weight ") == "prompt/2/weight"
    assert target.coerce(0) == "none"


def test_lfo_moves_the_number_of_a_processor() -> None:
    lfo = Lfo(target="processor/2/value1", shape="square", amount=1.0, period=4.0)
    given = Parameters(lfo=(lfo,), processor=(ProcessorPlace(name="one"), ProcessorPlace(name="two")))
    first, second = moved(given, MovementTime(0, 1)).processor
    assert (first.value1, second.value1) == (0.5, 1.0)
    assert moved(given, MovementTime(0, 3)).processor[1].value1 == 0.0
    assert not moved(Parameters(lfo=(lfo,)), MovementTime(0, 1)).processor
