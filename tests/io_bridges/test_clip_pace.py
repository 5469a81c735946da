"""Times of clips: clocks that jump, changing rates, and animated pictures with durations of their own."""

import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from clip_files import (
    UPRIGHT,
    corner,
    corners,
    encode,
    pictures,
    write_animation,
)

from io_bridges.clip import clip_info
from io_bridges.clip_source import ClipSource
from io_bridges.image_files import is_still


def test_clock_that_jumps_an_hour(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.ts", options={"bf": "0"})
    second = encode(
        tmp_path / "b.ts", options={"bf": "0"}, stamps=lambda i: 90000 + i, time_base=Fraction(1, 25), count=13
    )
    path = tmp_path / "joined.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    assert len(pictures(path)) == 25
    source = ClipSource(str(path))
    source.open()
    started, seen = time.monotonic(), 0
    while source.status()["rounds"] == 0 and time.monotonic() - started < 30:
        seen += source.read(1.0) is not None
    source.close()
    assert source._player is None
    assert seen + 2 >= 20, "an hour of waiting is no show"


def test_clock_that_goes_back(tmp_path: Path) -> None:
    late = encode(
        tmp_path / "b.ts", options={"bf": "0"}, stamps=lambda i: 90000 + i, time_base=Fraction(1, 25), count=13
    )
    early = encode(tmp_path / "a.ts", options={"bf": "0"})
    path = tmp_path / "wrapped.ts"
    path.write_bytes(late.read_bytes() + early.read_bytes())
    assert len(pictures(path)) == 25


def test_browser_recording(tmp_path: Path) -> None:
    """Browsers write 1000 frames a second into the header, and true time stamps."""
    path = encode(
        tmp_path / "a.webm", "libvpx", rate=1000, count=30, stamps=lambda i: i * 33, time_base=Fraction(1, 1000)
    )
    info = clip_info(path)
    assert float(info.fps) == pytest.approx(1000 / 33, rel=0.01)
    assert len(pictures(path)) == 30


def test_phone_recording_of_changing_rate(tmp_path: Path) -> None:
    """Phones record fewer frames in the dark: one second at 30 a second, then one at 15."""
    steps = np.cumsum([0, *[20] * 29, *[40] * 16])
    path = encode(
        tmp_path / "a.mp4", count=len(steps), rate=30, stamps=lambda i: int(steps[i]), time_base=Fraction(1, 600)
    )
    drawn = pictures(path)
    info = clip_info(path)
    assert len(drawn) / float(info.fps) == pytest.approx((29 * 20 + 17 * 40) / 600, abs=0.05)


def test_long_picture_of_a_screen_recording(tmp_path: Path) -> None:
    stamps = [0, 1, 2, 125, 126]
    path = encode(tmp_path / "a.webm", "libvpx", count=5, stamps=lambda i: stamps[i], time_base=Fraction(1, 25))
    drawn = pictures(path)
    assert len(drawn) == 127
    assert np.array_equal(drawn[2], drawn[100])


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), 24, 25, Fraction(30000, 1001), 50, 60, 120, 240])
def test_constant_rates_keep_every_frame(tmp_path: Path, rate: int | Fraction) -> None:
    path = encode(tmp_path / "a.mp4", rate=rate, count=37)
    assert clip_info(path).fps == rate
    assert len(pictures(path)) == clip_info(path).frames == 37


def write_gif(path: Path, durations: list[int]) -> Path:
    image = pytest.importorskip("PIL.Image")
    frames = [image.fromarray(corner(index)) for index in range(len(durations))]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_animation_holds_its_last_picture(tmp_path: Path, suffix: str) -> None:
    path, durations = tmp_path / f"a{suffix}", [40] * 5 + [2000]
    write_gif(path, durations) if suffix == ".gif" else write_animation(path, durations)
    assert not is_still(path)
    assert clip_info(path).fps == 25
    drawn = pictures(path)
    assert len(drawn) == 55
    assert corners(drawn[0]) == UPRIGHT
    assert np.array_equal(drawn[5], drawn[54])
    assert not np.array_equal(drawn[4], drawn[5])


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_animation_loops_with_its_durations(tmp_path: Path, suffix: str) -> None:
    path, durations = tmp_path / f"a{suffix}", [40] * 3 + [600]
    write_gif(path, durations) if suffix == ".gif" else write_animation(path, durations)
    source = ClipSource(str(path))
    source.open()
    began = time.monotonic()
    for _ in range(5):
        while source.read(1.0) is None:
            pass
    source.close()
    assert time.monotonic() - began >= 0.7, "the fifth picture comes after the long one"


def test_still_png_and_webp_stay_stills(tmp_path: Path) -> None:
    for suffix in (".png", ".webp"):
        path = tmp_path / f"still{suffix}"
        cv2.imwrite(str(path), corner()[..., ::-1])
        assert is_still(path)
        assert len(pictures(path)) == 1
