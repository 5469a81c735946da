"""Arithmetic on uint8 pictures: fit, scale, fade, mix, and the way from other channel orders to RGB.

Shapes are [H, W, C], top-left origin. What is returned without an `out` is read-only, and may be the picture that was
handed in: nothing is copied that need not be.
"""

from typing import Literal, get_args

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.opencv_import import opencv

How = Literal["cover", "contain", "stretch"]
Format = Literal["rgb", "rgba", "bgr", "bgra", "gray"]
Origin = Literal["top-left", "bottom-left"]

HOWS: tuple[How, ...] = get_args(How)
FORMATS: tuple[Format, ...] = get_args(Format)
ORIGINS: tuple[Origin, ...] = get_args(Origin)
CHANNELS: dict[Format, int] = {"rgb": 3, "rgba": 4, "bgr": 3, "bgra": 4, "gray": 1}


def fit(pixels: Pixels, width: int, height: int, how: How = "cover") -> Pixels:
    """RGB [height, width, 3] from a picture of any size; alpha is left behind.

    `cover` fills the size and crops the middle, `contain` shows all of it between black bars, `stretch` ignores the
    aspect ratio.
    """
    source_height, source_width = pixels.shape[:2]
    if how == "cover":
        # The largest middle part that has the aspect ratio asked for.
        crop_width = min(source_width, max(1, round(source_height * width / height)))
        crop_height = min(source_height, max(1, round(source_width * height / width)))
        left, top = (source_width - crop_width) // 2, (source_height - crop_height) // 2
        pixels = pixels[top : top + crop_height, left : left + crop_width]
    elif how == "contain":
        ratio = min(width / source_width, height / source_height)
        inner_width = min(width, max(1, round(source_width * ratio)))
        inner_height = min(height, max(1, round(source_height * ratio)))
        if (inner_width, inner_height) != (width, height):
            inner = to_rgb(scale(pixels, inner_width, inner_height), _format_of(pixels))
            canvas: Pixels = np.zeros((height, width, 3), np.uint8)
            left, top = (width - inner_width) // 2, (height - inner_height) // 2
            canvas[top : top + inner_height, left : left + inner_width] = inner
            return sealed(canvas)
    return to_rgb(scale(pixels, width, height), _format_of(pixels))


def scale(pixels: Pixels, width: int, height: int) -> Pixels:
    """The picture at another size, its channels as they were.

    Whole blocks of pixels are averaged first, and the rest of the way is linear: ten times as fast as averaging at any
    ratio, and as free of flicker to the eye.
    """
    cv2 = opencv()
    scaled = pixels
    across, down = max(1, pixels.shape[1] // width), max(1, pixels.shape[0] // height)
    if across > 1 or down > 1:
        columns, rows = pixels.shape[1] // across, pixels.shape[0] // down
        # Only a ratio of whole numbers takes OpenCV's quick way: less than a block is left out, half at either edge.
        top, left = (pixels.shape[0] - rows * down) // 2, (pixels.shape[1] - columns * across) // 2
        blocks = pixels[top : top + rows * down, left : left + columns * across]
        scaled = cv2.resize(blocks, (columns, rows), interpolation=cv2.INTER_AREA)
    if scaled.shape[:2] != (height, width):
        scaled = cv2.resize(scaled, (width, height), interpolation=cv2.INTER_LINEAR)
    if scaled.ndim < pixels.ndim:  # OpenCV drops a single channel's axis
        scaled = scaled[:, :, np.newaxis]
    return sealed(np.ascontiguousarray(scaled))


def fade(pixels: Pixels, level: float, out: Pixels | None = None) -> Pixels:
    """The picture at a brightness between 0 (black) and 1 (as it is), into `out` [same shape] if given."""
    level = min(max(level, 0.0), 1.0)
    if level == 1.0:
        if out is None:
            return sealed(pixels)
        np.copyto(out, pixels)
        return out
    if out is not None:
        opencv().convertScaleAbs(pixels, dst=_target(out, pixels), alpha=level)
        return out
    return sealed(opencv().convertScaleAbs(pixels, alpha=level).reshape(pixels.shape))


def mix(a: Pixels, b: Pixels, weight: float, out: Pixels | None = None) -> Pixels:
    """``(1 - weight)·a + weight·b``, weight clamped to 0 … 1, into `out` if given; all of one shape."""
    if a.shape != b.shape:
        raise ValueError(f"pictures of one shape are mixed, not {a.shape} and {b.shape}")
    weight = min(max(weight, 0.0), 1.0)
    if out is not None:
        opencv().addWeighted(a, 1.0 - weight, b, weight, 0.0, dst=_target(out, a))
        return out
    return sealed(opencv().addWeighted(a, 1.0 - weight, b, weight, 0.0).reshape(a.shape))


def to_rgb(pixels: Pixels, format: Format, origin: Origin = "top-left") -> Pixels:
    """RGB [H, W, 3], top-left origin, from [H, W, C] (or [H, W] for gray) in another order; alpha is left behind."""
    cv2 = opencv()
    match format:
        case "rgb":
            if origin == "bottom-left":
                return sealed(cv2.flip(pixels, 0))
            return sealed(np.ascontiguousarray(pixels))
        case "rgba":
            rgb: Pixels = cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB)
        case "bgr":
            rgb = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        case "bgra":
            rgb = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB)
        case "gray":
            rgb = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    if origin == "bottom-left":
        cv2.flip(rgb, 0, dst=rgb)
    return sealed(rgb)


def sealed(pixels: Pixels) -> Pixels:
    """The same pixels, read-only; the array that was handed in stays as it was."""
    if not pixels.flags.writeable:
        return pixels
    view = pixels.view()
    view.flags.writeable = False
    return view


def _format_of(pixels: Pixels) -> Format:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return "rgba" if channels == 4 else "rgb" if channels == 3 else "gray"


def _target(out: Pixels, like: Pixels) -> Pixels:
    # OpenCV would quietly write into an array of its own where `out` does not fit.
    if out.shape != like.shape or out.dtype != np.uint8 or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out must be a writable, contiguous uint8 array of shape {like.shape}, not {out.shape}")
    return out
