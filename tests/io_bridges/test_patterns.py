"""Moving patterns: pictures of the time alone, at any size, without jumps, for a whole night."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from io_bridges.frames import Pixels
from io_bridges.patterns.canvas import PatternCanvas
from io_bridges.patterns.source import PATTERNS, Pattern, PatternSource, available
from io_bridges.schemes import schemes
from io_bridges.uri import make_source

NAMES = sorted(PATTERNS)
SIDE = 96


def make(name: str, seed: int = 0, width: int = SIDE, height: int = SIDE) -> Pattern:
    return PATTERNS[name](PatternCanvas(width, height, seed))


def change(one: Pixels, other: Pixels) -> float:
    """Return the mean absolute difference in levels."""
    return float(np.abs(one.astype(np.int16) - other).mean())


def changes(pattern: Pattern, start: float, count: int, fps: float = 30.0) -> list[float]:
    pictures = (pattern.draw(start + number / fps) for number in range(count))
    return [change(one, other) for one, other in pairwise(pictures)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "height"), [(16, 16), (33, 17), (17, 40), (320, 180)])
def test_any_size(name: str, width: int, height: int) -> None:
    pixels = make(name, 3, width, height).draw(1.7)
    assert (pixels.shape, pixels.dtype) == ((height, width, 3), np.uint8)
    assert pixels.flags.c_contiguous
    assert pixels.std() > 8, "a pattern is no flat colour"


@pytest.mark.parametrize("name", NAMES)
def test_picture_depends_on_time_only(name: str) -> None:
    pattern = make(name, 5)
    first = pattern.draw(3.21)
    kept = first.copy()
    for time in (0.0, 100.0, 3.2):
        pattern.draw(time)
    assert np.array_equal(first, kept), "a picture that was handed out is not written again"
    assert np.array_equal(pattern.draw(3.21), kept)
    assert np.array_equal(make(name, 5).draw(3.21), kept)
    assert change(make(name, 6).draw(3.21), kept) > 3, "another seed is another variant"


@pytest.mark.parametrize("name", NAMES)
def test_motion_has_no_jump(name: str) -> None:
    found = changes(make(name), 0.0, 600)
    usual = float(np.median(found))
    assert usual > 0.2
    assert max(found) < 3 * usual


@pytest.mark.parametrize("name", NAMES)
def test_motion_lasts_all_night(name: str) -> None:
    pattern = make(name)
    early, late = (float(np.median(changes(pattern, start, 270))) for start in (1.0, 36_000.0))
    assert early / 2.5 < late < early * 2.5
    assert change(pattern.draw(1.0), pattern.draw(36_001.0)) > 3


def test_patterns_are_unlike() -> None:
    pictures = [make(name).draw(2.0) for name in NAMES]
    nearest = min(change(one, other) for place, one in enumerate(pictures) for other in pictures[:place])
    assert nearest > 8


@pytest.mark.parametrize("name", ["kaleidoscope", "mandala"])
def test_mirrored_patterns(name: str) -> None:
    for time in (0.4, 5.0):
        picture = make(name).draw(time)
        assert change(picture, picture[::-1]) < 2
        assert change(picture, np.roll(picture, SIDE // 5, axis=0)) > 10


def test_tunnel_ends_in_the_dark() -> None:
    pattern = make("tunnel", width=256, height=256)
    for time in np.linspace(0, 30, 20):
        dark = (pattern.draw(time).max(axis=-1) < 40).astype(np.uint8)
        assert dark[64:192, 64:192].sum() > 100


def test_flames_rise() -> None:
    """A picture resembles the next one moved down more than the next one moved up."""
    pattern = make("flames")
    for time in np.linspace(0, 10, 10):
        now, later = pattern.draw(time)[40:80], pattern.draw(time + 1 / 15)
        assert change(now, later[36:76]) < change(now, later[44:84])


@pytest.mark.parametrize("name", NAMES)
def test_drawing_allocates_the_picture_only(name: str) -> None:
    pattern = make(name, width=512, height=512)
    size = pattern.draw(0.0).nbytes
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        pattern.draw(1.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size * 0.99 < peak - before < size * 1.35


def test_source_keeps_its_speed() -> None:
    source = PatternSource("rings", size=(64, 48), fps=100, speed=2.0, seed=4)
    pattern = make("rings", 4, 64, 48)
    for _ in range(2):  # It can be opened again after close.
        source.open()
        for index in range(5):
            frame = source.read(5.0)
            assert frame is not None
            assert frame.index == index
            assert not frame.pixels.flags.writeable
            late = source.status()["late"]
            assert isinstance(late, int)
            # A picture that came late is that of its time.
            assert np.array_equal(frame.pixels, pattern.draw(2.0 * (index + late) / 100))
        source.close()
        assert source.read(0.0) is None
    assert source.status()["pictures"] == 5


def test_speed_zero_stands_still() -> None:
    source = make_source("pattern:Stars?speed=0&size=64x64&fps=200")
    source.open()
    frames = [source.read(5.0) for _ in range(3)]
    source.close()
    assert all(frame is not None and np.array_equal(frame.pixels, frames[0].pixels) for frame in frames)  # type: ignore[union-attr]


def test_names_are_those_of_the_table() -> None:
    scheme = schemes("source")["pattern"]
    assert scheme.choices == tuple(PATTERNS)
    assert available() == [f"pattern:{name}" for name in PATTERNS]
    for uri in available():
        make_source(uri).close()
