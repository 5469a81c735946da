"""The text on the loading slate is readable, also if it is a whole sentence."""

from pathlib import Path

import cv2
import numpy as np

from daemon.stage.slate_frames import LINES, SlateFrames, _lines

REASON = (
    "OpenVINO can't be used: it can't be imported (No module named 'openvino'). Install it with: pip install openvino"
)


def test_long_text_is_wrapped() -> None:
    assert _lines("starting") == ["starting"]
    lines = _lines(REASON)
    assert " ".join(lines) == REASON
    assert len(lines) == LINES
    assert max(map(len, lines)) < 40
    endless = _lines("word " * 200)
    assert len(endless) <= LINES


def test_slate_shows_text_and_own_picture_does_not(tmp_path: Path) -> None:
    slates = SlateFrames((256, 256))
    before, _ = slates.loading.peek()
    slates.show(REASON, 0.0)
    after, _ = slates.loading.peek()
    assert before is not None
    assert after is not None
    changed = np.abs(after.host_pixels().astype(int) - before.host_pixels()).max(axis=2) > 30
    rows = np.flatnonzero(changed.any(axis=1))
    assert rows[-1] - rows[0] > 50, "several lines of text"
    picture = tmp_path / "own.png"
    cv2.imwrite(str(picture), np.full((64, 64, 3), 90, np.uint8))
    own = SlateFrames((256, 256), picture)
    stands, _ = own.loading.peek()
    own.show(REASON, 0.0)
    assert own.loading.peek()[0] is stands
