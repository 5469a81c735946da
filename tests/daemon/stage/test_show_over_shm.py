"""A whole show over shared memory: a picture of another process in, the renderer's picture out, and a killed writer."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from show import Show, until

from io_bridges.card import draw_card
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.shared_memory import segment
from io_bridges.uri import make_sink, make_source

SIDE = 128
WRITER = """
import sys, time
from io_bridges.card import draw_card
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.uri import make_sink
sink = make_sink(f"shm:{sys.argv[1]}")
side = int(sys.argv[2])
sink.open(side, side, 30.0)
while True:
    sink.write(RenderedFrame(draw_card(3, side, side), 0, -1, 0, 0), Tick(0, 0, False))
    time.sleep(0.03)
"""


@pytest.fixture
def names() -> Iterator[tuple[str, str]]:
    into, out = f"i{os.getpid()}", f"o{os.getpid()}"
    yield into, out
    segment.remove(into)
    segment.remove(out)


def test_picture_passes_through_a_show(tmp_path: Path, names: tuple[str, str]) -> None:
    """The echo model returns pictures as they come in."""
    into, out = names
    card = draw_card(3, SIDE, SIDE)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, into, str(SIDE)])
    received = make_source(f"shm:{out}")
    received.open()

    def is_card() -> bool:
        frame = received.read(1.0)
        # The echo renderer stamps a corner of the picture.
        return frame is not None and frame.pixels.shape == card.shape and bool((frame.pixels == card).mean() > 0.95)

    bridges = ("--source", f"shm:{into}", "--sink", f"shm:{out}", "--size", f"{SIDE}x{SIDE}")
    try:
        with Show(tmp_path / "show", *bridges) as show:
            until(is_card)
            assert show.status()["sources"][0]["status"] == "receiving"
            assert show.status()["sources"][0]["writer"] == f"process {writer.pid}"
            writer.kill()
            writer.wait()
            until(lambda: show.status()["sources"][0]["status"].startswith("no frames for"))
            assert received.read(5.0) is not None, "the output goes on"
            successor = make_sink(f"shm:{into}")
            successor.open(SIDE * 2, SIDE, 30.0)
            before = show.status()["sources"][0]["pictures"]

            def goes_on() -> bool:
                picture = np.full((SIDE, SIDE * 2, 3), 200, np.uint8)
                successor.write(RenderedFrame(picture, 0, -1, 0, 0), Tick(0, 0, repeated=False))
                return bool(show.status()["sources"][0]["pictures"] > before)

            until(goes_on)
            successor.close()
    finally:
        writer.kill()
        writer.wait()
        received.close()
    assert segment.attach(out) is None, "the show has left its memory behind"
