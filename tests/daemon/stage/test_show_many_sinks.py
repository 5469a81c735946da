"""A clip that comes in over NDI and goes out over ZeroMQ, shared memory, NDI and into a recording at once.

Its sender is killed and comes back, and one of the readers is frozen. The other outputs keep their rate.
"""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from ndi_programs import ndi_program
from numpy.typing import NDArray
from received_ticks import ReceivedTick, shown_periods
from show import Show, until

from io_bridges.bridges import Source
from io_bridges.card import draw_card
from io_bridges.shared_memory import segment
from io_bridges.uri import make_source

av = pytest.importorskip("av")
pytest.importorskip("cyndilib")

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="it wants SIGSTOP"),
    pytest.mark.usefixtures("ndi_alone"),
]

SIDE = 128
FPS = 30
FRAMES = 30
FROZEN = 3.0
"""Seconds for which a reader is frozen: longer than the buffers of a socket last."""

Pixels = NDArray[np.uint8]


def write_clip(path: Path) -> list[Pixels]:
    """Write the first frames of the test card as a clip without loss, and return them."""
    cards = [draw_card(number, SIDE, SIDE) for number in range(FRAMES)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", FPS, width=SIDE, height=SIDE, pix_fmt="bgr0")
        for card in cards:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(card, "rgb24")))
        container.mux(stream.encode())
    return cards


class Outputs:
    """Newest picture of every output of one show, read as other programs read them."""

    def __init__(self, show: Show, memory: Source, ndi: Path, cards: list[Pixels]) -> None:
        self._show = show
        self._memory = memory
        self._ndi = ndi
        self._cards = cards

    def are_of_the_clip(self) -> bool:
        """Return True if each shows a frame of the clip. NDI compresses with loss."""
        _, pixels = self._show.picture(lambda meta, pixels: True)
        frame = self._memory.read(5.0)
        newest = sorted(self._ndi.glob("0*.npy"))[-1:]
        if frame is None or not newest:
            return False
        pictures = (pixels, frame.pixels, np.load(newest[0])[:, :, :3])
        return all(self.is_of_the_clip(picture) for picture in pictures)

    def is_of_the_clip(self, picture: Pixels) -> bool:
        """Return True if the picture is a frame of the clip. A card that is flipped differs by more than 30."""
        if picture.shape != (SIDE, SIDE, 3):
            picture = np.asarray(cv2.resize(picture, (SIDE, SIDE)), np.uint8)
        return min(float(cv2.absdiff(picture, card).mean()) for card in self._cards) < 10


def longest_gap(ticks: list[ReceivedTick]) -> int:
    """Return the most periods between two ticks that a reader got. A busy machine costs a few."""
    lost = max(after.number - before.number for before, after in pairwise(ticks))
    return max(lost, *shown_periods(ticks, FPS))


def test_one_clip_on_four_outputs(tmp_path: Path) -> None:
    into, out, memory = f"Clip {os.getpid()}", f"Wall {os.getpid()}", f"wall{os.getpid()}"
    cards = write_clip(tmp_path / "clip.mkv")
    frames, film = tmp_path / "frames", tmp_path / "show.mkv"
    frames.mkdir()
    sinks = (f"shm:{memory}?size=160x160", f"ndi:{out}?size=192x192", f"record:{film}?codec=ffv1")
    bridges = (
        "--source",
        f"ndi:{into}",
        "--size",
        f"{SIDE}x{SIDE}",
        *(part for sink in sinks for part in ("--sink", sink)),
    )
    reader = make_source(f"shm:{memory}")
    reader.open()
    clip = ("play", into, str(tmp_path / "clip.mkv"))
    try:
        with ndi_program(*clip) as sender:
            assert sender.stdout is not None
            assert sender.stdout.readline(), "the sender did not start"
            with Show(tmp_path / "show", *bridges) as show, ndi_program("receive", out, str(frames)) as receiver:
                outputs = Outputs(show, reader, frames, cards)
                until(outputs.are_of_the_clip)
                with show.every_tick() as ticks:
                    _freeze(receiver)
                    show_goes_on_without_its_source(show, sender, reader)
                    with ndi_program(*clip):
                        drawn = show.status()["sources"][0]["pictures"]
                        until(lambda: show.status()["sources"][0]["pictures"] > drawn + FPS)
                        receiver.send_signal(signal.SIGCONT)
                        for kept in frames.glob("0*.npy"):
                            kept.unlink()
                        until(outputs.are_of_the_clip)
                status = show.status()
                show.end()
    finally:
        reader.close()
        segment.remove(memory)
    assert ticks[-1].number - ticks[0].number > FROZEN * FPS
    assert longest_gap(ticks) < FROZEN * FPS / 3
    assert status["renderer"]["restarts"] == 0
    assert not any(sink["failures"] for sink in status["sinks"])
    recording_is_whole(film, outputs, len(ticks))


def _freeze(receiver: "subprocess.Popen[bytes]") -> None:
    receiver.send_signal(signal.SIGSTOP)
    time.sleep(FROZEN)


def show_goes_on_without_its_source(show: Show, sender: "subprocess.Popen[bytes]", reader: Source) -> None:
    """Kill the sender. ZeroMQ and shared memory still get every picture of the output, which holds the last one."""
    sender.kill()
    sender.wait()
    until(lambda: show.status()["sources"][0]["silent_s"] > 1)
    _, newest = show.picture(lambda meta, pixels: True)
    assert newest.any(), "the output is black"
    assert reader.read(5.0) is not None


def recording_is_whole(film: Path, outputs: Outputs, ticks: int) -> None:
    """Compare a recording with what the other readers got: its length, its steps, its pictures."""
    with av.open(str(film)) as container:
        taken = [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]
    steps = [round((after[0] - before[0]) * FPS) for before, after in pairwise(taken)]
    assert sum(steps) >= ticks
    assert outputs.is_of_the_clip(taken[-1][1])
