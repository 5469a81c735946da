"""Parameters resolved for a renderer, on a clock that the test sets."""

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
from daemon.stage.tempo_clock import TempoClock
from presets.frame_parameters import FrameParameters, NoiseWeight, TextWeight, without_morph
from presets.library import Library
from presets.parameters import Parameters

HAND = "osc:127.0.0.1:50123"


class MorphRig:
    """A store, its morph clock and a clock that the test sets."""

    def __init__(self, folder: Path, **values: object) -> None:
        self.library = Library(folder)
        self.clock = HandClock()
        self.store = ParameterStore(self.library, tempo=TempoClock(self.clock))
        self.set(prompt="ice", **values)
        self.morphs = MorphClock(self.store, self.clock)

    def set(self, **values: object) -> None:
        for key, value in values.items():
            assert self.store.apply(f"/{key}", [value], HAND).accepted

    def write_preset(self, name: str, text: str) -> None:
        self.library.folder.mkdir(exist_ok=True)
        (self.library.folder / f"{name}.yaml").write_text(text)

    def after(self, seconds: float) -> tuple[FrameParameters, bool]:
        """Return the resolved parameters after so many seconds, and True if they keep moving."""
        self.clock.time += round(seconds * NS)
        revision, message = self.morphs.resolved_frame()
        assert revision == self.store.wanted
        frame = ResolvedFrame.decode(message)
        return frame.parameters, frame.is_moving


@pytest.fixture
def rig(tmp_path: Path) -> MorphRig:
    return MorphRig(tmp_path / "presets")


def texts(moment: FrameParameters) -> dict[str, float]:
    return {text: pytest.approx(weight) for text, weight in moment.prompt}


def test_still_parameters_give_the_same_message(rig: MorphRig) -> None:
    first = rig.morphs.resolved_frame()
    rig.clock.time += 100 * NS
    assert rig.morphs.resolved_frame() is first
    assert rig.after(1) == (without_morph(rig.store.snapshot()[1]), False)
    rig.set(brightness=0.5)
    assert rig.morphs.resolved_frame()[0] == first[0] + 1


def test_morph_in_seconds(rig: MorphRig) -> None:
    rig.set(morph=2.0, seed=9)
    rig.set(prompt="fire")
    rig.clock.time += 50 * NS  # no renderer has asked
    assert rig.after(0)[0].prompt == (TextWeight("ice"),)
    moment, moves = rig.after(0.5)
    assert texts(moment) == {"ice": 0.75, "fire": 0.25}
    assert moves
    assert {seed: weight for seed, _, weight in moment.noise} == {
        0: pytest.approx(math.cos(math.pi / 8)),
        9: pytest.approx(math.sin(math.pi / 8)),
    }
    rig.set(prompt="moss")
    assert texts(rig.after(0)[0]) == {"ice": 0.75, "fire": 0.25}
    assert texts(rig.after(1)[0]) == {"ice": 0.375, "fire": 0.125, "moss": 0.5}
    assert rig.after(1) == (without_morph(rig.store.snapshot()[1]), False)


def test_morph_in_pictures(rig: MorphRig) -> None:
    rig.set(morph_pictures=4, prompt="fire")
    messages = [rig.after(100) for _ in range(5)]
    assert [moment.prompt[-1] for moment, _ in messages] == [
        TextWeight("fire", share) for share in (0.25, 0.5, 0.75, 1.0, 1.0)
    ]
    assert [moves for _, moves in messages] == [True, True, True, False, False]


def test_preset_morphs_in_its_own_time(rig: MorphRig) -> None:
    rig.write_preset("cold", "strength: 0.2\nprompt: snow\nmorph: 1\n")
    rig.write_preset("hot", "strength: 1.0\nprompt: fire\n")
    rig.write_preset("sharp", "strength: 0.5\nprompt: glass\nmorph: 0\n")
    rig.set(strength=0.6)
    rig.after(0)
    rig.set(morph=4.0, preset="hot")
    rig.after(0)
    moment, moves = rig.after(2)
    assert (moment.parameters.strength, moves) == (pytest.approx(0.8), True)
    assert texts(moment) == {"ice": 0.5, "fire": 0.5}
    rig.set(preset="cold")
    rig.after(0)
    assert rig.after(0.5)[0].parameters.strength == pytest.approx(0.5), (
        "from where it was, in the time of the new preset"
    )
    assert rig.after(0.5)[0] == without_morph(rig.store.snapshot()[1])
    rig.set(preset="sharp")
    assert rig.after(0) == (without_morph(rig.store.snapshot()[1]), False)
    assert rig.store.values()["/morph"] == 0


def test_travel_by_an_lfo_morphs_from_its_place(rig: MorphRig) -> None:
    lfo = "lfo: [{target: travel, shape: rise, amount: 1, period: 8, timing: seconds, phase: 0.5}]"
    rig.write_preset("round", f"prompt: [snow, ash]\ntravel: 1\n{lfo}\n")
    rig.write_preset("other", f"prompt: [moss, fire]\ntravel: 1\nmorph: 4\n{lfo}\n")
    rig.set(preset="round")
    rig.after(0)
    shown = [texts(rig.after(1)[0]) for _ in range(3)]
    assert shown == [{"snow": 1 - share, "ash": share} for share in (0.25, 0.5, 0.75)]
    rig.set(preset="other")
    assert texts(rig.after(0)[0]) == shown[-1], "the morph begins with the mix on air"
    assert texts(rig.after(2)[0]) == {"snow": 0.125, "ash": 0.375, "moss": 0.125, "fire": 0.375}
    assert texts(rig.after(2)[0]) == {"moss": 0.75, "fire": 0.25}


def test_panic_cuts(rig: MorphRig) -> None:
    rig.write_preset("hot", "strength: 1.0\nprompt: fire\nmorph: 4\n")
    rig.set(preset="hot")
    rig.after(0)
    rig.after(9)
    rig.set(prompt="ash", strength=0.1)
    rig.after(0)
    assert texts(rig.after(3)[0]) == {"fire": 0.25, "ash": 0.75}
    assert rig.store.apply("/panic", [], HAND).accepted
    assert rig.after(0) == (without_morph(rig.store.snapshot()[1]), False)
    assert rig.after(0)[0].prompt == (TextWeight("fire"),)


def test_save_does_not_morph(rig: MorphRig) -> None:
    rig.set(morph=4.0, strength=0.5)
    rig.after(0)
    assert rig.store.apply("/save", ["mine"], HAND).accepted
    assert rig.after(0) == (without_morph(rig.store.snapshot()[1]), False)
    assert rig.library.load("mine").values["morph"] == 4.0


def test_drift_follows_the_clock(rig: MorphRig) -> None:
    rig.set(drift=2.0)
    assert rig.after(0) == (without_morph(rig.store.snapshot()[1]), True)
    found = {leg: pytest.approx(weight) for _, leg, weight in rig.after(0.25)[0].noise}
    assert found == {0: math.sqrt(0.5), 1: math.sqrt(0.5)}
    rig.set(drift=0.0)
    held, moves = rig.after(0.25)
    assert not moves
    assert rig.after(60)[0].noise == held.noise == (NoiseWeight(0, 1, pytest.approx(1.0)),)


SHARES = st.lists(st.builds(TextWeight, st.text(max_size=20), st.floats(0, 1)), min_size=1, max_size=5).map(tuple)


@settings(deadline=None)
@given(
    SHARES,
    SHARES,
    st.lists(st.builds(NoiseWeight, st.integers(0, 2**31 - 1), st.integers(0, 10**6), st.floats(0, 1))).map(tuple),
    st.floats(0, 1),
    st.booleans(),
)
def test_resolved_frame_round_trip(
    prompt: tuple[TextWeight, ...],
    negative: tuple[TextWeight, ...],
    noise: tuple[NoiseWeight, ...],
    strength: float,
    moving: bool,
) -> None:
    moment = FrameParameters(Parameters(strength=strength, prompt_mix="spherical", drift=0.1), prompt, negative, noise)
    frame = ResolvedFrame(moment, moving)
    assert ResolvedFrame.decode(frame.encode()) == frame


def test_lfo_moves_what_a_renderer_draws(rig: MorphRig) -> None:
    rig.set(strength=0.5, **{"lfo/1/target": "strength", "lfo/1/shape": "rise", "lfo/1/amount": 0.5, "lfo/1/period": 4})
    values = [rig.after(0.5) for _ in range(4)]  # a beat each
    assert [moment.parameters.strength for moment, _ in values] == pytest.approx([0.375, 0.5, 0.625, 0.25])
    assert all(moving for _, moving in values)
    rig.set(**{"lfo/1/target": "none"})
    moment, moving = rig.after(0.5)
    assert (moment.parameters.strength, moving) == (0.5, False)


def test_lfo_moves_prompt_weights_and_seeds(rig: MorphRig) -> None:
    rig.set(
        **{"prompt/2/text": "fire", "lfo/1/target": "prompt/2/weight", "lfo/1/shape": "square", "lfo/1/amount": -0.5}
    )
    moment, _ = rig.after(0.0)
    assert texts(moment) == {"ice": 2 / 3, "fire": 1 / 3}
    rig.set(seed=2**30, **{"lfo/1/target": "seed", "lfo/1/shape": "steps", "lfo/1/period": 1})
    seeds = {rig.after(0.5)[0].noise[0].seed for _ in range(8)}
    assert len(seeds) == 8, "another seed at each beat"


def test_morph_goes_on_under_an_lfo(rig: MorphRig) -> None:
    rig.set(morph=10.0, **{"lfo/1/target": "zoom"})
    rig.after(0.0)
    rig.set(prompt="fire")
    rig.after(0.0)
    moment, _ = rig.after(5.0)
    assert texts(moment) == {"ice": 0.5, "fire": 0.5}


def test_lfo_is_given_ahead_of_the_output(rig: MorphRig) -> None:
    rig.store.tempo.lead = lambda: 0.25  # half a beat
    rig.set(strength=0.5, **{"lfo/1/target": "strength", "lfo/1/shape": "rise", "lfo/1/amount": 0.5, "lfo/1/period": 4})
    moment, _ = rig.after(0.5)
    assert moment.parameters.strength == pytest.approx(0.25 + 0.5 * 1.5 / 4)
    rig.set(**{"lfo/1/timing": "seconds", "lfo/1/period": 1})
    whole_seconds = 0.5  # a second after the start
    assert rig.after(whole_seconds)[0].parameters.strength == pytest.approx(0.25 + 0.5 * 0.25)


def test_output_alone_redraws_nothing(rig: MorphRig) -> None:
    for name, value in {"target": "brightness", "shape": "sine", "amount": 1.0}.items():
        rig.set(**{f"lfo/1/{name}": value})
    assert [rig.after(seconds)[1] for seconds in (0, 0.3)] == [False, False]
    assert rig.morphs.resolved_frame() is rig.morphs.resolved_frame()
    rig.write_preset("near", "prompt: ice\nzoom: 2\nlfo: []\n")
    rig.set(morph=2.0, preset="near")
    first, second = rig.after(0)[0], rig.after(0.5)[0]
    assert first.parameters == second.parameters, "the renderer is told the wanted zoom, which the stage glides to"
