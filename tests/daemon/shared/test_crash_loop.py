"""Threads that a defect must not end."""

import logging
import threading
import time
from collections.abc import Callable

import pytest

from daemon.shared import crash_loop
from daemon.shared.crash_loop import restart_on_crash
from daemon.stage.control_thread import ControlThread
from daemon.stage.parameter_store import ParameterStore
from io_bridges.show_control import ShowControl
from presets.errors import BridgeError, BridgeUnavailable
from presets.library import Library


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)


def test_work_that_raises_begins_again_and_one_traceback_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crash_loop, "PAUSE", 0.001)
    stopping = threading.Event()
    begun: list[int] = []

    def work() -> None:
        begun.append(1)
        if len(begun) == 50:
            stopping.set()
            return
        raise ZeroDivisionError("a defect")

    with caplog.at_level(logging.ERROR):
        restart_on_crash("the picture", work, stopping.is_set)()
    assert len(begun) == 50
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert "the picture" in caplog.text
    assert "a defect" in caplog.text


class FaderBox:
    """A control that fails as it is told."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)
        self.opened = self.closed = self.served = 0
        self.stopped = threading.Event()

    def open(self, desk: ShowControl) -> None:
        self.opened += 1
        if self.failures and isinstance(self.failures[0], BridgeUnavailable):
            raise self.failures.pop(0)

    def serve(self) -> None:
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        self.served += 1
        self.stopped.wait(20)

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.closed += 1

    def status(self) -> dict[str, object]:
        return {}


@pytest.fixture
def store() -> ParameterStore:
    return ParameterStore(Library())


@pytest.mark.parametrize("failures", [[BridgeError("unplugged"), BridgeUnavailable("taken")], [KeyError("a defect")]])
def test_a_control_that_fails_in_the_show_is_opened_again(store: ParameterStore, failures: list[Exception]) -> None:
    box = FaderBox(*failures)
    thread = ControlThread("box", box, store)
    thread.start()
    until(lambda: box.served)
    assert box.opened == len(failures) + 1
    thread.stop()
    assert not thread.status()["alive"]
    assert box.closed == box.opened


def test_a_control_that_can_not_be_opened_at_first_is_told_and_not_tried_again(store: ParameterStore) -> None:
    box = FaderBox(BridgeUnavailable("taken"))
    thread = ControlThread("box", box, store)
    with pytest.raises(BridgeUnavailable, match="taken"):
        thread.start()
    thread.stop()
    assert (box.opened, box.closed) == (1, 1)
