"""A whole show whose sender, a process of its own, is killed and comes back: what is on air, and how it returns."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from show import Show, free_port, until

from io_bridges.slate import draw_slate

SIDE = 64
GREY, SEED = 90, 210
SENDER = """
import sys, time, zmq
socket = zmq.Context().socket(zmq.PUB)
socket.connect(sys.argv[1])
grey, side = int(sys.argv[2]), int(sys.argv[3])
while True:
    socket.send_json({"dtype": "uint8", "shape": [side, side, 3]}, zmq.SNDMORE)
    socket.send(bytes([grey]) * side * side * 3)
    time.sleep(1 / 30)
"""


@contextmanager
def sender(address: str) -> Iterator[subprocess.Popen[bytes]]:
    """Send grey frames from a process of its own, which is killed at the end."""
    process = subprocess.Popen([sys.executable, "-c", SENDER, address, str(GREY), str(SIDE)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def lossy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Show, str]]:
    """A show with the echo model, and the address on which it waits for a sender."""
    address = f"tcp://127.0.0.1:{free_port()}"
    folder = tmp_path_factory.mktemp("losses") / "show"
    with Show(folder, "--source", f"zmq:{address}", "--size", f"{SIDE}x{SIDE}") as show:
        show.set(seed=SEED, lost_after=0.5, lost_fade=0.5)
        yield show, address


def grey(pixels: Any) -> int:
    """Return the last pixel, which the echo model leaves alone."""
    return int(pixels[-1, -1, 0])


def until_grey(show: Show, wanted: int) -> tuple[list[int], dict[str, Any]]:
    """Read the output up to a grey. Return the greys on the way, and the header of the last frame."""
    passed: list[int] = []
    for meta, pixels in show.frames():
        passed.append(grey(pixels))
        if passed[-1] == wanted:
            return passed, meta
    raise AssertionError


def test_held_by_default(lossy: tuple[Show, str]) -> None:
    show, address = lossy
    assert (show.ask({"do": "get", "address": "/lost"}) or {})["values"] == {"/lost": "hold"}
    with sender(address):
        until_grey(show, GREY)
    until(lambda: show.status()["sources"][0]["silent_s"] >= 3)
    passed = [grey(pixels) for (_, pixels), _ in zip(show.frames(), range(30), strict=False)]
    assert passed == [GREY] * 30
    assert "holding the last picture" in show.status()["sources"][0]["status"]


@pytest.mark.parametrize(
    ("lost", "shown", "words"),
    [
        ("fade", 0, "the output is black"),
        ("text", SEED, "drawing from the prompt alone"),
        ("slate", None, "showing the safe picture"),
    ],
)
def test_lost_and_back(lossy: tuple[Show, str], lost: str, shown: int | None, words: str) -> None:
    show, address = lossy
    wanted = grey(draw_slate(SIDE, SIDE)) if shown is None else shown
    with sender(address):
        until_grey(show, GREY)
        show.set(lost=lost)
    passed, meta = until_grey(show, wanted)
    between = [value for value in passed if value not in (GREY, wanted)]
    assert between, f"{lost} comes without a cut"
    assert (meta["index"] == -1) == (lost == "slate")
    assert (meta["source_index"] == -1) == (lost != "fade")
    until(lambda: words in show.status()["sources"][0]["status"])
    until(lambda: any(words in notice["text"] for notice in show.status()["notices"]))
    with sender(address):
        back, meta = until_grey(show, GREY)
        assert [value for value in back if value not in (GREY, wanted)], "and goes without one"
        assert meta["source_index"] >= 0
        until(lambda: show.status()["sources"][0]["status"] == "receiving")
    show.set(lost="hold")
