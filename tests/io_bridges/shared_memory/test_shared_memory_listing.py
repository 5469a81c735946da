"""The list of writers in shared memory: those that live, in both layouts, and nothing else."""

import os
import sys
import threading
from pathlib import Path

import pytest
from picture_without_symmetry import picture, rendered, tick
from ring_rig import HEIGHT, WIDTH
from shm_peer import peer
from typer.testing import CliRunner

from daemon.__main__ import app
from io_bridges.shared_memory import segment
from io_bridges.shared_memory.listing import FOLDER, available
from io_bridges.shared_memory.touchdesigner_layout import MAGIC
from io_bridges.uri import make_sink

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the system lists no shared memory")


def listed(name: str) -> list[str]:
    """Return the URIs of a test's own names: other tests have writers too."""
    return [uri for uri in available() if name in uri]


def test_ring_is_listed_while_its_writer_lives(name, sink):
    sink.write(rendered(picture(WIDTH, HEIGHT)), tick())
    assert listed(name) == [f"shm:{name}"]
    sink.close()
    assert listed(name) == []


def test_touchdesigner_layout_is_listed(name):
    sink = make_sink(f"shm:{name}?format=touchdesigner")
    sink.open(WIDTH, HEIGHT, 30.0)
    try:
        assert listed(name) == [f"shm:{name}?format=touchdesigner"]
    finally:
        sink.close()
    assert listed(name) == []


def test_killed_writer_is_not_listed(name):
    with peer() as other:
        other.ask(do="open", uri=f"shm:{name}", width=WIDTH, height=HEIGHT)
        assert listed(name) == [f"shm:{name}"]
        other.process.kill()
        other.process.wait()
        assert (FOLDER / name).exists(), "it leaves its segment behind"
        assert listed(name) == []


def test_other_files_are_left_out(name):
    odd: list[Path] = []
    try:
        for ending, content in {
            ".empty": b"",
            ".short": b"SFLIVE01",
            ".lies": b"SFLIVE01" + b"\xff" * 500,
            ".noise": bytes(range(256)) * 20,
            ".not a name": b"SFLIVE01" + bytes(500),
        }.items():
            odd.append(FOLDER / f"{name}{ending}")
            odd[-1].write_bytes(content)
        touch = FOLDER / f"TouchSHM{name}"
        touch.write_bytes(MAGIC.to_bytes(4, "little") + b"\xff" * 200)
        odd.append(touch)
        odd.append(FOLDER / f"{name}.pipe")
        os.mkfifo(odd[-1])
        odd.append(FOLDER / "window-0123456789abcdef")
        odd[-1].write_bytes(b"SFLIVE01" + bytes(500))
        (FOLDER / f"{name}.folder").mkdir()
        assert listed(name) == []
    finally:
        for path in odd:
            path.unlink(missing_ok=True)
        (FOLDER / f"{name}.folder").rmdir()


def test_command_lists_the_writer(name, sink):
    searched = threading.Event()

    def write():
        # Like a show: the command may take longer than a writer that is silent counts as living.
        while not searched.wait(0.1):
            sink.write(rendered(picture(WIDTH, HEIGHT)), tick())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = CliRunner().invoke(app, ["sources"])
    finally:
        searched.set()
        writer.join()
    assert f"shm:{name}" in done.output
    assert segment.attach(name) is not None
