"""A whole show with a network stream as its source: it may start late, and its password stays hidden."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from show import Show, free_port, until

from io_bridges.card import BOTTOM_LEFT, TOP_LEFT, TOP_RIGHT

pytest.importorskip("av")

PEER = Path(__file__).parents[2] / "io_bridges" / "stream_peers.py"


def test_late_stream_comes_on_air(tmp_path: Path) -> None:
    port = free_port()
    # The show starts while nobody serves the stream.
    with Show(tmp_path / "show", "--source", f"stream:tcp://eve:s3cret@127.0.0.1:{port}", "--size", "320x256") as show:
        until(lambda: show.status()["sources"][0]["failures"] > 0)
        assert "cannot be opened" in show.status()["sources"][0]["status"]
        server = subprocess.Popen([sys.executable, str(PEER), f"tcp://127.0.0.1:{port}?listen=1", "mpegts"])
        try:
            until(lambda: show.status()["sources"][0]["status"] == "receiving")

            def shows_card(meta: dict[str, object], pixels: np.ndarray) -> bool:
                corners = pixels[4, 12], pixels[4, -12], pixels[-4, 12]
                wanted = TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT
                return all(np.abs(a.astype(int) - b).max() < 70 for a, b in zip(corners, wanted, strict=True))

            show.picture(shows_card)
        finally:
            server.kill()
            server.wait()
        assert "eve:***@127.0.0.1" in show.status()["sources"][0]["uri"]
        assert "s3cret" not in json.dumps(show.status()) + show.log.read_text()
