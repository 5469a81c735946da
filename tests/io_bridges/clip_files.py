"""Clips for tests, encoded with PyAV: asymmetric pictures in many formats."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from io_bridges.clip import decode_clip

WIDTH, HEIGHT = 96, 64

Picture = NDArray[np.uint8]


def corner(index: int = 0, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """Return a picture without symmetry: red at the top left, green at the top right, blue at the bottom left.

    A white bar in the lower half moves to the right by 8 pixels with each index.
    """
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[: height // 4, : width // 4] = (230, 20, 20)
    picture[: height // 4, -width // 4 :] = (20, 200, 20)
    picture[-height // 4 :, : width // 4] = (20, 20, 220)
    left = index * 8 % (width - 8)
    picture[height // 2 : 3 * height // 4, left : left + 8] = 250
    return picture


def transparent(index: int = 0) -> Picture:
    """Return RGBA with hidden white, and a red square that is half transparent on its right half."""
    picture = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    picture[..., :3] = 255
    picture[16:48, 16:48] = (255, 0, 0, 255)
    picture[16:48, 32:48, 3] = 128
    return picture


def encode(
    path: Path,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    draw: Callable[[int], Picture] = corner,
    count: int = 12,
    rate: int | Fraction = 25,
    stamps: Callable[[int], int] | None = None,
    time_base: Fraction | None = None,
    options: Mapping[str, str] | None = None,
    stream: Mapping[str, Any] | None = None,
    frame: Mapping[str, Any] | None = None,
    container_format: str | None = None,
) -> Path:
    """Write a clip and return its path.

    Args:
        path: The file.
        codec: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name of the pixel format.
        draw: Returns RGB or RGBA of a frame by its number.
        count: Number of frames.
        rate: Frames per second.
        stamps: Time stamp of a frame by its number, in `time_base`.
        time_base: Unit of the time stamps.
        options: Options of the encoder.
        stream: Attributes of the codec context.
        frame: Attributes of each frame.
        container_format: FFmpeg's name of the format, where the suffix does not decide.
    """
    with av.open(f"file:{path}", "w", format=container_format) as container:
        output = container.add_stream(codec, rate=rate, options=dict(options or {}))
        first = draw(0)
        output.width, output.height, output.pix_fmt = first.shape[1], first.shape[0], pixel_format
        for key, value in (stream or {}).items():
            setattr(output.codec_context, key, value)
        for index in range(count):
            picture = draw(index)
            kind = "rgba" if picture.shape[2] == 4 else "rgb24"
            each = av.VideoFrame.from_ndarray(picture, format=kind).reformat(format=pixel_format)
            for key, value in (frame or {}).items():
                setattr(each, key, value)
            if stamps is not None:
                each.pts, each.time_base = stamps(index), time_base
            container.mux(output.encode(each))
        container.mux(output.encode(None))
    return path


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
