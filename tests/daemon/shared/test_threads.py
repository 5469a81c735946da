"""Threads: parallel work gives its results in order, and crashed work restarts."""

import logging
import threading

import pytest

from daemon.shared import threads
from daemon.shared.threads import restart_on_crash, run_in_threads


def test_results_come_in_order() -> None:
    begun = threading.Event()

    def first() -> str:
        begun.set()
        return "first"

    results = run_in_threads([first, lambda: "second", lambda: "third"])
    assert begun.wait(5)  # no result was asked for yet
    assert list(results) == ["first", "second", "third"]


def test_failed_call_raises_at_its_turn() -> None:
    results = run_in_threads([lambda: 1, lambda: 1 // 0, lambda: 3])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_crashed_work_restarts_with_one_traceback(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "PAUSE", 0.001)
    stopping = threading.Event()
    starts: list[int] = []

    def work() -> None:
        starts.append(1)
        if len(starts) == 50:
            stopping.set()
            return
        raise ZeroDivisionError("a defect")

    with caplog.at_level(logging.ERROR):
        restart_on_crash("the picture", work, stopping.is_set)()
    assert len(starts) == 50
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert "the picture" in caplog.text
    assert "a defect" in caplog.text
