"""Sources put on air in place of others, on real threads: those that open, fail, hang, and are asked for at once."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from daemon.shared.clock import SystemClock
from daemon.stage import source_switch
from daemon.stage.bridge_set import MOST_HUNG, BridgeSet
from daemon.stage.newest_frame import NewestFrame
from daemon.stage.source_switch import SourceSwitch
from daemon.stage.source_thread import Fitting, SourceThread
from io_bridges.frames import Frame
from io_bridges.show_control import ControlReply
from presets.errors import BridgeError, SettingsError
from presets.parameters import Parameters

LONG = 20.0


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.005)


class Camera:
    """A source of frames of one grey. Two cameras on one ``zmq:`` port can't be open at once."""

    taken: dict[str, "Camera"] = {}  # noqa: RUF012  shared by all, as a port is

    def __init__(self, uri: str, grey: int, *, refuses: str = "", silent: bool = False, hangs: bool = False) -> None:
        self.port = uri.partition("?")[0]
        self.grey, self.refuses, self.silent = grey, refuses, silent
        self.stuck = threading.Event()
        if not hangs:
            self.stuck.set()
        self.empty = uri == "none:"
        self.opened = 0

    def open(self) -> None:
        self.opened += 1
        self.stuck.wait(LONG)
        if self.refuses:
            raise BridgeError(self.refuses)
        if self.port.startswith("zmq:") and Camera.taken.setdefault(self.port, self) is not self:
            raise BridgeError(f"{self.port} is in use")

    def read(self, timeout: float) -> Frame | None:
        time.sleep(0.01)
        return None if self.silent else Frame(np.full((8, 8, 3), self.grey, np.uint8), 0, 1)

    def close(self) -> None:
        if Camera.taken.get(self.port) is self:
            del Camera.taken[self.port]

    def status(self) -> dict[str, object]:
        return {"source": "none" if self.empty else "camera"}


class Rig:
    """A switch over cameras by URI."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.incoming = NewestFrame(self.clock, Parameters)
        self.cameras: dict[str, Camera] = {}
        self.taken: list[tuple[str, str]] = []
        self.refused: list[tuple[str, str]] = []
        self.replies: list[ControlReply] = []
        self.add("zmq:1", 10)
        self.bridges = BridgeSet(lambda: self.make("zmq:1", True), [])
        self.switch = SourceSwitch(
            self.bridges,
            "zmq:1",
            self.clock,
            self.make,
            self.check,
            lambda *taken: self.taken.append(taken),
            lambda *refused: self.refused.append(refused),
        )

    def add(self, uri: str, grey: int, **behaviour: object) -> Camera:
        self.cameras[uri] = Camera(uri, grey, **behaviour)  # type: ignore[arg-type]
        return self.cameras[uri]

    def make(self, uri: str, on_air: bool) -> SourceThread:
        return SourceThread(uri, self.cameras[uri], self.clock, self.incoming, lambda: Fitting(8, 8), on_air)

    def check(self, uri: str) -> None:
        if uri.partition(":")[0] == "spoon":
            raise SettingsError(f"{uri} is not a source")

    def ask(self, uri: str) -> ControlReply:
        return self.switch.request(uri, "osc:1", self.replies.append)

    def outcome(self, uri: str) -> ControlReply:
        """Ask for a source and return the reply that comes later."""
        own: list[ControlReply] = []
        assert self.switch.request(uri, "osc:1", own.append).pending
        until(lambda: own)
        return own[0]

    def shows(self, grey: int) -> bool:
        frame, _ = self.incoming.peek()
        return frame is not None and int(frame.pixels[0, 0, 0]) == grey


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    rig.bridges.source.start()
    until(lambda: rig.shows(10))
    rig.switch.start()
    yield rig
    rig.switch.stop()
    for camera in rig.cameras.values():
        camera.stuck.set()
    rig.bridges.source.stop()
    for thread in (rig.bridges.source, *rig.bridges.leaving()):
        thread.join(LONG)
    assert Camera.taken == {}


def test_opened_source_takes_over(rig: Rig) -> None:
    rig.add("zmq:2", 20)
    former = rig.bridges.source
    assert rig.outcome("zmq:2") == ControlReply("/source", True, "zmq:2", "")
    assert rig.taken == [("zmq:2", "osc:1")]
    until(lambda: rig.shows(20))
    former.join(LONG)
    assert not former.is_alive()
    _, serial = rig.incoming.peek()
    until(lambda: rig.incoming.peek()[1] > serial + 3)
    assert rig.shows(20), "the old one is heard no more"


def test_refused_source_changes_nothing(rig: Rig) -> None:
    rig.add("zmq:2", 20, refuses="the cable is out")
    assert rig.outcome("zmq:2") == ControlReply("/source", False, None, "zmq:2: the cable is out. zmq:1 plays on.")
    assert rig.refused == [("osc:1", "/source: zmq:2: the cable is out. zmq:1 plays on.")]
    assert rig.switch.failed is not None
    assert rig.ask("spoon:") == ControlReply("/source", False, None, "spoon: is not a source")
    assert rig.taken == []
    assert rig.bridges.source.uri == "zmq:1"
    _, serial = rig.incoming.peek()
    until(lambda: rig.incoming.peek()[1] > serial)
    assert rig.shows(10)
    assert rig.outcome("zmq:1").accepted
    assert rig.switch.failed is None, "a source that plays ends the notice"


def test_frames_wait_until_the_switch(rig: Rig) -> None:
    rig.add("zmq:2", 20)
    beside = rig.make("zmq:2", False)
    beside.start()
    until(lambda: beside.rate.total > 2)
    assert rig.shows(10)
    rig.bridges.source.leave_air()
    beside.go_on_air()
    assert rig.shows(20), "its newest frame is there at once"
    beside.stop()
    beside.join(LONG)


def test_silent_source_is_put_on_air(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_switch, "FIRST_FRAME", 0.1)
    rig.add("zmq:2", 20, silent=True)
    assert rig.outcome("zmq:2").note == "it is open, and no frame has come yet"
    assert rig.bridges.source.uri == "zmq:2"
    assert rig.shows(10), "the last frame is held"
    rig.cameras["zmq:2"].silent = False
    until(lambda: rig.shows(20))


def test_empty_source_leaves_no_frame(rig: Rig) -> None:
    rig.add("none:", 0, silent=True)
    assert rig.outcome("none:").accepted
    assert rig.incoming.peek()[0] is None


def test_newer_request_replaces_an_older_one(rig: Rig) -> None:
    slow = rig.add("zmq:2", 20, hangs=True)
    rig.add("zmq:3", 30)
    rig.add("zmq:4", 40)
    assert rig.ask("zmq:2").pending
    until(lambda: slow.opened)
    rig.ask("zmq:3")
    rig.ask("zmq:4")
    until(lambda: len(rig.replies) == 3)
    notes = {reply.note for reply in rig.replies if not reply.accepted}
    assert "zmq:2: another source was asked for since. zmq:1 plays on." in notes
    assert rig.taken[-1] == ("zmq:4", "osc:1")
    until(lambda: rig.shows(40))


def test_sources_that_hang_do_not_pile_up(rig: Rig) -> None:
    hung = rig.add("zmq:2", 20, hangs=True)
    rig.add("zmq:3", 30)
    for count in range(MOST_HUNG):
        rig.ask("zmq:2")
        until(lambda count=count: hung.opened > count)
        assert rig.outcome("zmq:3").accepted
    assert "have not returned yet" in rig.outcome("zmq:2").note
    assert hung.opened == MOST_HUNG
    assert rig.bridges.source.uri == "zmq:3"


def test_one_port_is_handed_over(rig: Rig) -> None:
    rig.add("zmq:1?socket=pull", 20)
    assert rig.outcome("zmq:1?socket=pull").accepted
    until(lambda: rig.shows(20))


def test_handed_over_port_comes_back(rig: Rig) -> None:
    rig.add("zmq:1?socket=pull", 20, refuses="no such socket")
    first = rig.bridges.source
    assert "no such socket. zmq:1 plays on." in rig.outcome("zmq:1?socket=pull").note
    assert rig.bridges.source is not first
    assert rig.bridges.source.uri == "zmq:1"
    _, serial = rig.incoming.peek()
    until(lambda: rig.incoming.peek()[1] > serial)
    assert rig.shows(10)


def test_end_of_the_show_answers_a_request(rig: Rig) -> None:
    slow = rig.add("zmq:2", 20, hangs=True)
    rig.ask("zmq:2")
    until(lambda: slow.opened)
    rig.switch.stop()
    assert [reply.accepted for reply in rig.replies] == [False]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_defect_answers_and_the_next_works(rig: Rig) -> None:
    rig.add("zmq:2", 20)
    rig.add("zmq:3", 30)
    make = rig.make

    def broken(uri: str, on_air: bool) -> SourceThread:
        if uri == "zmq:2":
            raise ZeroDivisionError("a defect")
        return make(uri, on_air)

    rig.switch._make = broken
    assert "a defect of this program" in rig.outcome("zmq:2").note
    assert rig.outcome("zmq:3").accepted


def test_password_is_shown_to_nobody(rig: Rig) -> None:
    secret = "stream:rtsp://eve:s3cret@cam/live"
    rig.add(secret, 20)
    reply = rig.outcome(secret)
    assert reply.value == "stream:rtsp://eve:***@cam/live"
    assert rig.taken == [(secret, "osc:1")], "the next start needs it"
    camera = rig.cameras[secret]
    assert rig.outcome("stream:rtsp://eve:***@cam/live").accepted, "a page sends back what it shows"
    assert camera.opened == 1
    rig.add("stream:rtsp://eve:other@cam/live", 30, refuses="no route to rtsp://eve:other@cam/live")
    assert "other" not in rig.outcome("stream:rtsp://eve:other@cam/live").note
    assert not any("s3cret" in reason or "other@" in reason for _, reason in rig.refused)
