"""Sinks added and removed on real threads: those that hang, crash or fail, and those that are asked for twice."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hand_clock import HandClock

from daemon.shared.clock import NS
from daemon.stage import sink_changes
from daemon.stage.bridge_set import MOST_HUNG, BridgeSet
from daemon.stage.newest_frame import NewestFrame
from daemon.stage.sink_changes import ADD, REMOVE, SinkChanges
from daemon.stage.sink_list import MOST_SINKS
from daemon.stage.sink_thread import SinkThread
from daemon.stage.source_thread import Fitting, SourceThread
from io_bridges.builtin_sources import EmptySource
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.scheme import without_password
from io_bridges.show_control import ControlReply
from presets.errors import BridgeError, SettingsError
from presets.parameters import Parameters

LONG = 20.0
PICTURE = RenderedFrame(np.zeros((8, 8, 3), np.uint8), 1, 1, 1, 1)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.005)


class Screen:
    """A sink that a test lets hang, fail or crash."""

    def __init__(self, uri: str, check: Callable[[], None]) -> None:
        self.check = check
        self.lets_open, self.lets_write = threading.Event(), threading.Event()
        for event, word in ((self.lets_open, "slow"), (self.lets_write, "stuck")):
            if word not in uri:
                event.set()
        self.error = {"broken": BridgeError("no signal"), "defect": ZeroDivisionError("a defect")}.get(
            uri.partition(":")[0]
        )
        self.is_called = False
        self.opened = self.closed = self.written = 0

    def open(self, width: int, height: int, fps: float) -> None:
        self.check()
        self.is_called = True
        self.lets_open.wait(LONG)
        if self.error is not None:
            raise self.error
        self.opened += 1

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        self.lets_write.wait(LONG)
        self.written += 1

    def close(self) -> None:
        self.closed += 1

    def status(self) -> dict[str, object]:
        return {}


class Rig:
    """The changes of a show with one sink, ``first:``, on a clock set by hand."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.screens: list[Screen] = []
        self.refused: list[tuple[str, str]] = []
        incoming = NewestFrame(self.clock, Parameters)
        self.bridges = BridgeSet(
            lambda: SourceThread("none:", EmptySource(), self.clock, incoming, lambda: Fitting(8, 8)),
            [lambda: self.make("first:", 1, lambda: None)],
        )
        self.bridges.sinks[0].start()
        self.changes = SinkChanges(
            self.bridges,
            ["first:"],
            self.clock,
            self.make,
            self.check,
            self.check_places,
            lambda *refused: self.refused.append(refused),
        )

    def make(self, uri: str, number: int, check: Callable[[], None]) -> SinkThread:
        def checked() -> None:
            try:
                check()
            except SettingsError as error:
                raise BridgeError(str(error)) from error

        self.screens.append(Screen(uri, checked))
        return SinkThread(without_password(uri), self.screens[-1], self.clock, 8, 8, 25.0, number=number)

    def check(self, uri: str) -> None:
        if uri.startswith("spoon"):
            raise SettingsError(f"{uri} is not a sink")

    def check_places(self, uris: Sequence[str]) -> None:
        if len(set(uris)) < len(uris):
            raise SettingsError(f"{uris[-1]} is there already")

    def ask(self, address: str, text: str) -> tuple[ControlReply, list[ControlReply]]:
        """Return the reply to a request, and the list that gets the one that comes later."""
        late: list[ControlReply] = []
        return self.changes.request(address, text, "osc:1", late.append), late

    def outcome(self, address: str, text: str) -> ControlReply:
        reply, late = self.ask(address, text)
        assert reply.pending
        until(lambda: late)
        return late[0]

    def tick(self, number: int) -> None:
        self.bridges.put((PICTURE, Tick(number, 0, False)))


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(sink_changes, "CLOSING", LONG)
    rig = Rig()
    assert rig.ask(ADD, "early:")[0].note == "the show is starting; ask again in a moment"
    rig.changes.start()
    rig.refused.clear()
    yield rig
    for screen in rig.screens:
        screen.lets_open.set()
        screen.lets_write.set()
    rig.changes.stop()
    for sink in rig.bridges.sinks:
        sink.stop()
    for thread in (*rig.bridges.sinks, *rig.bridges.leaving()):
        thread.join(LONG)


def test_sink_that_does_not_open(rig: Rig) -> None:
    reply, late = rig.ask(ADD, "slow:")
    assert (reply.accepted, reply.pending, reply.note) == (True, True, "opening slow:")
    assert rig.changes.opening == ["slow:"]
    until(lambda: len(rig.screens) == 2 and rig.screens[1].is_called)
    rig.tick(0)
    until(lambda: rig.screens[0].written == 1)
    rig.clock.time += 6 * NS
    until(lambda: late)
    assert late == [ControlReply(ADD, False, None, "slow:: a call into it does not return")]
    assert (rig.changes.opening, rig.changes.uris()) == ([], ["first:"])
    assert len(rig.bridges.leaving()) == 1
    rig.screens[1].lets_open.set()
    until(lambda: rig.screens[1].closed)
    assert (rig.screens[1].opened, rig.screens[1].written) == (1, 0), "it is closed once its call returns"


def test_hung_openings_are_bounded(rig: Rig) -> None:
    for number in range(MOST_HUNG):
        _, late = rig.ask(ADD, "slow:")
        until(lambda number=number: len(rig.screens) == number + 2 and rig.screens[-1].is_called)
        rig.clock.time += 6 * NS
        until(lambda late=late: late)
    assert "earlier calls into it have not returned yet" in rig.outcome(ADD, "slow:").note


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_sink_that_fails_or_crashes(rig: Rig) -> None:
    assert rig.outcome(ADD, "broken:") == ControlReply(ADD, False, None, "broken:: no signal")
    assert rig.outcome(ADD, "defect:") == ControlReply(ADD, False, None, "defect:: its thread crashed")
    assert rig.refused == [
        ("osc:1", "/sink/add: broken:: no signal"),
        ("osc:1", "/sink/add: defect:: its thread crashed"),
    ]
    assert [failed.reason for failed in rig.changes.failed] == ["broken:: no signal", "defect:: its thread crashed"]
    assert (rig.changes.uris(), len(rig.bridges.sinks), rig.bridges.leaving()) == (["first:"], 1, [])
    rig.clock.time += 61 * NS
    assert rig.changes.failed == []
    reply, late = rig.ask(ADD, "spoon:")
    assert (reply, late) == (ControlReply(ADD, False, None, "spoon: is not a sink"), [])


def test_same_sink_asked_for_twice(rig: Rig) -> None:
    _, first = rig.ask(ADD, "slow:")
    assert rig.outcome(ADD, "slow:").note == "slow: is there already"
    assert "still opening" in rig.ask(REMOVE, "slow:")[0].note
    rig.screens[1].lets_open.set()
    until(lambda: first)
    assert first == [ControlReply(ADD, True, None, "slow: is open as sink 2")]
    assert rig.changes.uris() == ["first:", "slow:"]


def test_limit_counts_what_is_opening(rig: Rig) -> None:
    for number in range(MOST_SINKS - 1):
        assert rig.ask(ADD, f"slow:{number}")[0].accepted
    assert rig.ask(ADD, "slow:17")[0].note == "there are 16 sinks, which is the limit; remove one first"


def test_removed_sink_that_hangs(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_changes, "CLOSING", 0.2)
    assert rig.outcome(ADD, "stuck:").accepted
    stuck = rig.screens[1]
    rig.tick(0)
    until(lambda: rig.bridges.sinks[1]._called_at is not None)
    assert rig.outcome(REMOVE, "stuck:").note == "stuck: is removed; a call into it has not returned yet"
    assert rig.changes.uris() == ["first:"]
    rig.tick(1)
    until(lambda: rig.screens[0].written == 2)
    stuck.lets_write.set()
    until(lambda: stuck.closed)
    assert stuck.written == 1


def test_replaced_sink_is_removed_by_its_number(rig: Rig) -> None:
    assert rig.outcome(ADD, "stuck:").accepted
    rig.tick(0)
    until(lambda: rig.bridges.sinks[1]._called_at is not None)
    rig.clock.time += 6 * NS
    rig.bridges.replace_stuck()
    assert [sink.number for sink in rig.bridges.sinks] == [1, 2]
    until(lambda: rig.screens[2].opened)
    assert rig.outcome(REMOVE, "2").note == "stuck: is closed"
    assert rig.screens[2].closed
    assert len(rig.bridges.sinks) == 1


def test_password_is_not_shown(rig: Rig) -> None:
    assert rig.outcome(ADD, "push:rtmp://me:secret@host/live").note == "push:rtmp://me:***@host/live is open as sink 2"
    assert "secret" not in rig.ask(REMOVE, "nothing")[0].note
    assert "secret" not in rig.outcome(ADD, "push:rtmp://me:secret@host/live").note
    assert rig.outcome(REMOVE, "push:rtmp://me:***@host/live").note == "push:rtmp://me:***@host/live is closed"
    assert rig.changes.uris() == ["first:"]


def test_end_of_the_show_gives_up_openings(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_changes, "CLOSING", 0.2)
    _, late = rig.ask(ADD, "slow:")
    rig.changes.stop()
    until(lambda: late)
    assert late[0].note == "slow:: the show ends"
    assert rig.ask(ADD, "other:")[0].note == "the show ends"
    assert len(rig.bridges.sinks) == 1
