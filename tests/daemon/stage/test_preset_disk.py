"""A presets folder that does not answer, and floods of saves: neither holds up what acts on the output."""

import threading
from collections.abc import Iterator

import pytest
from store_answers import OSC, accepted, refused

from daemon.stage import preset_disk
from daemon.stage.parameter_store import ParameterStore
from io_bridges.show_control import ControlReply
from presets.library import Library

WAIT = 30.0


class Answers:
    """Later replies, in the order in which they come."""

    def __init__(self) -> None:
        self.replies: list[ControlReply] = []
        self._came = threading.Condition()

    def __call__(self, reply: ControlReply) -> None:
        with self._came:
            self.replies.append(reply)
            self._came.notify_all()

    def wait_for(self, number: int) -> list[ControlReply]:
        with self._came:
            assert self._came.wait_for(lambda: len(self.replies) >= number, WAIT), self.replies
        return self.replies


@pytest.fixture
def hanging(store: ParameterStore, library: Library, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that answers no request until the event is set, as a network share does whose server is gone."""
    answer = threading.Event()
    real = Library._listing

    def listing(self: Library) -> object:
        answer.wait(WAIT)
        return real(self)

    accepted(store.apply("/preset", ["fire"], OSC))
    names = store.preset_names()
    monkeypatch.setattr(preset_disk.PresetDisk, "patience", 0.01)
    monkeypatch.setattr(preset_disk, "LIMIT", 0.3)
    monkeypatch.setattr(Library, "_listing", listing)
    assert store.preset_names() == names, "the names that are known stay"
    yield answer
    answer.set()


def test_blackout_with_a_hung_folder(store: ParameterStore, hanging: threading.Event) -> None:
    answers = Answers()
    for address, argument in (("/preset", "ice-cells"), ("/save", "mine"), ("/next", ""), ("/undo_save", "")):
        assert store.apply(address, [argument] if argument else [], OSC, answers).pending
    accepted(store.apply("/blackout", [1], OSC))
    assert store.value("/blackout") is True
    accepted(store.apply("/panic", [], OSC))
    assert not answers.replies or all(not reply.accepted for reply in answers.replies)
    replies = answers.wait_for(4)
    assert {reply.address for reply in replies} == {"/preset", "/save", "/next", "/undo_save"}
    assert any("does not answer" in refused(reply) for reply in replies if reply.address != "/undo_save")


def test_late_answer_changes_nothing(store: ParameterStore, hanging: threading.Event) -> None:
    answers = Answers()
    assert store.apply("/preset", ["ice-cells"], OSC, answers).pending
    assert "does not answer" in refused(answers.wait_for(1)[0])
    threads = [thread for thread in threading.enumerate() if thread.name == "preset-file"]
    hanging.set()
    for thread in threads:
        thread.join(WAIT)
    assert store.value("/preset") == "fire"
    assert store.apply("/preset", ["ice-cells"], OSC, answers).accepted


def test_hung_threads_are_bounded(store: ParameterStore, hanging: threading.Event) -> None:
    answers = Answers()
    for number in range(8):
        store.apply("/preset", [f"look-{number}"], OSC, answers)
    answers.wait_for(8)
    assert sum(thread.name == "preset-file" for thread in threading.enumerate()) <= preset_disk.MOST_HUNG


def test_saves_at_once_are_one_write(
    store: ParameterStore, library: Library, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preset_disk, "LIMIT", WAIT)
    answers = Answers()
    for _ in range(1000):
        assert store.apply("/save", ["mine"], OSC, answers).pending
    accepted(store.apply("/blackout", [1], OSC))
    hanging.set()
    assert all(reply.accepted for reply in answers.wait_for(1000)), "each is answered"
    assert len(answers.replies) == 1000
    assert library.load("mine").values["strength"] == store.value("/strength")


def test_panic_drops_a_waiting_look(
    store: ParameterStore, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preset_disk, "LIMIT", WAIT)
    answers = Answers()
    assert store.apply("/preset", ["ice-cells"], OSC, answers).pending
    accepted(store.apply("/panic", [], OSC))
    hanging.set()
    assert "panic" in refused(answers.wait_for(1)[0])
    assert store.value("/preset") == "fire"
