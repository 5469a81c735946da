"""An output that follows its source: which rate it takes, and when it changes."""

import random
from fractions import Fraction
from itertools import pairwise

import pytest
from hand_clock import HandClock
from hypothesis import given
from hypothesis import strategies as st

from daemon.shared.clock import NS
from daemon.stage.newest_frame import NewestFrame
from daemon.stage.source_rate import SourceRate, steady_rate
from daemon.stage.source_thread import Fitting, SourceThread
from io_bridges.frames import Frame
from io_bridges.rates import declared_rate, exact_rate, followed_rate, parse_rate, usual_rate
from presets.parameters import Parameters

STANDARD = [23.976, 24, 25, 29.97, 30, 50, 59.94, 60]
LIES: list[object] = [0, -25, float("nan"), float("inf"), 1e9, 10**400, "25", True, 0.0001]


class Sender:
    """A source that says it has a rate."""

    def __init__(self, **status: object) -> None:
        self.said: dict[str, object] = dict(status)

    def open(self) -> None:
        pass

    def read(self, timeout: float) -> Frame | None:
        return None

    def close(self) -> None:
        pass

    def status(self) -> dict[str, object]:
        return self.said


class Following:
    """A show of 30 pictures a second that looks at its source twice a second."""

    def __init__(self, **status: object) -> None:
        self.clock = HandClock()
        self.rate = SourceRate(self.clock, Fraction(30))
        self.changes: list[Fraction] = []
        self.sender = Sender(**status)
        self.put_on_air(self.sender)

    def put_on_air(self, sender: Sender) -> None:
        newest = NewestFrame(self.clock, Parameters)
        self.thread = SourceThread("test:", sender, self.clock, newest, lambda: Fitting(8, 8))
        self.thread.is_open = True

    def look(self) -> Fraction:
        rate = self.rate.look(self.thread)
        if rate != (self.changes or [Fraction(30)])[-1]:
            self.changes.append(rate)
        return rate

    def play(self, seconds: float, fps: float, uneven: float = 0.0) -> Fraction:
        """Receive frames for so many seconds, each up to `uneven` seconds late. Return the last rate."""
        chance = random.Random(7)
        start, looked = self.clock.now(), self.clock.now()
        for number in range(round(seconds * fps)):
            self.clock.time = start + round((number / fps + chance.uniform(0, uneven)) * NS)
            self.thread.rate.mark(self.clock.now())
            if self.clock.now() - looked > NS // 2:
                looked = self.clock.now()
                self.look()
        return self.look()

    def wait(self, seconds: float) -> Fraction:
        for _ in range(round(seconds * 2)):
            self.clock.time += NS // 2
            self.look()
        return self.look()


@pytest.mark.parametrize("fps", STANDARD)
def test_declared_rate_is_taken_at_once(fps: float) -> None:
    show = Following(declared_fps=fps)
    assert show.look() == exact_rate(fps)
    assert show.rate.origin == "declared by the source"
    assert show.play(20, fps, 0.004) == exact_rate(fps)
    assert len(show.changes) <= 1


@pytest.mark.parametrize("fps", [24, 25, 50, 60])
def test_undeclared_rate_is_measured(fps: float) -> None:
    show = Following()
    assert show.play(12, fps, 0.3 / fps) == fps
    assert show.rate.origin == "measured from the source"
    assert show.changes == [fps]


def test_near_rates_are_left_to_the_phase_lock() -> None:
    show = Following()
    assert show.play(30, 30000 / 1001, 0.004) == 30
    assert show.changes == []


@pytest.mark.parametrize("said", LIES)
def test_false_declarations_are_measured(said: object) -> None:
    show = Following(declared_fps=said)
    assert show.look() == 30
    assert show.play(10, 50) == 50
    assert show.rate.origin == "measured from the source"


def test_wrong_declaration_gives_way() -> None:
    show = Following(declared_fps=60.0)
    assert show.look() == 60
    assert show.play(20, 25, 0.004) == 25
    assert show.changes == [60, 25]


def test_lost_source_keeps_the_rate() -> None:
    show = Following()
    assert show.play(10, 50) == 50
    assert show.wait(60) == 50
    show.thread.is_open = False
    show.sender.said = {"declared_fps": 24.0}
    assert show.wait(5) == 50, "what a closed source declares is old"


def test_still_picture_has_no_rate() -> None:
    show = Following(declared_fps=None)
    assert show.play(10, 50) == 30


def test_other_source_is_followed() -> None:
    show = Following(declared_fps=25.0)
    assert show.look() == 25
    show.put_on_air(Sender(declared_fps=50.0))
    assert show.look() == 50, "at once"
    show.put_on_air(Sender(source="none"))
    assert show.wait(20) == 50


def test_changing_declarations_are_bounded() -> None:
    show = Following(declared_fps=25.0)
    for number in range(240):
        show.sender.said["declared_fps"] = (24.0, 60.0, 1e9, 50.0)[number % 4]
        show.clock.time += NS // 2
        show.look()
    assert len(show.changes) <= 120 / 5 + 1


def test_flood_is_no_rate() -> None:
    show = Following(declared_fps=1000.0)
    assert show.play(10, 1000) == 30
    assert show.changes == []
    assert show.play(10, 240) == 240


def test_slow_source_is_repeated_evenly() -> None:
    assert [followed_rate(Fraction(rate)) for rate in (1, 5, 12, 15, 20)] == [20, 20, 24, 30, 20]
    assert followed_rate(exact_rate(0.25)) == 20
    assert Following().play(12, 12) == 24


def test_change_of_rate_passes_no_false_one() -> None:
    show = Following()
    show.play(12, 50, 0.002)
    show.play(20, 30, 0.002)
    show.play(20, 24, 0.002)
    assert show.changes == [50, 30, 24]


def test_uneven_source_has_no_rate() -> None:
    chance = random.Random(3)
    marks = [0]
    while marks[-1] < 8 * NS:
        marks.append(marks[-1] + round(chance.uniform(0.005, 0.12) * NS))
    assert steady_rate(marks, marks[-1]) is None
    assert steady_rate([], 0) is None
    assert steady_rate([5] * 40, 5) is None


@pytest.mark.parametrize("seed", range(8))
def test_busy_machine_changes_no_declared_rate(seed: int) -> None:
    """Frames that are read late, one after another and not at all, for two minutes."""
    chance, show = random.Random(seed), Following(declared_fps=60.0)
    show.look()
    due, free, looked = show.clock.now(), 0, show.clock.now()
    for _ in range(60 * 120):
        due += NS // 60
        if due < free and chance.random() < 0.7:
            continue  # nobody was there to read it
        read = max(due, free) + round(chance.expovariate(1 / 0.003) * NS)
        free = read + round((0.3 if chance.random() < 0.004 else 0.004) * NS)
        show.clock.time = max(show.clock.time, read)
        show.thread.rate.mark(show.clock.now())
        if show.clock.now() - looked > NS // 2:
            looked = show.clock.now()
            show.look()
    assert show.changes == [60]


def test_frames_left_out_do_not_lower_the_rate() -> None:
    marks = [round(number * NS / 50) for number in range(400) if number % 7]
    assert steady_rate(marks, marks[-1]) == pytest.approx(50, abs=0.01)


@given(rate=st.floats(0.01, 240))
def test_followed_rate_is_playable(rate: float) -> None:
    declared = declared_rate(rate)
    assert declared is not None
    followed = followed_rate(declared)
    assert 20 <= followed <= 240
    assert (followed / declared).denominator == 1, "each picture equally often"
    assert abs(usual_rate(rate) - Fraction(rate)) <= max(Fraction(1, 200), Fraction(rate) / 200)


@pytest.mark.parametrize(
    ("text", "rate"),
    [(str(fps), exact_rate(fps)) for fps in STANDARD]
    + [("30000/1001", Fraction(30000, 1001)), (" 24000 / 1001 ", Fraction(24000, 1001)), ("25/2", Fraction(25, 2))],
)
def test_rates_as_people_write_them(text: str, rate: Fraction) -> None:
    assert exact_rate(parse_rate(text)) == rate


@pytest.mark.parametrize("text", ["", "0", "-25", "nan", "inf", "1e9", "30/0", "0/0", "/", "a/b", "30/1001/2", "fast"])
def test_texts_that_are_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="a number from 1 to 240"):
        parse_rate(text)


def test_marks_are_bounded() -> None:
    show = Following()
    show.play(5, 1000)
    recent = show.thread.rate.recent(show.clock.now(), 8.0)
    assert len(recent) <= 500
    assert all(earlier <= later for earlier, later in pairwise(recent))
