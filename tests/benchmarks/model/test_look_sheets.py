"""Pictures that come in for the documents: patterns and text mode bring their own, other looks redraw a clip."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from benchmarks.model.look_sheets import own_pictures
from io_bridges.patterns.canvas import PatternCanvas
from io_bridges.patterns.source import PATTERNS
from io_bridges.pixels import scale
from pipeline.image_stream import ImageStream
from presets.parameters import Parameters

SIZED = cast(ImageStream, SimpleNamespace(width=96, height=64))


def test_pattern_is_played_at_the_rate_of_the_film() -> None:
    look = Parameters(source="pattern:rings?seed=2&speed=2&size=192x128")
    pictures = own_pictures(SIZED, look, 10.0, 4)
    assert pictures is not None
    pattern = PATTERNS["rings"](PatternCanvas(192, 128, 2))
    for number, picture in enumerate(pictures):
        assert np.array_equal(picture, scale(pattern.draw(2 * number / 10), 96, 64))


@pytest.mark.parametrize("source", ["card:", "file:clip.mp4"])
def test_other_looks_redraw_what_comes(source: str) -> None:
    assert own_pictures(SIZED, Parameters(source=source), 10.0, 4) is None


def test_text_mode_sees_black() -> None:
    pictures = own_pictures(SIZED, Parameters(mode="text", source="pattern:rings"), 10.0, 3)
    assert pictures is not None
    assert len(pictures) == 3
    assert not np.any(pictures)
