"""Clips and still images offline: reading, round trips, deterministic output, and errors that name the path."""

import struct
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from clips import big_buck_bunny

from io_bridges.card import draw_card
from io_bridges.clip import ClipInfo, ClipWriter, clip_info, decode_clip
from io_bridges.image_files import read_still, write_still
from io_bridges.lazy_imports import opencv
from presets.errors import BridgeError, SettingsError

pytest.importorskip("av", reason="clips need PyAV: pip install 'streamflow-live[video]'")


def write_cards(path, count=12, size=(128, 96), fps=30.0):
    with ClipWriter(path, *size, fps) as writer:
        for index in range(count):
            writer.write(draw_card(index, *size))
    return path


def test_reads_real_clip(tmp_path):
    clip = tmp_path / "bunny.mp4"
    clip.write_bytes(open(big_buck_bunny(), "rb").read())  # noqa: SIM115, PTH123
    assert clip_info(clip) == ClipInfo(132, Fraction(25), 1280, 720)
    count, previous, moved = 0, None, 0.0
    for pixels in decode_clip(clip):
        assert pixels.shape == (720, 1280, 3)
        assert not pixels.flags.writeable
        if previous is not None:
            moved = max(moved, float(np.abs(pixels[::16, ::16].astype(int) - previous[::16, ::16]).mean()))
        count, previous = count + 1, pixels
    assert count == 132
    assert moved > 1


def test_mp4_round_trip(tmp_path):
    path = write_cards(tmp_path / "cards.mp4")
    assert clip_info(path) == ClipInfo(12, Fraction(30), 128, 96)
    read = list(decode_clip(path))
    assert len(read) == 12
    for index, pixels in enumerate(read):
        errors = [np.abs(pixels.astype(int) - draw_card(other, 128, 96)).mean() for other in range(12)]
        assert int(np.argmin(errors)) == index
        assert errors[index] < 6
        assert np.abs((pixels.astype(int) - draw_card(index, 128, 96)).mean(axis=(0, 1))).max() < 3  # No colour cast.


@pytest.mark.parametrize("colour", [(230, 30, 30), (30, 230, 30), (30, 30, 230), (128, 128, 128), (250, 240, 20)])
def test_mp4_keeps_colours(tmp_path, colour):
    path = tmp_path / "flat.mp4"
    flat = np.full((64, 64, 3), colour, np.uint8)
    with ClipWriter(path, 64, 64, 25) as writer:
        for _ in range(3):
            writer.write(flat)
    assert np.abs(next(iter(decode_clip(path))).astype(int) - colour).max() <= 4


def test_mkv_is_lossless(tmp_path):
    path = write_cards(tmp_path / "cards.mkv", size=(127, 95))
    for index, pixels in enumerate(decode_clip(path)):
        assert np.array_equal(pixels, draw_card(index, 127, 95))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".png", ".jpg"])
def test_output_is_deterministic(tmp_path, suffix):
    count = 1 if suffix in (".png", ".jpg") else 30
    first = write_cards(tmp_path / f"one{suffix}", count)
    second = write_cards(tmp_path / f"two{suffix}", count)
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size > 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"one{suffix}", f"two{suffix}"]


def test_dirty_memory_changes_no_byte(tmp_path: Path) -> None:
    """H.264 with a macroblock tree differs here: of 12 files of this size 12 were different."""
    blocks = np.random.default_rng(0).integers(0, 255, (13, 12, 20, 3), dtype=np.uint8)
    dirt = np.random.default_rng(5)
    found = set[bytes]()
    for _ in range(6):
        for size in dirt.integers(100, 300_000, 40):
            dirt.integers(0, 255, int(size), dtype=np.uint8)
        with ClipWriter(tmp_path / "out.mp4", 160, 96, 25.0) as writer:
            for block in blocks:
                writer.write(block.repeat(8, 0).repeat(8, 1))
        found.add((tmp_path / "out.mp4").read_bytes())
    assert len(found) == 1


@pytest.mark.parametrize("fps", [24, 30000 / 1001, Fraction(25), 12.5])
def test_frame_rate_round_trip(tmp_path, fps):
    assert clip_info(write_cards(tmp_path / "a.mp4", fps=fps)).fps == Fraction(fps).limit_denominator(1001)


def test_unfinished_clip_is_removed(tmp_path):
    def fail():
        with ClipWriter(tmp_path / "a.mp4", 128, 96, 30) as writer:
            writer.write(draw_card(0, 128, 96))
            assert not (tmp_path / "a.mp4").exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_old_file_stays_until_close(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    writer = ClipWriter(path, 128, 96, 30)
    writer.write(draw_card(0, 128, 96))
    assert path.read_bytes() == b"old"
    writer.close()
    writer.close()
    assert clip_info(path).frames == 1


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [("a.xyz", (64, 64), r"\.mp4, \.mov, \.mkv"), ("a", (64, 64), r"\.mp4"), ("a.mp4", (63, 64), "even")],
)
def test_bad_suffix_or_size_is_refused(tmp_path, name, size, message):
    with pytest.raises(SettingsError, match=message):
        ClipWriter(tmp_path / name, *size, 30)
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(BridgeError, match="nowhere does not exist"):
        ClipWriter(tmp_path / "nowhere" / "a.mp4", 64, 64, 30)


def test_still_takes_one_frame(tmp_path):
    path = tmp_path / "a.png"
    with ClipWriter(path, 64, 48, 30) as writer:
        writer.write(draw_card(1, 64, 48))
        with pytest.raises(SettingsError, match=r"a\.mp4"):
            writer.write(draw_card(2, 64, 48))
    assert np.array_equal(list(decode_clip(path)), [draw_card(1, 64, 48)])
    assert clip_info(path) == ClipInfo(1, Fraction(25), 64, 48)


def test_wrong_frame_size_is_refused(tmp_path):
    with ClipWriter(tmp_path / "a.mp4", 64, 48, 30) as writer:
        with pytest.raises(ValueError, match="shape"):
            writer.write(draw_card(0, 48, 64))
        writer.write(draw_card(0, 64, 48))


@pytest.mark.parametrize("name", ["a.mp4", "a.png", "a.jpg", "a.mkv"])
@pytest.mark.parametrize("content", [None, b"", b"this is not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_unreadable_file_is_named(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BridgeError) as caught:
        list(decode_clip(path))
    assert str(path) in str(caught.value)
    with pytest.raises(BridgeError):
        clip_info(path)


def test_folder_is_not_a_clip(tmp_path):
    with pytest.raises(BridgeError, match="not a file"):
        decode_clip(tmp_path)


def test_truncated_clip(tmp_path):
    whole = write_cards(tmp_path / "whole.mp4", 60).read_bytes()
    for share in (0.1, 0.5, 0.9):
        path = tmp_path / f"cut{share}.mp4"
        path.write_bytes(whole[: int(len(whole) * share)])
        count = 0
        try:
            for _ in decode_clip(path):
                count += 1
        except BridgeError as error:
            assert str(path) in str(error)  # noqa: PT017
        assert count < 60


def test_decompression_bomb_is_refused(tmp_path):
    def chunk(kind, body):
        import zlib

        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    opencv()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(BridgeError, match="8192 pixels a side"):
        read_still(tmp_path / "bomb.png")


def test_rotated_clip_is_upright(tmp_path):
    path = write_cards(tmp_path / "phone.mp4")
    data = path.read_bytes()
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    clockwise = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    at = data.index(upright, data.index(b"tkhd"))
    path.write_bytes(data[:at] + clockwise + data[at + len(upright) :])
    turned = next(iter(decode_clip(path))).astype(int)
    assert np.abs(turned - np.rot90(draw_card(0, 128, 96), -1)).mean() < 6


def test_stills_are_read_as_rgb(tmp_path):
    card = draw_card(2, 64, 48)
    write_still(tmp_path / "a.png", card)
    assert np.array_equal(read_still(tmp_path / "a.png"), card)
    write_still(tmp_path / "a.jpg", card)
    jpeg = read_still(tmp_path / "a.jpg").astype(int)
    assert np.abs(jpeg - card).mean() < 12 < np.abs(jpeg[:, :, ::-1] - card).mean()
    opencv().imwrite(str(tmp_path / "gray16.png"), np.full((4, 6), 1000 * 32, np.uint16))
    assert read_still(tmp_path / "gray16.png").shape == (4, 6, 3)
    with pytest.raises(BridgeError, match=r"\.nope"):
        write_still(tmp_path / "a.nope", card)


def test_clip_can_be_read_in_part(tmp_path):
    path = write_cards(tmp_path / "a.mp4")
    assert len(list(islice(decode_clip(path), 3))) == 3
