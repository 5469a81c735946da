"""Still images in files: PNG, JPEG and the other formats of OpenCV, as RGB."""

import contextlib
from pathlib import Path

import numpy as np

from io_bridges.frames import LONGEST_SIDE, Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.pixels import read_only
from presets.errors import BridgeError

STILL_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
_MAX_FILE_BYTES = 256 << 20
_JPEG_QUALITY = 95


def is_still(path: Path) -> bool:
    """Return True if the suffix is that of a still image, not of a clip."""
    return path.suffix.lower() in STILL_SUFFIXES


def read_still(path: Path) -> Pixels:
    """Return RGB [H, W, 3], rotated by its EXIF tag, without alpha. Raises `BridgeError`, which names the path."""
    try:
        if path.exists() and not path.is_file():
            raise BridgeError(f"{path} is not a file")  # Reading a pipe would block.
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise BridgeError(f"{path} is larger than {_MAX_FILE_BYTES >> 20} MiB, the limit for an image")
        data = path.read_bytes()  # cv2.imread cannot open names outside the code page on Windows.
    except OSError as error:
        raise BridgeError(f"Cannot read {path}: {error.strerror}") from error
    cv2 = opencv()
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:  # OpenCV fails an assertion for some bad headers.
        pixels = None
    if pixels is None or max(pixels.shape[:2]) > LONGEST_SIDE:
        raise BridgeError(f"Cannot decode {path}: an image of at most {LONGEST_SIDE} pixels a side is expected")
    return read_only(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels))


def encode_still(pixels: Pixels, suffix: str, png_compression: int = 6) -> bytes:
    """Return RGB [H, W, 3] as the bytes of an image file.

    The suffix chooses the format (``.png``). The PNG compression is 0 to 9. Raises `BridgeError`.
    """
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
        raise BridgeError(f"Cannot write an image of type {suffix}. Choose .png or .jpg") from error
    return bytes(data)


def write_still(path: Path, pixels: Pixels, png_compression: int = 6) -> None:
    """Write RGB [H, W, 3] in the format of the suffix, whole or not at all. Raises `BridgeError` with the path."""
    data = encode_still(pixels, path.suffix, png_compression)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise BridgeError(f"Cannot write {path}: {error.strerror}") from error
