"""The dealer by a clock that is turned by hand: which renderer gets which frame, when, and what waits."""

from itertools import pairwise

import numpy as np
import pytest

from daemon.link.answers import Answer, Wait
from daemon.link.dealer import HOLD, LONGEST_APART, PAUSE, Connection, Dealer, Sharing
from daemon.link.messages import Ask
from daemon.link.renderer_report import RendererReport
from daemon.shared.clock import NS
from io_bridges.frames import Frame
from presets.build import Build

MS = 1_000_000
ONE, OTHER = Build(model="echo", width=64, height=64), Build(model="echo", width=128, height=64)


class Table:
    """Renderers at one dealer, and what it answers from."""

    def __init__(self, renderers: int, build: Build = ONE) -> None:
        self.now = NS
        self.revision = 1
        self.shared = Sharing()
        self.newest: tuple[Frame | None, int] = (None, 0)
        self.from_text = False
        self.dealer = Dealer(self)
        self.connections = [Connection(RendererReport(str(n), self.now, build)) for n in range(renderers)]
        for connection in self.connections[1:]:
            connection.report.is_beside = True

    def frame(self) -> int:
        serial = self.newest[1] + 1
        self.newest = Frame(np.zeros((1, 1, 3), np.uint8), serial, self.now), serial
        return serial

    def ask(self, place: int, patience: float = 0.1) -> None:
        self.connections[place].asks(Ask(64, 64, patience), self.now)

    def deal(self) -> list[tuple[int, Answer | Wait]]:
        """Return the answers that are due, each with the place of its renderer."""
        return [
            (self.connections.index(each), answer) for each, answer in self.dealer.answers(self.connections, self.now)
        ]

    def given(self) -> list[int]:
        """Return the places of the renderers that get a new frame now."""
        return [
            place
            for place, answer in self.deal()
            if isinstance(answer, Answer) and answer.is_new and answer.pixels is not None
        ]

    def settle(self) -> None:
        """Have all renderers know the revision, and wait for a frame."""
        for place in range(len(self.connections)):
            self.ask(place)
            self.deal()
            self.ask(place, 1.0)
            self.now += MS
        assert not self.deal()

    # Methods that the dealer calls.

    def resolved_frame(self) -> tuple[int, bytes]:
        return self.revision, b""

    def newest_frame(self, width: int, height: int) -> tuple[Frame | None, int]:
        return self.newest

    def draws_from_text(self) -> bool:
        return self.from_text

    def sharing(self) -> Sharing:
        return self.shared


def test_frame_goes_to_longest_waiting() -> None:
    table = Table(3)
    table.settle()
    order = []
    for _ in range(6):
        table.frame()
        table.now += 200 * MS
        (place,) = table.given()
        order.append(place)
        table.ask(place, 1.0)
    assert order == [0, 1, 2, 0, 1, 2]


def test_turns_count_up() -> None:
    table = Table(2)
    table.settle()
    turns = []
    for _ in range(5):
        table.frame()
        table.now += 100 * MS
        for place, answer in table.deal():
            assert isinstance(answer, Answer)
            turns.append(answer.turn)
            table.ask(place, 1.0)
    assert all(after == before + 1 for before, after in pairwise(turns))


def test_old_frame_is_no_new_one() -> None:
    """A renderer that waits too long gets the newest frame to redraw from, marked as known and without capture time."""
    table = Table(2)
    table.settle()
    table.frame()
    table.now += 100 * MS
    assert table.given() == [0]
    table.now += NS
    ((place, answer),) = table.deal()
    assert place == 1
    assert isinstance(answer, Answer)
    assert answer.pixels is not None
    assert not answer.is_new
    assert answer.captured_at == 0
    assert answer.source_index == 1


def test_change_is_drawn_by_each() -> None:
    table = Table(2)
    table.settle()
    table.revision = 2
    table.now += 10 * MS
    changed = []
    for _ in range(4):
        changed += table.deal()
        table.now += NS // 4
    assert {place for place, _ in changed} == {0, 1}
    assert all(isinstance(answer, Answer) and answer.revision == 2 for _, answer in changed)


def test_answers_are_kept_apart() -> None:
    """Two renderers of 100 ms each that ask at once draw 40 ms or more apart, not in step."""
    table = Table(2)
    table.from_text = True
    drawing = {0: 0, 1: 0}
    times = []
    for _ in range(3000):
        for place, until in drawing.items():
            if table.connections[place].ask is None and table.now >= until:
                table.ask(place, 0.0)
        for place, answer in table.deal():
            if isinstance(answer, Wait):
                table.ask(place, 0.0)
                continue
            drawing[place] = table.now + 100 * MS
            times.append(table.now)
        table.now += MS
    settled = times[10:]
    assert min(after - before for before, after in pairwise(settled)) >= 38 * MS
    assert len(times) >= 56, "and they lose little: 60 are the most in three seconds"


def test_one_alone_is_not_held() -> None:
    table = Table(1)
    table.from_text = True
    for _ in range(20):
        table.ask(0, 0.0)
        assert [place for place, _ in table.deal()] == [0]
        table.now += MS


def test_cap_counts_for_all() -> None:
    table = Table(2)
    table.from_text, table.shared = True, Sharing(most_a_second=10)
    drawn = 0
    for _ in range(2000):
        for place, connection in enumerate(table.connections):
            if connection.ask is None:
                table.ask(place, 0.0)
        drawn += sum(isinstance(answer, Answer) for _, answer in table.deal())
        table.now += MS
    assert 18 <= drawn <= 21


def test_frame_buffer_is_filled_in_a_row() -> None:
    table = Table(2)
    table.settle()
    table.shared = Sharing(batch=3)
    got = []
    for _ in range(6):
        table.frame()
        (place,) = table.given()
        got.append(place)
        table.ask(place, 1.0)
        table.now += 30 * MS
    assert got == [0, 0, 0, 1, 1, 1]


def test_feedback_makes_others_wait() -> None:
    table = Table(2)
    table.settle()
    table.shared = Sharing(alone=True)
    answered = []
    for _ in range(6):
        table.frame()
        table.now += 110 * MS
        for place, answer in table.deal():
            answered.append((place, type(answer)))
            table.ask(place, 1.0)
    assert {each for each in answered if each[0] == 0} == {(0, Answer)}
    assert {each for each in answered if each[0] == 1} == {(1, Wait)}, "so that it is known to live"


def test_frame_of_lost_one_is_given_again() -> None:
    table = Table(2)
    table.settle()
    serial = table.frame()
    table.now += 100 * MS
    assert table.given() == [0]
    assert table.given() == []
    table.dealer.lose(table.connections[0])
    del table.connections[0]
    table.now += 100 * MS
    ((_, answer),) = table.deal()
    assert isinstance(answer, Answer)
    assert answer.is_new
    assert answer.source_index == serial


def test_other_build_shares_nothing() -> None:
    table = Table(1)
    table.connections.append(Connection(RendererReport("candidate", table.now, OTHER)))
    table.settle()
    table.frame()
    table.now += MS
    assert table.given() == [0, 1]


@pytest.mark.parametrize(("held", "seconds"), [(True, HOLD), (False, PAUSE)])
def test_renderer_that_must_wait_is_told(held: bool, seconds: float) -> None:
    table = Table(2)
    table.connections[1].report.is_held = held
    table.shared = Sharing(alone=True)
    table.ask(1)
    due = table.dealer.next_look(table.connections, table.now)
    assert due == table.now + round(seconds * NS)
    assert not table.deal()
    table.now = due
    assert table.deal() == [(1, Wait())]


def test_slow_renderers_are_not_held_for_long() -> None:
    table = Table(2)
    table.from_text = True
    for connection in table.connections:
        connection.given_at, connection.seconds = table.now, 60.0
        connection.asks(Ask(64, 64, 0.0), table.now)
    assert len([answer for _, answer in table.deal() if isinstance(answer, Answer)]) == 1
    table.now += round(LONGEST_APART * NS)
    assert len([answer for _, answer in table.deal() if isinstance(answer, Answer)]) == 1
