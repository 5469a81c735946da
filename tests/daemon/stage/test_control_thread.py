"""Controls that fail during a show are opened again."""

import threading
import time
from collections.abc import Callable

import pytest

from daemon.stage.control_thread import ControlThread
from daemon.stage.parameter_store import ParameterStore
from io_bridges.show_control import ShowControl
from presets.errors import BridgeError, BridgeUnavailable
from presets.library import Library


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.005)


class FaderBox:
    """A control that fails as the test says."""

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
def test_failed_control_is_reopened(store: ParameterStore, failures: list[Exception]) -> None:
    box = FaderBox(*failures)
    thread = ControlThread("box", box, store)
    thread.start()
    until(lambda: box.served)
    assert box.opened == len(failures) + 1
    thread.stop()
    assert not thread.status()["alive"]
    assert box.closed == box.opened


def test_failed_first_opening_raises(store: ParameterStore) -> None:
    box = FaderBox(BridgeUnavailable("taken"))
    thread = ControlThread("box", box, store)
    with pytest.raises(BridgeUnavailable, match="taken"):
        thread.start()
    thread.stop()
    assert (box.opened, box.closed) == (1, 1)
