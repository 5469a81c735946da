"""Files as people have them: codecs without a decoder, covers, odd names, HEIC photos, damage."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from clip_files import HEIGHT, UPRIGHT, WIDTH, corner, corners, encode, pictures

from io_bridges.clip import clip_info
from io_bridges.clip_source import ClipSource, file_path
from presets.errors import BridgeError


@pytest.mark.parametrize(("code", "name"), [(b"Hap7", "HAP R"), (b"brst", "Blackmagic RAW"), (b"zzzz", "zzzz")])
def test_codec_without_decoder(tmp_path: Path, code: bytes, name: str) -> None:
    data = encode(tmp_path / "ok.mp4").read_bytes()
    path = tmp_path / "clip.mov"
    path.write_bytes(data.replace(b"avc1", code))
    with pytest.raises(BridgeError, match=f"There is no decoder for {name} here. Convert the clip"):
        clip_info(path)
    with pytest.raises(BridgeError, match="no decoder"):
        ClipSource(str(path)).open()


def with_cover_first(data: bytes) -> bytes:
    """Return an MP4 file with the box of its cover before that of its film."""
    moov = data.index(b"moov") - 4
    end = moov + struct.unpack(">I", data[moov : moov + 4])[0]
    boxes, place = [], moov + 8
    while place < end:
        size = struct.unpack(">I", data[place : place + 4])[0]
        boxes.append(data[place : place + size])
        place += size
    boxes.sort(key=lambda box: (b"mvhd", b"udta").index(box[4:8]) if box[4:8] in (b"mvhd", b"udta") else 2)
    return data[: moov + 8] + b"".join(boxes) + data[end:]


def test_cover_before_the_film(tmp_path: Path) -> None:
    film = encode(tmp_path / "film.mp4", count=6)
    path = tmp_path / "covered.mp4"
    with av.open(str(film)) as source, av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 64
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        copy = container.add_stream_from_template(source.streams.video[0])
        picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 128, np.uint8), format="rgb24")
        container.mux(cover.encode(picture.reformat(format="yuvj420p")))
        container.mux(cover.encode(None))
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                container.mux(packet)
    path.write_bytes(with_cover_first(path.read_bytes()))
    with av.open(str(path)) as container:
        assert [stream.codec_context.name for stream in container.streams.video] == ["mjpeg", "h264"]
    info = clip_info(path)
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    assert len(pictures(path)) == 6


@pytest.mark.parametrize("name", ["http:clip.mp4", "-clip.mp4", "50% #1 [a]?.mp4", "Bühne 日本 🎛.mp4", "a'b\"c.mp4"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / "clip.mp4", count=2).rename(tmp_path / name)
    assert len(pictures(path)) == 2


def test_file_urls(tmp_path: Path) -> None:
    path = encode(tmp_path / "my clip.mp4", count=2)
    assert file_path(path.as_uri().removeprefix("file:")) == path
    assert file_path(f"//localhost{path.as_uri().removeprefix('file://')}") == path
    assert file_path(str(path)) == path
    percent = tmp_path / "a%20b.mp4"
    assert file_path(str(percent)) == percent


def test_clip_replaced_while_it_plays(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", count=4)
    source = ClipSource(str(path))
    source.open()
    assert source.read(1.0) is not None
    encode(tmp_path / "other.mp4", draw=lambda i: corner(i, 128, 96), count=4).replace(path)
    sizes = {frame.pixels.shape[:2] for _ in range(30) if (frame := source.read(0.5)) is not None}
    source.close()
    assert (96, 128) in sizes


def test_heic_of_tiles(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    image = pytest.importorskip("PIL.Image")
    heif.register_heif_opener()
    path = tmp_path / "iphone.heic"
    image.fromarray(corner(0, 384, 256)).save(path, quality=90)
    drawn = pictures(path)[0]
    assert drawn.shape == (256, 384, 3)
    assert corners(drawn) == UPRIGHT
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BridgeError, match="Cannot decode"):
        pictures(path)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".mp4", ".mov", ".ts"])
def test_damaged_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bad{suffix}"
    rng = np.random.default_rng(0)
    starts = {".webp": b"RIFF\xff\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02", ".png": b"\x89PNG\r\n\x1a\n....acTL"}
    for size in (0, 40, 3000):
        path.write_bytes(starts.get(suffix, b"") + rng.bytes(size))
        with pytest.raises(BridgeError, match="bad"):
            pictures(path)
