"""What tests of the parameter store have in common: a surface, a file of a look, an answer told apart."""

from io_bridges.desk import Answer
from presets.library import Library

OSC = "osc:127.0.0.1:50123"


def put(library: Library, name: str, text: str) -> None:
    library.folder.mkdir(exist_ok=True)
    (library.folder / f"{name}.yaml").write_text(text)


def accepted(answer: Answer) -> Answer:
    assert answer.accepted, answer.note
    return answer


def refused(answer: Answer) -> str:
    assert not answer.accepted
    assert answer.value is None
    assert answer.note
    return answer.note
