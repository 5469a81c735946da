"""The input for the page: small, made once for each frame, and only when a page asks."""

import numpy as np
from web_client import decoded

from io_bridges.frames import Pixels
from io_bridges.web.input_preview import LONGEST, InputPreview


def test_each_frame_is_encoded_once() -> None:
    frames: list[Pixels | None] = [None]
    preview = InputPreview(lambda: frames[-1])
    assert preview.picture() is None
    frames.append(np.full((720, 1280, 3), (200, 40, 40), np.uint8))
    first = preview.picture()
    assert first is not None
    assert preview.picture() is first
    assert decoded(first).shape == (LONGEST * 720 // 1280, LONGEST, 3)
    frames.append(np.full((64, 64, 4), (10, 200, 10, 0), np.uint8))
    second = preview.picture()
    assert second is not None
    assert np.abs(decoded(second).astype(int) - (10, 200, 10)).max() < 12, "without its alpha"
