"""Pictures in files: PNG, JPEG and what else OpenCV reads, as RGB."""

import contextlib
from pathlib import Path

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.opencv_import import LONGEST_SIDE, opencv
from io_bridges.pixels import sealed
from presets.errors import BridgeError

STILL_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
_LARGEST_FILE = 256 << 20
_JPEG_QUALITY = 95


def is_still(path: Path) -> bool:
    """Whether the name is that of a picture rather than a clip."""
    return path.suffix.lower() in STILL_SUFFIXES


def read_still(path: Path) -> Pixels:
    """RGB [H, W, 3], turned as its EXIF says; alpha is left behind. Raises `BridgeError` with the path."""
    try:
        if path.exists() and not path.is_file():
            raise BridgeError(f"{path} is no file")  # a pipe would block
        if path.stat().st_size > _LARGEST_FILE:
            raise BridgeError(f"{path} is larger than {_LARGEST_FILE >> 20} MiB: no picture of that size is read")
        data = path.read_bytes()  # not imread: it can't open names outside the code page on Windows
    except OSError as error:
        raise BridgeError(f"{path} can't be read: {error.strerror}") from error
    cv2 = opencv()
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        pixels = None  # what it raises is an assertion of its own about the header
    if pixels is None or max(pixels.shape[:2]) > LONGEST_SIDE:
        raise BridgeError(f"{path} is not a picture that can be decoded (at most {LONGEST_SIDE} pixels a side)")
    return sealed(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels))


def encode_still(pixels: Pixels, suffix: str, png_compression: int = 6) -> bytes:
    """The bytes of a file of RGB [H, W, 3]; `suffix` names the format (``.png``), compression goes from 0 to 9."""
    cv2 = opencv()
    settings = {
        ".png": [cv2.IMWRITE_PNG_COMPRESSION, png_compression],
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY],
        ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY],
    }
    try:
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(suffix.lower(), bgr, settings.get(suffix.lower(), []))
    except cv2.error as error:
        raise BridgeError(f"no picture of the kind {suffix} can be written: choose .png or .jpg") from error
    return bytes(data)


def write_still(path: Path, pixels: Pixels, png_compression: int = 6) -> None:
    """Write RGB [H, W, 3] whole or not at all, in the format of the suffix. Raises `BridgeError` with the path."""
    data = encode_still(pixels, path.suffix, png_compression)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise BridgeError(f"{path} can't be written: {error.strerror}") from error
