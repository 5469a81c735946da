"""The programs of docs/shared-memory.md, which know numpy and the standard library only."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from picture_without_symmetry import picture, rendered, tick

from io_bridges.shared_memory import ring_layout, segment
from io_bridges.uri import make_sink, make_source

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "shared-memory.md"
PATIENCE = 30.0


@pytest.fixture
def name():
    chosen = f"x{os.getpid()}"
    yield chosen
    segment.remove(chosen)


def program(title, folder):
    """Write a program of the page into a folder, and return its path."""
    text = next(
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S) if title in block
    )
    path = folder / title
    path.write_text(text, encoding="utf-8")
    return path


def test_reader_of_the_page(tmp_path, name):
    sink = make_sink(f"shm:{name}")
    sink.open(40, 24, 30.0)
    sink.write(rendered(picture(40, 24)), tick())
    reader = subprocess.Popen(
        [sys.executable, str(program("shm_read.py", tmp_path)), name, "3"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while reader.poll() is None and time.monotonic() < deadline:
        sink.write(rendered(picture(40, 24)), tick())
        time.sleep(0.01)
    out, complaints = reader.communicate(timeout=PATIENCE)
    lines = out.splitlines()
    assert complaints == ""
    assert len(lines) == 3
    red, green, blue = picture(40, 24).mean(axis=(0, 1)).round()
    assert "(24, 40, 3)" in lines[0]
    assert f"[{red:.0f}. {green:.0f}.  {blue:.0f}.]".replace(" ", "") in lines[0].replace(" ", "")
    assert segment.attach(name) is not None, "the reader has removed the memory of its writer"
    sink.close()


def test_writer_of_the_page(tmp_path, name):
    source = make_source(f"shm:{name}")
    source.open()
    writer = subprocess.Popen([sys.executable, str(program("shm_write.py", tmp_path)), name], cwd=tmp_path)
    try:
        frames = []
        deadline = time.monotonic() + PATIENCE
        while len(frames) < 5 and time.monotonic() < deadline:
            if (frame := source.read(1.0)) is not None:
                frames.append(frame)
        assert source.status()["writer"] == f"process {writer.pid}"
    finally:
        writer.kill()
        writer.wait()
    source.close()
    reds = [int(frame.pixels[0, 0, 0]) for frame in frames]
    assert sorted(reds) == reds
    for frame in frames:
        red = int(frame.pixels[0, 0, 0])
        assert np.array_equal(frame.pixels, np.full((360, 640, 3), (red, 128, 255 - red), np.uint8))
    successor = make_sink(f"shm:{name}")
    successor.open(40, 24, 30.0)  # Its writer is dead, so the memory is taken over.
    successor.close()


@pytest.mark.parametrize("place", ["page", "module"])
def test_layout_is_described_as_it_is(place):
    text = PAGE.read_text(encoding="utf-8") if place == "page" else ring_layout.__doc__
    for field in ("writer_id", "writer_pid", "state", "heartbeat", "written"):
        word = getattr(ring_layout, field.upper())
        assert re.search(rf"^\|? ?{word} +\|? ?{field}\b", text, re.M), field
    for field in ("sequence", "number", "index", "captured_at", "stride", "format", "origin", "written_at"):
        word = getattr(ring_layout, field.upper())
        assert re.search(rf"^\|? ?{word} +\|? ?{field}\b", text, re.M), field
