"""Helpers for tests of the parameter store."""

from io_bridges.show_control import ControlReply
from presets.library import Library

OSC = "osc:127.0.0.1:50123"


def put(library: Library, name: str, text: str) -> None:
    library.folder.mkdir(exist_ok=True)
    (library.folder / f"{name}.yaml").write_text(text)


def accepted(answer: ControlReply) -> ControlReply:
    assert answer.accepted, answer.note
    return answer


def refused(answer: ControlReply) -> str:
    assert not answer.accepted
    assert answer.value is None
    assert answer.note
    return answer.note
