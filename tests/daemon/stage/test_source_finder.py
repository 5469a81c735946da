"""Searches for sources: one at a time, on a thread of its own."""

import threading

import pytest

from daemon.doctor.source_search import SearchResult
from daemon.stage import source_finder
from daemon.stage.source_finder import SourceFinder
from io_bridges.show_control import FoundSources

LONG = 20.0


class Network:
    """A search that ends when the test says so."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.searches = 0
        self.results = [SearchResult("ndi", ("ndi:A", "ndi:B")), SearchResult("syphon", failure="no Mac")]

    def search(self) -> list[SearchResult]:
        self.searches += 1
        assert self.may_end.wait(LONG)
        return self.results


class Answer:
    def __init__(self) -> None:
        self.came = threading.Event()

    def __call__(self, found: FoundSources) -> None:
        self.found = found
        self.came.set()


def test_one_search_answers_all() -> None:
    network = Network()
    finder = SourceFinder(network.search)
    answers = [Answer() for _ in range(3)]
    for answer in answers:
        finder.find(answer)
        assert not answer.came.is_set(), "asking does not wait"
    network.may_end.set()
    for answer in answers:
        assert answer.came.wait(LONG)
        assert answer.found == FoundSources(("ndi:A", "ndi:B"), {"syphon": "no Mac"})
    assert network.searches == 1
    network.results = []
    finder.find(again := Answer())
    assert again.came.wait(LONG)
    assert again.found == FoundSources((), {})


def test_more_requests_get_the_last_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_finder, "MOST_WAITING", 1)
    network = Network()
    finder = SourceFinder(network.search)
    finder.find(first := Answer())
    finder.find(second := Answer())
    assert second.came.is_set()
    assert second.found == FoundSources((), {})
    network.may_end.set()
    assert first.came.wait(LONG)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_failed_search_is_answered() -> None:
    def broken() -> list[SearchResult]:
        raise ZeroDivisionError("a defect")

    finder = SourceFinder(broken)
    for _ in range(2):
        finder.find(answer := Answer())
        assert answer.came.wait(LONG)
        assert answer.found.uris == ()
        for thread in threading.enumerate():
            if thread.name == "source-search":
                thread.join(LONG)
