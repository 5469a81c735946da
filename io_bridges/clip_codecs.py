"""Codecs that PyAV cannot decode, by the name that a QuickTime file has for them."""

from pathlib import Path
from types import MappingProxyType

_NAMES: MappingProxyType[bytes, str] = MappingProxyType(
    {
        b"Hap7": "HAP R",
        b"HapH": "HAP HDR",
        b"HapM": "HAP Q Alpha",
        b"brst": "Blackmagic RAW",
        b"braw": "Blackmagic RAW",
        b"aprn": "ProRes RAW",
        b"aprh": "ProRes RAW HQ",
        b"ncvw": "Notch",
        b"NOTC": "NotchLC",
    }
)
_SEARCHED_BYTES = 8 << 20
"""Bytes at the start and at the end of a file that are searched for the name of its codec."""
_BEFORE_NAME = 4 + 4 + 4 + 4
"""Bytes from the word ``stsd`` to the name: the word, version, count and size (ISO/IEC 14496-12, 8.5.2)."""


def missing_decoder(path: Path) -> str:
    """Return a sentence for a clip that has no decoder here: its codec, and what to convert it to."""
    code = _codec_code(path)
    name = _NAMES.get(code, code.decode("ascii", "replace"))
    what = f"There is no decoder for {name} here" if name.isprintable() and name else "There is no decoder here"
    return f"{path}: {what}. Convert the clip to H.264, HAP or ProRes"


def _codec_code(path: Path) -> bytes:
    """Return the four characters that a QuickTime file names its video codec with; empty if there are none."""
    with path.open("rb") as file:
        start = file.read(_SEARCHED_BYTES)
        size = file.seek(0, 2)
        file.seek(max(len(start), size - _SEARCHED_BYTES))
        data = start + file.read()
    place = data.find(b"stsd")
    return data[place + _BEFORE_NAME :][:4] if place >= 0 else b""
