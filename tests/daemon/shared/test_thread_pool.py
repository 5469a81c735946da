"""Work done at once: begun before it is waited for, answered in order, and a failure kept to its place."""

import threading

import pytest

from daemon.shared.thread_pool import run_in_threads


def test_pieces_run_beside_the_caller_and_answer_in_order() -> None:
    begun = threading.Event()

    def first() -> str:
        begun.set()
        return "first"

    answers = run_in_threads([first, lambda: "second", lambda: "third"])
    assert begun.wait(5)  # nobody has asked for an answer yet
    assert list(answers) == ["first", "second", "third"]


def test_a_piece_that_fails_raises_where_its_answer_is_wanted() -> None:
    answers = run_in_threads([lambda: 1, lambda: 1 // 0, lambda: 3])
    assert next(answers) == 1
    with pytest.raises(ZeroDivisionError):
        next(answers)
