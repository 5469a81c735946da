"""Still images in files: PNG, JPEG and the other formats of OpenCV, and HEIC with the extra ``heic``, as RGB."""

import contextlib
import io
from pathlib import Path

import numpy as np

from io_bridges.animated_image import is_animated
from io_bridges.frames import LONGEST_SIDE, Pixels
from io_bridges.lazy_imports import import_extra, opencv
from io_bridges.matte import BLACK, AlphaKind, Matte, flatten
from io_bridges.pixels import read_only
from presets.errors import BridgeError

_HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
STILL_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}) | _HEIF_SUFFIXES
_MAX_FILE_BYTES = 256 << 20
_JPEG_QUALITY = 95


def missing(path: Path) -> str:
    """Say that a file or folder does not exist, and where a relative path was looked up."""
    return f"{path} does not exist" if path.is_absolute() else f"{path} does not exist in {Path.cwd()}"


def has_still_suffix(path: Path) -> bool:
    """Return True if the suffix is that of a still image, not of a clip."""
    return path.suffix.lower() in STILL_SUFFIXES


def is_still(path: Path) -> bool:
    """Return True if a file is a still image by its suffix, and not animated by its content."""
    return has_still_suffix(path) and not is_animated(path)


def read_still(path: Path, matte: Matte = BLACK, alpha: AlphaKind = "straight") -> Pixels:
    """Return RGB [H, W, 3], rotated by its EXIF tag. Transparent pixels show the matte.

    Raises `BridgeError`, which names the path, and `BridgeUnavailable` for HEIC without its extra.
    """
    try:
        if path.exists() and not path.is_file():
            raise BridgeError(f"{path} is not a file")  # Reading a pipe would block.
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise BridgeError(f"{path} is larger than {_MAX_FILE_BYTES >> 20} MiB, the limit for an image")
        data = path.read_bytes()  # cv2.imread cannot open names outside the code page on Windows.
    except OSError as error:
        raise BridgeError(f"Cannot read {path}: {error.strerror}") from error
    pixels = _decode_heif(data) if path.suffix.lower() in _HEIF_SUFFIXES else _decode_still(data)
    if pixels is None or max(pixels.shape[:2]) > LONGEST_SIDE:
        raise BridgeError(f"Cannot decode {path}: an image of at most {LONGEST_SIDE} pixels a side is expected")
    return read_only(flatten(pixels, matte, alpha) if pixels.shape[2] == 4 else pixels)


def _decode_still(data: bytes) -> Pixels | None:
    """Return RGB or RGBA [H, W, C], None if the bytes are no image."""
    cv2 = opencv()
    try:
        buffer = np.frombuffer(data, np.uint8)
        pixels = cv2.imdecode(buffer, cv2.IMREAD_COLOR) if data else None  # turned by its EXIF tag
        if pixels is None:
            return None
        whole = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    except cv2.error:  # OpenCV fails an assertion for some bad headers.
        return None
    if whole is not None and whole.ndim == 3 and whole.shape[2] == 4 and whole.dtype in (np.uint8, np.uint16):
        if whole.dtype == np.uint16:
            whole = cv2.convertScaleAbs(whole, alpha=1 / 257)
        transparent: Pixels = cv2.cvtColor(whole, cv2.COLOR_BGRA2RGBA)
        return transparent
    opaque: Pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
    return opaque


def _decode_heif(data: bytes) -> Pixels | None:
    """Return RGB or RGBA [H, W, C] of a whole HEIC photo, upright, None if the bytes are none."""
    pillow_heif = import_extra("pillow_heif", "heic")
    try:
        image = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
        pixels = np.asarray(image)
    except (ValueError, OSError, EOFError, SyntaxError, RuntimeError):
        return None
    return pixels if pixels.ndim == 3 and pixels.dtype == np.uint8 else None


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
