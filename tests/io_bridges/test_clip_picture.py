"""Pictures of clips: alpha, pixel aspect, display matrices, colours and fields, as a player shows them."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clip_files import (
    HEIGHT,
    UPRIGHT,
    WIDTH,
    Picture,
    corner,
    corners,
    encode,
    near,
    pictures,
    transparent,
    write_animation,
)

from io_bridges.clip import clip_info
from io_bridges.clip_source import ClipSource


def check_over(drawn: Picture, matte: tuple[int, int, int], tolerance: int = 12) -> None:
    assert near(drawn[4, 4], matte, tolerance)
    assert near(drawn[30, 24], (255, 0, 0), tolerance)
    mixed = tuple(round((128 * red + 127 * ground) / 255) for red, ground in zip((255, 0, 0), matte, strict=True))
    assert near(drawn[30, 40], mixed, tolerance)


def prores(path: Path) -> Path:
    return encode(path, "prores_ks", "yuva444p10le", transparent, 3, options={"profile": "4444"})


def webm(path: Path, codec: str) -> Path:
    return encode(path, codec, "yuva420p", transparent, 4, options={"auto-alt-ref": "0", "crf": "4", "b:v": "4M"})


def test_alpha_is_over_black(tmp_path: Path) -> None:
    check_over(pictures(prores(tmp_path / "a.mov"))[0], (0, 0, 0))
    check_over(pictures(write_animation(tmp_path / "a.png", [40, 40], alpha=True))[0], (0, 0, 0))
    check_over(pictures(write_animation(tmp_path / "a.webp", [40, 40], alpha=True))[0], (0, 0, 0), 40)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_alpha_of_webm(tmp_path: Path, codec: str) -> None:
    check_over(pictures(webm(tmp_path / "a.webm", codec))[0], (0, 0, 0), 30)


def test_alpha_of_stills(tmp_path: Path) -> None:
    for suffix in (".png", ".webp", ".tif"):
        path = tmp_path / f"a{suffix}"
        cv2.imwrite(str(path), cv2.cvtColor(transparent(), cv2.COLOR_RGBA2BGRA), [cv2.IMWRITE_WEBP_QUALITY, 101])
        check_over(pictures(path)[0], (0, 0, 0))
    deep = tmp_path / "deep.png"
    cv2.imwrite(str(deep), cv2.cvtColor(transparent().astype(np.uint16) * 257, cv2.COLOR_RGBA2BGRA))
    check_over(pictures(deep)[0], (0, 0, 0))


def read_one(location: str, **options: object) -> Picture:
    source = ClipSource(location, **options)  # type: ignore[arg-type]
    source.open()
    frame = None
    while frame is None:
        frame = source.read(1.0)
    source.close()
    return frame.pixels


def test_matte_and_alpha_options(tmp_path: Path) -> None:
    path = str(prores(tmp_path / "a.mov"))
    check_over(read_one(path, matte=(0, 0, 200)), (0, 0, 200))
    assert near(read_one(path, alpha="ignore")[4, 4], (255, 255, 255))
    premultiplied = read_one(path, alpha="premultiplied", matte=(0, 0, 200))
    assert near(premultiplied[30, 40], (255, 0, 100))


def test_moving_sticker_gif(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    solid = [np.dstack([np.full((HEIGHT, WIDTH, 3), 255, np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)])] * 3
    frames = []
    for index, picture in enumerate(solid):
        each = picture.copy()
        each[16:48, 10 + 20 * index : 26 + 20 * index] = (255, 0, 0, 255)
        frames.append(image.fromarray(each))
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, loop=0, disposal=2)
    for index, drawn in enumerate(pictures(path)):
        assert near(drawn[30, 18 + 20 * index], (255, 0, 0))
        assert near(drawn[4, 4], (0, 0, 0))


@pytest.mark.parametrize(
    ("size", "aspect", "shown"),
    [
        ((720, 576), Fraction(64, 45), (1024, 576)),
        ((720, 480), Fraction(8, 9), (720, 540)),
        ((96, 64), Fraction(1, 1000), (96, 64)),
        ((96, 64), Fraction(2), (192, 64)),
    ],
)
def test_pixels_that_are_not_square(
    tmp_path: Path, size: tuple[int, int], aspect: Fraction, shown: tuple[int, int]
) -> None:
    path = encode(tmp_path / "a.mp4", draw=lambda i: corner(i, *size), count=2, stream={"sample_aspect_ratio": aspect})
    info = clip_info(path)
    assert (info.width, info.height) == shown
    drawn = pictures(path)[0]
    assert drawn.shape == (shown[1], shown[0], 3)
    assert corners(drawn) == UPRIGHT


ORIENTATIONS = {
    "upright": ((1, 0, 0, 1), ["red", "green", "blue", "grey"]),
    "mirrored": ((-1, 0, 0, 1), ["green", "red", "grey", "blue"]),
    "upside down": ((1, 0, 0, -1), ["blue", "grey", "red", "green"]),
    "half turn": ((-1, 0, 0, -1), ["grey", "blue", "green", "red"]),
    "quarter to the right": ((0, 1, -1, 0), ["blue", "red", "grey", "green"]),
    "quarter to the left": ((0, -1, 1, 0), ["green", "grey", "red", "blue"]),
    "transposed": ((0, 1, 1, 0), ["red", "blue", "green", "grey"]),
    "transposed and turned": ((0, -1, -1, 0), ["grey", "green", "blue", "red"]),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_display_matrix(tmp_path: Path, name: str) -> None:
    (a, b, c, d), wanted = ORIENTATIONS[name]
    data = bytearray(encode(tmp_path / "ok.mp4", count=3).read_bytes())
    place = data.index(b"tkhd") + 4 + 4 + 20 + 16
    one = 1 << 16
    data[place : place + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path = tmp_path / "turned.mp4"
    path.write_bytes(data)
    assert corners(pictures(path)[0]) == wanted


@pytest.mark.parametrize("colour_range", [1, 2])
@pytest.mark.parametrize("matrix", [1, 5])
def test_ranges_and_matrices(tmp_path: Path, colour_range: int, matrix: int) -> None:
    """The encoder is given a frame that is converted by swscale with the same tags, so colours come back."""
    grey = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    grey[:, : WIDTH // 2] = (200, 40, 90)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "2"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        stream.codec_context.color_range = colour_range
        stream.codec_context.colorspace = matrix
        frame = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(
            format="yuv444p", dst_colorspace=matrix, dst_color_range=colour_range
        )
        frame.color_range, frame.colorspace = colour_range, matrix
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    drawn = pictures(path)[0]
    assert near(drawn[30, -10], (200, 200, 200), 4)
    assert near(drawn[30, 10], (200, 40, 90), 6)


def pq_code(nits: float) -> int:
    """Return the 10-bit limited-range code of a luminance (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    share = (nits / 10000) ** m1
    return round(((c1 + c2 * share) / (1 + c3 * share)) ** m2 * 876 + 64)


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_tone_mapped(tmp_path: Path, transfer: int) -> None:
    from io_bridges.video_frames import RgbConverter

    codes = [pq_code(nits) for nits in (0.1, 20, 100, 300, 900)] if transfer == 16 else [80, 300, 480, 620, 800]
    frame = av.VideoFrame(160, 64, "yuv420p10le")
    luma = np.repeat(np.repeat(np.array(codes, np.uint16), 32)[None], 64, axis=0)
    for plane, values in zip(frame.planes, (luma, luma * 0 + 512, luma * 0 + 512), strict=True):
        rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        rows[:, : plane.width] = values[: plane.height, : plane.width]
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_trc, frame.color_primaries, frame.color_range = 9, transfer, 9, 1
    flat = frame.reformat(format="rgb24").to_ndarray()[30, 16::32, 0].astype(int)
    drawn = RgbConverter().convert(frame)
    levels = drawn[30, 16::32].astype(int)
    assert (np.ptp(levels, axis=1) <= 4).all(), "grey stays grey"
    assert (np.diff(levels[:, 0]) > 0).all()
    assert np.abs(levels[:, 0] - flat).max() > 5, "it is not shown as SDR"


def test_interlaced_clip_has_no_combs(tmp_path: Path) -> None:
    def fields(index: int) -> Picture:
        picture = np.zeros((128, 192, 3), np.uint8)
        picture[0::2, index * 12 % 150 : index * 12 % 150 + 24] = 255
        picture[1::2, (index * 12 + 6) % 150 : (index * 12 + 6) % 150 + 24] = 255
        return picture

    options = {"flags": "+ildct+ilme", "b:v": "8M"}
    path = encode(tmp_path / "a.mpg", "mpeg2video", draw=fields, options=options, count=10)
    drawn = pictures(path)
    assert len(drawn) == 10

    def combs(picture: Picture) -> float:
        light = picture[..., 1].astype(int)
        return float(np.abs(light[1:-1] - (light[:-2] + light[2:]) / 2).mean())

    assert combs(drawn[5]) < 0.35 * combs(fields(5))
