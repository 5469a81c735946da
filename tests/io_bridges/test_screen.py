"""``screen:`` source on a real X server without a monitor (Xvfb), whose root window shows a pattern."""

import os
import shutil
import subprocess
import time

import numpy as np
import pytest

from io_bridges import screen
from io_bridges.uri import make_source
from presets.errors import BridgeError, BridgeUnavailable, SettingsError

SIZE = (320, 240)
FRONT, BACK = (200, 50, 10), (0, 40, 160)
TILE = np.zeros((48, 64), bool)
"""An L, which shows any flip and turn; the root window repeats it."""
TILE[4:40, 8:16] = TILE[32:40, 8:50] = True


def write_xbm(path, pixels):
    bits = np.packbits(pixels, axis=1, bitorder="little")
    numbers = ",\n".join(f"0x{byte:02x}" for byte in bits.ravel())
    height, width = pixels.shape
    path.write_text(f"#define l_width {width}\n#define l_height {height}\nstatic char l_bits[] = {{\n{numbers}}};\n")


def hexadecimal(colour):
    return "#" + "".join(f"{each:02x}" for each in colour)


@pytest.fixture
def display(tmp_path, monkeypatch):
    """Start an X server that shows the pattern, and yield its process."""
    if shutil.which("Xvfb") is None or shutil.which("xsetroot") is None:
        pytest.skip("it wants Debian's xvfb and x11-xserver-utils")
    read, write = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(write),
        "-screen",
        "0",
        f"{SIZE[0]}x{SIZE[1]}x24",
        "-nolisten",
        "tcp",
        "-noreset",
    ]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as numbers:
        number = numbers.readline().strip()
    monkeypatch.setenv("DISPLAY", f":{number}")
    monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
    write_xbm(tmp_path / "l.xbm", TILE)
    pattern = ["-bitmap", str(tmp_path / "l.xbm"), "-fg", hexadecimal(FRONT), "-bg", hexadecimal(BACK)]
    subprocess.run(["xsetroot", *pattern], check=True, timeout=30)
    yield server
    server.kill()
    server.wait()


def pattern(width, height, left=0, top=0):
    repeated = np.tile(TILE, (8, 8))[top : top + height, left : left + width]
    return np.where(repeated[:, :, np.newaxis], FRONT, BACK).astype(np.uint8)


def read_one(source):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (frame := source.read(0.25)) is not None:
            return frame
    raise AssertionError(source.status())


def read_until_it_fails(source):
    for _ in range(20):
        source.read(0.25)


@pytest.mark.usefixtures("display")
def test_screen_is_seen_as_it_is():
    source = make_source("screen:")
    source.open()
    frames = [read_one(source) for _ in range(2)]
    assert (frames[0].pixels == pattern(*SIZE)).all()
    assert [frame.index for frame in frames] == [0, 1]
    assert frames[0].captured_at < frames[1].captured_at <= time.monotonic_ns()
    assert not frames[0].pixels.flags.writeable
    expected = {"source": "screen", "monitor": "1", "size": "320x240", "pictures": 2, "declared_fps": 30.0}
    assert source.status() == expected
    source.close()
    source.close()


@pytest.mark.usefixtures("display")
def test_region_of_the_screen():
    source = make_source("screen:1?region=101x50+30+17")
    source.open()
    assert (read_one(source).pixels == pattern(101, 50, 30, 17)).all()
    source.close()


@pytest.mark.usefixtures("display")
def test_changes_are_seen():
    source = make_source("screen:0?fps=60")
    source.open()
    read_one(source)
    subprocess.run(["xsetroot", "-solid", hexadecimal(BACK)], check=True, timeout=30)
    deadline = time.monotonic() + 30
    while not (read_one(source).pixels == np.array(BACK, np.uint8)).all():
        assert time.monotonic() < deadline
    source.close()


@pytest.mark.usefixtures("display")
def test_monitors_are_listed():
    assert screen.available() == ["screen:1"]


@pytest.mark.usefixtures("display")
@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("screen:7", "no monitor 7. There are 1"),
        ("screen:DP-1", "no monitor DP-1"),
        ("screen:?region=300x240+21+0", "does not fit: the monitor has 320x240"),
    ],
)
def test_missing_monitor_is_refused(uri, message):
    with pytest.raises(BridgeUnavailable, match=message):
        make_source(uri).open()


def test_lost_screen_is_an_error(display):
    source = make_source("screen:")
    source.open()
    read_one(source)
    display.kill()
    display.wait()
    with pytest.raises(BridgeError, match="cannot be read"):
        read_until_it_fails(source)
    source.close()
    with pytest.raises(BridgeUnavailable, match="There is no screen"):
        source.open()


def test_no_screen_is_said(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.setenv("XDG_SESSION_TYPE", "wayland")
    with pytest.raises(BridgeUnavailable, match="Wayland"):
        make_source("screen:").open()
    monkeypatch.delenv("XDG_SESSION_TYPE")
    with pytest.raises(BridgeUnavailable, match="There is no screen"):
        make_source("screen:").open()
    assert screen.available() == []
    with pytest.raises(BridgeError, match="before it was open"):
        make_source("screen:").read(0)


@pytest.mark.parametrize(
    "region", ["", "64", "64x64", "64x64+1", "8x64+0+0", "64x64+-1+0", "64x64+1+1+1", "64x64+99999+0"]
)
def test_wrong_regions_are_explained(region):
    with pytest.raises(SettingsError, match=r"region takes WIDTHxHEIGHT\+LEFT\+TOP"):
        make_source(f"screen:?region={region}")
