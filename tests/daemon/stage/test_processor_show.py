"""Processors controlled by their names, on the store itself."""

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.processors.processor_folder import ProcessorFolder
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.processor_show import ProcessorShow
from io_bridges.show_control import ControlReply
from presets.processor_parameters import PROCESSORS

SHIFT = 'PARAMETERS = {"by": (0, 10, 3), "soft": (-1.0, 1.0, 0.5)}\n\n\ndef before(f, by, soft): ...\n'

Send = Callable[[str, object], ControlReply]


@pytest.fixture
def send(store: ParameterStore, tmp_path: Path) -> Send:
    (tmp_path / "shift.py").write_text(SHIFT)
    (tmp_path / "plain.py").write_text("def after(frame):\n    return frame\n")
    folder = ProcessorFolder(tmp_path)
    folder.look()
    show = ProcessorShow(store, store.value, folder)
    return lambda address, value: show.apply(address, [value], "osc:1")


def test_name_takes_the_first_empty_place(store: ParameterStore, send: Send) -> None:
    send("/processor/1/name", "plain")
    assert send("/processor/shift/active", 1) == ControlReply("/processor/shift/active", True, True, "")
    values = [store.value(f"/processor/2/{field}") for field in ("name", "active", "value1", "value2")]
    assert values == ["shift", True, 0.3, 0.75]
    send("/processor/shift/active", 0)
    assert [store.value(f"/processor/2/{field}") for field in ("name", "active")] == ["shift", False]


def test_number_is_a_share_of_its_range(store: ParameterStore, send: Send) -> None:
    send("/processor/3/name", "shift")
    assert store.value("/processor/3/value1") == 0.3, "the first value that the file declares"
    for value, wanted, share in ((7, 7, 0.7), ("2", 2, 0.2), (99, 10, 1.0), (True, 1, 0.1)):
        reply = send("/processor/shift/by", value)
        assert (reply.address, reply.accepted, reply.value) == ("/processor/shift/by", True, wanted)
        assert store.value("/processor/3/value1") == pytest.approx(share)
    send("/processor/shift/soft/norm", 0.25)
    assert store.value("/processor/3/value2") == 0.25
    send("/processor/3/value2", 0.5)
    assert store.value("/processor/3/value2") == 0.5


@pytest.mark.parametrize(
    ("address", "value", "note"),
    [
        ("/processor/shift/by", 1, "shift is in no place; /processor/shift/active 1 puts it in one"),
        ("/processor/shift/more", 1, "shift has no 'more'; it has active, by, soft"),
        ("/processor/shift/by/other", 1, "shift has no 'by/other'"),
        ("/processor/shift", 1, "shift has no ''"),
        ("/processor/absent/active", 1, "there is no absent.py in"),
        ("/processor/../shift/active", 1, "there is no ...py in"),
        ("/processor/shift/active", "perhaps", "a number is expected"),
        ("/processor/9/name", "shift", "did you mean /processor/4/name?"),
        ("/processor/1/name", "../shift", "and no path"),
        ("/processor/1/name", 7, "and no path"),
    ],
)
def test_refusals_change_nothing(store: ParameterStore, send: Send, address: str, value: object, note: str) -> None:
    before, values = store.status()["refusals"]["total"], store.values()  # type: ignore[index]
    reply = send(address, value)
    assert not reply.accepted
    assert note in reply.note, reply
    assert store.status()["refusals"]["total"] == before + 1  # type: ignore[index]
    assert store.values() == values


def test_full_places_are_told(send: Send) -> None:
    for place in range(1, PROCESSORS + 1):
        send(f"/processor/{place}/name", "plain")
    assert "all 4 places are taken" in send("/processor/shift/active", 1).note
    assert send("/processor/shift/active", 0) == ControlReply(
        "/processor/shift/active", True, False, "shift is in no place"
    )
