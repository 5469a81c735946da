"""The monitor of OSC: the last messages, with what became of each, over a real socket and a real store."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from osc_surface import Surface, serving, wait_for

from daemon.stage.parameter_store import ParameterStore
from io_bridges.osc.monitor import LENGTH, OscMonitor
from io_bridges.osc.packets import Impulse
from io_bridges.osc.server import OscControl
from io_bridges.show_control import ControlReply
from presets.library import Library


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ParameterStore:
    return ParameterStore(Library(tmp_path_factory.mktemp("presets")))


@pytest.fixture
def surface(store: ParameterStore) -> Iterator[Surface]:
    with serving(OscControl(port=0), store) as control:  # type: ignore[arg-type]
        surface = Surface(control)
        yield surface
        surface.socket.close()


def newest(surface: Surface, number: int = 1) -> list[dict[str, Any]]:
    """Return the newest messages, once there are so many."""
    assert surface.control is not None
    monitor = surface.control.monitor
    wait_for(lambda: len(monitor.messages()) >= number)
    return monitor.messages()[-number:]


def test_messages_are_remembered_with_their_outcome(surface: Surface) -> None:
    surface.send("/mode", "text")
    surface.send("/strenght", 0.5)
    surface.send("/steps", 99)
    surface.send_raw(b"hello")
    surface.send("/prompt/*/nothing", 1)
    surface.send("/strength", "?")
    surface.send("/subscribe", 9500)
    seen = newest(surface, 7)
    assert [(each["address"], each["arguments"], each["taken"], each["note"]) for each in seen] == [
        ("/mode", ["text"], True, ""),
        ("/strenght", [0.5], False, "there is no '/strenght'; did you mean /strength?"),
        ("/steps", [99], True, "the maximum is 50; set to 50"),
        ("", [], False, "malformed OSC: not OSC: an address must begin with '/'"),
        ("/prompt/*/nothing", [1], False, "/prompt/*/nothing matches no parameter"),
        ("/strength", ["?"], True, "polled"),
        ("/subscribe", [9500], True, "feedback to port 9500"),
    ]
    assert {each["sender"] for each in seen} == {f"127.0.0.1:{surface.port}"}
    times = [each["time"] for each in seen]
    assert times == sorted(times)


def test_pattern_is_told_for_each_address(surface: Surface) -> None:
    surface.send("/prompt/[12]/weight", 0.25)
    assert [each["address"] for each in newest(surface, 2)] == ["/prompt/1/weight", "/prompt/2/weight"]


def test_feedback_of_another_show_is_told(surface: Surface) -> None:
    surface.send("/streamflow/fps", 25.0)
    (seen,) = newest(surface)
    assert (seen["taken"], seen["note"]) == (False, "feedback of another show is not read")


def test_late_outcome_is_told(surface: Surface, store: ParameterStore) -> None:
    refusal = ControlReply("/source", False, None, "no such clip.")

    def open_source(uri: str, sender: str, later: Any) -> ControlReply:
        threading.Timer(0.05, later, [refusal]).start()
        return ControlReply("/source", True, None, f"opening {uri}", pending=True)

    store.open_source["/source"] = open_source
    try:
        surface.send("/source", "clip.mp4")
        first, second = newest(surface, 2)
    finally:
        del store.open_source["/source"]
    assert (first["arguments"], first["taken"], first["note"]) == (["clip.mp4"], True, "opening clip.mp4")
    assert (second["address"], second["taken"], second["note"]) == ("/source", False, "no such clip.")


def test_opened_again_it_still_knows(store: ParameterStore) -> None:
    control = OscControl(port=0)
    for name in ("text", "image"):
        with serving(control, store):  # type: ignore[arg-type]
            surface = Surface(control)
            surface.send("/mode", name)
            newest(surface, 1 if name == "text" else 2)
            surface.socket.close()
    assert [each["arguments"] for each in control.monitor.messages()] == [["text"], ["image"]]


def test_ring_is_bounded() -> None:
    monitor = OscMonitor()
    assert monitor.messages() == []
    for number in range(2 * LENGTH + 7):
        monitor.note(("10.0.0.2", 9000), "/steps", [number], True)
    seen = monitor.messages()
    assert [each["arguments"] for each in seen] == [[number] for number in range(LENGTH + 7, 2 * LENGTH + 7)]
    assert seen[-1]["number"] == 2 * LENGTH + 6


def test_arguments_are_bounded_and_plain() -> None:
    monitor = OscMonitor()
    arguments = [Impulse.IMPULSE, b"\0" * 4000, "x" * 4000, [1, [2]], None, True, 0.5, *range(100)]
    monitor.note(("10.0.0.2", 9000), "/" + "a" * 4000, arguments, False, "no")
    (seen,) = monitor.messages()
    assert seen["arguments"][:2] == ["bang", "4000 bytes"]
    assert seen["arguments"][3:7] == ["[1, [2]]", None, True, 0.5]
    assert seen["arguments"][-1] == "… 91 more"
    assert len(json.dumps(seen)) < 1000


def test_passwords_are_not_shown() -> None:
    monitor = OscMonitor()
    monitor.note(("10.0.0.2", 9000), "/source", ["stream:rtsp://me:secret@10.0.0.3/live"], True)
    monitor.note(("10.0.0.2", 9000), "/source/rtsp://me:secret@10.0.0.3/live", [], False, "unknown")
    assert "secret" not in json.dumps(monitor.messages())
    assert "10.0.0.3/live" in json.dumps(monitor.messages())


def test_reading_while_it_is_written() -> None:
    monitor = OscMonitor()
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.is_set():
            monitor.note(("10.0.0.2", 9000), "/steps", [number], True)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            numbers = [each["number"] for each in monitor.messages()]
            assert numbers == sorted(set(numbers))
            assert len(numbers) <= LENGTH
    finally:
        ended.set()
        writer.join()
