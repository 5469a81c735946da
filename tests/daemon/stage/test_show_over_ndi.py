"""A whole show between two NDI programs: their picture in, the renderer's picture out, each in a process of its own."""

import os
from pathlib import Path

import numpy as np
import pytest
from ndi_programs import ndi_program
from show import Show, until

from io_bridges.card import draw_card

pytest.importorskip("cyndilib")

SIDE = 128


@pytest.mark.usefixtures("ndi_alone")
def test_picture_passes_through_a_show(tmp_path: Path) -> None:
    """The echo model returns pictures as they come in."""
    into, out = f"Camera {os.getpid()}", f"Show {os.getpid()}"
    card = draw_card(3, SIDE, SIDE)
    np.save(tmp_path / "card.npy", np.dstack([card, np.full((SIDE, SIDE), 255, np.uint8)]))
    frames = tmp_path / "frames"
    frames.mkdir()
    bridges = ("--source", f"ndi:{into}", "--sink", f"ndi:{out}", "--size", f"{SIDE}x{SIDE}")

    def close_to_card() -> bool:
        newest = sorted(frames.glob("0*.npy"))[-1:]
        received = np.load(newest[0])[:, :, :3] if newest else np.zeros_like(card)
        return received.shape == card.shape and float(np.abs(received.astype(int) - card).mean()) < 10

    with ndi_program("send", into, str(tmp_path / "card.npy")) as sender:
        assert sender.stdout is not None
        assert sender.stdout.readline(), "the sender did not start"
        with Show(tmp_path / "show", *bridges) as show, ndi_program("receive", out, str(frames)):
            until(close_to_card)
            status = show.status()
            assert status["sources"][0]["status"] == "receiving"
            assert status["sources"][0]["sender"].endswith(f"({into})")
            sink = next(each for each in status["sinks"] if each.get("sink") == "ndi")
            assert sink["name"].endswith(f"({out})")
            assert sink["readers"] == 1
            sender.kill()
            until(lambda: show.status()["sources"][0]["silent_s"] > 0)
            assert show.process.poll() is None, "the show goes on with its last picture"
