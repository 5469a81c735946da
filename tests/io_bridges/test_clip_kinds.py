"""Clips as people have them: every kind is shown as a good player shows it, or refused with a sentence."""

import struct
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clip_files import HEIGHT, WIDTH, Picture, corner, encode, transparent

from io_bridges.clip import clip_info, decode_clip
from io_bridges.clip_source import ClipSource, file_path
from io_bridges.image_files import is_still
from presets.errors import BridgeError


def pictures(path: Path) -> list[Picture]:
    return list(decode_clip(path))


def near(pixel: np.ndarray, wanted: tuple[int, int, int], tolerance: int = 12) -> bool:
    return bool(np.abs(pixel.astype(int) - wanted).max() <= tolerance)


def corners(picture: Picture) -> list[str]:
    """Return the colours of the top left, top right, bottom left and bottom right corner."""
    names = {(230, 20, 20): "red", (20, 200, 20): "green", (20, 20, 220): "blue", (60, 60, 60): "grey"}
    found = []
    for row, column in ((4, 4), (4, -5), (-5, 4), (-5, -5)):
        found.append(next((name for colour, name in names.items() if near(picture[row, column], colour, 30)), "?"))
    return found


UPRIGHT = ["red", "green", "blue", "grey"]


# Codecs without a decoder


@pytest.mark.parametrize(("code", "name"), [(b"Hap7", "HAP R"), (b"brst", "Blackmagic RAW"), (b"zzzz", "zzzz")])
def test_codec_without_decoder(tmp_path: Path, code: bytes, name: str) -> None:
    data = encode(tmp_path / "ok.mp4").read_bytes()
    path = tmp_path / "clip.mov"
    path.write_bytes(data.replace(b"avc1", code))
    with pytest.raises(BridgeError, match=f"There is no decoder for {name} here. Convert the clip"):
        clip_info(path)
    with pytest.raises(BridgeError, match="no decoder"):
        ClipSource(str(path)).open()


# Clocks


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


# Animated pictures


def write_gif(path: Path, durations: list[int]) -> Path:
    image = pytest.importorskip("PIL.Image")
    frames = [image.fromarray(corner(index)) for index in range(len(durations))]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return path


def write_animation(path: Path, durations: list[int], alpha: bool = False) -> Path:
    animation = cv2.Animation()
    animation.frames = [
        cv2.cvtColor(transparent(index), cv2.COLOR_RGBA2BGRA)
        if alpha
        else np.dstack([corner(index)[..., ::-1], np.full((HEIGHT, WIDTH), 255, np.uint8)])
        for index in range(len(durations))
    ]
    animation.durations = np.array(durations, np.int32)
    assert cv2.imwriteanimation(str(path), animation)
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


# Transparency


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


# Geometry


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


# Colours


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


# Interlaced


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


# Containers and names


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
