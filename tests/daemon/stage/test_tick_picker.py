"""The ticks that a sink with a rate of its own gets."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.shared.clock import NS
from daemon.stage.tick_picker import TickPicker
from io_bridges.frames import Tick
from io_bridges.rates import exact_rate

RATES = st.one_of(
    st.sampled_from([24, 25, 30, 50, 60, 23.976, 29.97, 59.94, 0.1, 240]),
    st.floats(0.1, 240).map(lambda x: round(x, 3)),
).map(exact_rate)


def ticks(show_rate: Fraction, repeats: list[bool], first: int = 0) -> list[Tick]:
    """Return ticks of an output clock that is on time."""
    return [Tick(first + place, int((first + place) * NS / show_rate), each) for place, each in enumerate(repeats)]


def picked(picker: TickPicker, offered: list[Tick]) -> list[tuple[int, Tick]]:
    """Return the place of each tick that was chosen, and the sink's own tick."""
    return [(place, own) for place, tick in enumerate(offered) if (own := picker.pick(tick)) is not None]


def test_24_of_30() -> None:
    chosen = picked(TickPicker(Fraction(24), Fraction(30)), ticks(Fraction(30), [False] * 11))
    assert [place for place, _ in chosen] == [0, 2, 3, 4, 5, 7, 8, 9, 10]


@given(one=RATES, other=RATES, repeats=st.lists(st.booleans(), min_size=1, max_size=300), first=st.integers(0, 10**7))
def test_every_rate(one: Fraction, other: Fraction, repeats: list[bool], first: int) -> None:
    rate, show_rate = sorted((one, other))
    offered = ticks(show_rate, repeats, first)
    chosen = picked(TickPicker(rate, show_rate), offered)
    places = [place for place, _ in chosen]
    assert places[0] == 0, "the first picture goes out at once"
    assert [own.index for _, own in chosen] == list(range(len(chosen)))
    # The first tick at or after each time of the sink's grid.
    share = rate / show_rate
    assert places == [place for place in range(len(repeats)) if place == 0 or place * share % 1 < share]
    for number, (place, own) in enumerate(chosen):
        assert abs(own.at - offered[0].at - number * NS / rate) <= 3, "due at even intervals"
        assert own.at <= offered[place].at + 1
    assert not chosen[0][1].repeated
    for (before, _), (place, own) in pairwise(chosen):
        assert own.repeated == all(repeats[before + 1 : place + 1])


@given(rate=RATES)
def test_rate_of_the_show(rate: Fraction) -> None:
    offered = ticks(rate, [False, True, True, False, True])
    assert [own for _, own in picked(TickPicker(rate, rate), offered)] == offered


def test_no_drift_over_an_hour() -> None:
    show_rate, rate = Fraction(30), exact_rate(29.97)
    picker, hour = TickPicker(rate, show_rate), 60 * 60 * 30
    own = [tick for index in range(hour) if (tick := picker.pick(Tick(index, index * NS // 30, False)))]
    assert len(own) == (hour - 1) * rate // show_rate + 1
    assert own[-1].at == pytest.approx(float(own[-1].index * NS / rate), abs=3)


def test_spellings_of_a_rate() -> None:
    assert exact_rate(29.97) == exact_rate(30000 / 1001) == Fraction(30000, 1001)
    assert exact_rate(23.98) == exact_rate(23.976) == Fraction(24000, 1001)
    assert exact_rate(59.94) == Fraction(60000, 1001)
    assert exact_rate(30.0) == 30
    assert exact_rate(12.5) == Fraction(25, 2)
    assert exact_rate(0.1) == Fraction(1, 10)


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0, 120.0])
def test_whole_rates_stay(fps: float) -> None:
    assert exact_rate(fps) == fps
