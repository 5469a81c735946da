"""Changes of the model by the bench: its folders are open to messages, and a refusal ends the measurement."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.report.findings import NotMeasured
from benchmarks.show.measure_models import _folders, _plays
from benchmarks.show.show_process import ShowProcess
from daemon.stage.control_thread import ControlThread
from daemon.stage.opened_places import allowed_folders
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.settings import Settings
from io_bridges.zmq_control import ZmqControl
from presets.library import Library


@pytest.fixture
def models(tmp_path: Path) -> tuple[str, str, str]:
    """A name, a folder that the bench names, and a folder that it does not."""
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
    return "shipped", str(tmp_path / "mine"), str(tmp_path / "other")


@pytest.fixture
def show(tmp_path: Path, models: tuple[str, str, str]) -> Iterator[ShowProcess]:
    """The bench's show without its process: its control port answers for a store that has its open folders."""
    show = ShowProcess(tmp_path / "show", {"model": models[0]}, folders=_folders(models[:2]))
    named = [Path(show.command[place + 1]) for place, each in enumerate(show.command) if each == "--allow-folder"]
    store = ParameterStore(Library(tmp_path / "presets"))
    store.opened.open(Settings(allow_folders=allowed_folders(named)))
    control = ControlThread("zmq", ZmqControl(f"tcp://127.0.0.1:{show.control_port}"), store)
    control.start()
    yield show
    control.stop()


def test_bench_opens_its_models(show: ShowProcess, models: tuple[str, str, str]) -> None:
    assert show.command[-2:] == ["--allow-folder", models[1]]
    for model in models[:2]:
        show.set_value("/model", model)
        assert show.value("/model") == model
    with pytest.raises(NotMeasured, match=r"the show refuses /model: .* outside of the folders that are open"):
        show.set_value("/model", models[2])


def test_model_that_does_not_play_ends_it(show: ShowProcess, models: tuple[str, str, str]) -> None:
    show.set_value("/model", models[1])
    assert not _plays(show, models[1], {"model": "shipped", "failure": ""})
    assert _plays(show, models[1], {"model": models[1], "failure": ""})
    show.set_value("/model", "shipped")  # as a show does that goes back
    with pytest.raises(NotMeasured, match="mine does not play: it is damaged"):
        _plays(show, models[1], {"model": "shipped", "failure": "it is damaged"})
