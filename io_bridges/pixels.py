"""Operations on uint8 frames: fit, scale, fade, mix, and conversion of other channel orders to RGB.

Shapes are [H, W, C], top-left origin. A function without an `out` returns a read-only array, which may share memory
with its argument: nothing is copied unless its values change.
"""

from typing import Literal, get_args

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv

Format = Literal["rgb", "rgba", "bgr", "bgra", "gray"]
Origin = Literal["top-left", "bottom-left"]

FORMATS: tuple[Format, ...] = get_args(Format)
ORIGINS: tuple[Origin, ...] = get_args(Origin)
CHANNELS: dict[Format, int] = {"rgb": 3, "rgba": 4, "bgr": 3, "bgra": 4, "gray": 1}


def scale(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return the frame at another size, with the same channels.

    Whole blocks of pixels are averaged first, and the rest is interpolated linearly. This is ten times as fast as area
    averaging at an arbitrary ratio, with no visible flicker.
    """
    cv2 = opencv()
    scaled = pixels
    across, down = max(1, pixels.shape[1] // width), max(1, pixels.shape[0] // height)
    if across > 1 or down > 1:
        columns, rows = pixels.shape[1] // across, pixels.shape[0] // down
        # OpenCV's fast path needs a whole-number ratio. Less than a block is cropped, half of it at each edge.
        top, left = (pixels.shape[0] - rows * down) // 2, (pixels.shape[1] - columns * across) // 2
        blocks = pixels[top : top + rows * down, left : left + columns * across]
        scaled = cv2.resize(blocks, (columns, rows), interpolation=cv2.INTER_AREA)
    if scaled.shape[:2] != (height, width):
        scaled = cv2.resize(scaled, (width, height), interpolation=cv2.INTER_LINEAR)
    if scaled.ndim < pixels.ndim:  # OpenCV drops the axis of a single channel.
        scaled = scaled[:, :, np.newaxis]
    return read_only(np.ascontiguousarray(scaled))


def bounded(pixels: Pixels, longest: int) -> Pixels:
    """Return uint8 [H, W, C] scaled down to at most `longest` pixels a side, or as it is if it fits."""
    size = _bounded_size(pixels, longest)
    if size is None:
        return pixels
    cv2 = opencv()
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def bounded_quickly(pixels: Pixels, longest: int) -> Pixels:
    """Return the same as `bounded`, scaled as `scale` does, for live pictures."""
    size = _bounded_size(pixels, longest)
    return pixels if size is None else scale(pixels, *size)


def _bounded_size(pixels: Pixels, longest: int) -> tuple[int, int] | None:
    height, width = pixels.shape[:2]
    share = longest / max(height, width)
    return (max(1, round(width * share)), max(1, round(height * share))) if share < 1 else None


def jpeg(pixels: Pixels, quality: int = 80) -> bytes:
    """Return uint8 [H, W, 3] as a JPEG file. `quality` is 1 to 100."""
    cv2 = opencv()
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))[1])


def fade(pixels: Pixels, level: float, out: Pixels | None = None) -> Pixels:
    """Return the frame at a brightness from 0 (black) to 1 (unchanged), in `out` [same shape] if given."""
    level = min(max(level, 0.0), 1.0)
    if level == 1.0:
        if out is None:
            return read_only(pixels)
        np.copyto(out, pixels)
        return out
    if out is not None:
        opencv().convertScaleAbs(pixels, dst=_check_out(out, pixels), alpha=level)
        return out
    return read_only(opencv().convertScaleAbs(pixels, alpha=level).reshape(pixels.shape))


def mix(a: Pixels, b: Pixels, weight: float, out: Pixels | None = None) -> Pixels:
    """Return ``(1 - weight)·a + weight·b``, in `out` if given. All have one shape; weight is clamped to 0 … 1."""
    if a.shape != b.shape:
        raise ValueError(f"frames must have one shape, not {a.shape} and {b.shape}")
    weight = min(max(weight, 0.0), 1.0)
    if out is not None:
        opencv().addWeighted(a, 1.0 - weight, b, weight, 0.0, dst=_check_out(out, a))
        return out
    return read_only(opencv().addWeighted(a, 1.0 - weight, b, weight, 0.0).reshape(a.shape))


def to_rgb(pixels: Pixels, format: Format, origin: Origin = "top-left") -> Pixels:
    """Return RGB [H, W, 3], top-left origin, from [H, W, C], or [H, W] for gray, in another order, without alpha."""
    cv2 = opencv()
    match format:
        case "rgb":
            if origin == "bottom-left":
                return read_only(cv2.flip(pixels, 0))
            return read_only(np.ascontiguousarray(pixels))
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
    return read_only(rgb)


def to_rgba(pixels: Pixels, format: Format, origin: Origin = "top-left") -> Pixels:
    """Return RGBA [H, W, 4], top-left origin, from an order with alpha, ``rgba`` or ``bgra``."""
    cv2 = opencv()
    ordered = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA) if format == "bgra" else pixels
    if origin == "bottom-left":
        ordered = cv2.flip(ordered, 0)
    return read_only(np.ascontiguousarray(ordered))


def read_only(pixels: Pixels) -> Pixels:
    """Return a read-only view of the pixels. The argument itself stays writable."""
    if not pixels.flags.writeable:
        return pixels
    view = pixels.view()
    view.flags.writeable = False
    return view


def format_of(pixels: Pixels) -> Format:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return "rgba" if channels == 4 else "rgb" if channels == 3 else "gray"


def _check_out(out: Pixels, like: Pixels) -> Pixels:
    # OpenCV silently writes into an array of its own if `out` does not fit.
    if out.shape != like.shape or out.dtype != np.uint8 or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out must be a writable, contiguous uint8 array of shape {like.shape}, not {out.shape}")
    return out
