"""The component for TouchDesigner: real page, OSC and shared memory, and stand-ins for TouchDesigner's objects."""

import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from td_stand_in import Op
from typer.testing import CliRunner

from daemon.__main__ import app
from daemon.stage.parameter_store import ParameterStore
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.osc.server import OscControl
from io_bridges.shared_memory.sink import SharedMemorySink
from io_bridges.shared_memory.source import SharedMemorySource
from io_bridges.touchdesigner.component import build, parameter_name
from io_bridges.touchdesigner.session import SESSIONS
from io_bridges.touchdesigner.top_reader import TopReader
from io_bridges.touchdesigner.top_writer import TopWriter
from io_bridges.web.server import WebControl
from presets.library import Library
from presets.parameter_table import PARAMETERS

PATIENCE = 20.0


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rgba(height: int = 20, width: int = 30) -> np.ndarray:
    """Return a picture without symmetry, top row first: red on top, green at the left, blue at the bottom right."""
    picture = np.full((height, width, 4), 255, np.uint8)
    picture[..., :3] = 40
    picture[0, :, 0] = 250
    picture[:, 0, 1] = 200
    picture[-1, -1, 2] = 220
    return picture


class Rig:
    """A store with a page and OSC, and a project with the component."""

    def __init__(self, store: ParameterStore, page: str, osc: tuple[str, int]) -> None:
        self.store, self.page, self.osc = store, page, osc
        self.project = Op("baseCOMP", "project1")
        self.names = (f"td{uuid.uuid4().hex[:8]}", f"sf{uuid.uuid4().hex[:8]}")
        self.component = self.build()

    def build(self) -> Op:
        send_as, receive_from = self.names
        made: Op = build(self.project, self.page, self.osc, send_as=send_as, receive_from=receive_from)
        return made

    def par(self, name: str) -> Any:
        return getattr(self.component.par, name)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    store = ParameterStore(Library(tmp_path))
    osc, web = OscControl(port=0), WebControl("127.0.0.1", 0)
    with ExitStack() as clean_up:
        for control in (osc, web):
            control.open(store)
            clean_up.callback(control.close)
            thread = threading.Thread(target=control.serve, daemon=True)
            thread.start()
            clean_up.callback(thread.join, PATIENCE)
            clean_up.callback(control.stop)
        yield Rig(store, web.url.rstrip("/"), osc.address)
        for path in list(SESSIONS):
            SESSIONS.pop(path).close()


def test_every_control_is_a_parameter(rig: Rig) -> None:
    session = SESSIONS[rig.component.path]
    assert set(PARAMETERS) <= set(session._addresses.values())
    assert {"/panic", "/next", "/previous"} <= set(session._addresses.values())
    assert rig.par("Strength").val == PARAMETERS["/strength"].default
    assert rig.par("Mode").menuNames == ["image", "text"]
    assert rig.par("Strength").max == 1


def test_parameter_moves_the_show(rig: Rig) -> None:
    rig.par("Strength").val = 0.25
    wait_for(lambda: rig.store.values()["/strength"] == 0.25)
    rig.par("Prompt1text").val = "golden rings"
    wait_for(lambda: rig.store.values()["/prompt/1/text"] == "golden rings")
    rig.par("Freeze").val = True
    wait_for(lambda: rig.store.values()["/freeze"] is True)
    rig.par("Panic").pulse()
    wait_for(lambda: rig.store.values()["/freeze"] is False)


def test_looks_are_a_menu(rig: Rig) -> None:
    assert rig.par("Preset").menuNames == rig.store.preset_names()
    rig.par("Preset").val = "fire"
    wait_for(lambda: rig.store.values()["/preset"] == "fire")


def test_show_moves_the_parameter(rig: Rig) -> None:
    revision = rig.store.wanted
    rig.store.apply("/strength", [0.125], "osc:elsewhere:1")

    def followed() -> bool:
        rig.component.frame()
        return bool(rig.par("Strength").val == 0.125)

    wait_for(followed)
    time.sleep(0.3)
    rig.component.frame()
    assert rig.store.wanted == revision + 1, "a value of the show is not sent back to it"


def test_input_reaches_the_show(rig: Rig) -> None:
    source = SharedMemorySource(rig.names[0])
    source.open()
    top = rig.component.op("in1")
    assert top is not None
    top.input_pixels = (rgba()[::-1] / 255).astype(np.float32)
    frame = None
    deadline = time.monotonic() + PATIENCE
    while frame is None and time.monotonic() < deadline:
        rig.component.frame()
        frame = source.read(0.05)
    source.close()
    assert frame is not None
    assert np.array_equal(frame.pixels, rgba()[..., :3])


def test_output_reaches_the_project(rig: Rig) -> None:
    sink = SharedMemorySink(rig.names[1])
    sink.open(30, 20, 30.0)
    pixels = np.ascontiguousarray(rgba()[..., :3])
    video = rig.component.op("video")
    assert video is not None

    def came() -> bool:
        sink.write(RenderedFrame(pixels, 1, 1, 0, 0), Tick(1, 0, False))
        rig.component.frame()
        return video.output_pixels is not None

    wait_for(came)
    sink.close()
    assert np.array_equal(video.output_pixels[::-1], rgba())


def test_building_again_replaces_the_component(rig: Rig) -> None:
    first = rig.component
    rig.component = rig.build()
    assert rig.project.children["streamflow"] is rig.component is not first
    assert len(SESSIONS) == 1
    rig.component.frame()


def test_no_show_is_told() -> None:
    with pytest.raises(OSError, match="refused"):
        build(Op("baseCOMP", "project1"), "http://127.0.0.1:9")


def test_parameter_names() -> None:
    taken: dict[str, str] = {}
    for address in ("/feedback_zoom", "/feedback/zoom", "/prompt/1/text", "/send", "/3d", "/" + "x" * 80):
        taken[parameter_name(address, taken)] = address
    assert len(taken) == 6
    assert all(re.fullmatch(r"[A-Z][a-z0-9]{0,39}", name) for name in taken)


def test_writer_refuses_odd_arrays() -> None:
    writer = TopWriter(f"td{uuid.uuid4().hex[:8]}")
    try:
        for shape in ((4, 4), (4, 4, 3), (0, 4, 4), (4, 5000, 4)):
            with pytest.raises(ValueError, match="TOP"):
                writer.write(np.zeros(shape, np.float32))
        assert writer.written == 0
    finally:
        writer.close()
        writer.close()


def test_reader_survives_rubbish() -> None:
    from multiprocessing import shared_memory

    name = f"td{uuid.uuid4().hex[:8]}"
    memory = shared_memory.SharedMemory(name, create=True, size=8192)
    reader = TopReader(name)
    rng = np.random.default_rng(0)
    header = np.ndarray(1024, "<i8", memory.buf)
    for _ in range(300):
        header[:] = rng.choice([0, 1, 2, 4, 5, 64, 8192, -1, 2**62, 4096], 1024)
        header[0] = int.from_bytes(b"SFLIVE01", "little")
        header[10], header[11], header[12] = 1, time.monotonic_ns(), rng.integers(1, 99)
        picture = reader.read()
        assert picture is None or picture.shape[2] == 4
        reader._tried_at = 0
    reader.close()
    del header
    memory.close()
    memory.unlink()


def test_kit_needs_numpy_alone() -> None:
    """A Python with nothing but numpy, as TouchDesigner's is, can import the kit."""
    lines = [
        "import sys, numpy",
        "before = set(sys.modules)",
        "import io_bridges.touchdesigner.component",
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, check=True
    )
    assert set(done.stdout.split()) <= {"__mp_main__", "io_bridges", "numpy"}


def test_command_prints_what_to_paste() -> None:
    done = CliRunner().invoke(app, ["touchdesigner", "--page", "http://127.0.0.1:1", "--osc-port", "9123"])
    assert done.exit_code == 0
    names: dict[str, Any] = {"op": lambda path: Op("baseCOMP", path)}
    path = list(sys.path)
    with pytest.raises(OSError, match="refused"):
        exec(done.output, names)
    sys.path[:] = path
