"""The writers of shared memory on this machine. Linux alone lists its segments."""

import re
from pathlib import Path

from io_bridges.scheme import write_uri
from io_bridges.shared_memory.ownership import WriterRecord
from io_bridges.shared_memory.ring_layout import HEADER_WORDS, WORD, WRITER_ID, RingGeometry, words_at
from io_bridges.shared_memory.segment import SharedSegment, attach, check_name
from io_bridges.shared_memory.touchdesigner_layout import (
    CLAIM_OFFSET,
    DATA_OFFSET,
    EXTRA_MAGIC,
    EXTRA_OFFSET,
    HEADER_BYTES,
    LONGEST_TOUCH_NAME,
    PREFIX,
    decode_header,
)
from presets.errors import BridgeError, SettingsError

FOLDER = Path("/dev/shm")

_OWN_WINDOWS = re.compile(r"window-[0-9a-f]{16}")
"""Names of the memory through which a show feeds its own windows."""


def available() -> list[str]:
    """Return the URIs of the living writers, by name, in both layouts."""
    # Only ordinary files: opening anything else may wait.
    names = sorted(path.name for path in FOLDER.iterdir() if path.is_file()) if FOLDER.is_dir() else []
    return [uri for name in names if not _OWN_WINDOWS.fullmatch(name) if (uri := _uri_of(name))]


def _uri_of(name: str) -> str:
    """Return the URI of a segment, empty for one that is not a picture, or of another user, or left behind."""
    try:
        segment = attach(check_name(name))
    except (BridgeError, SettingsError):
        return ""
    if segment is None:
        return ""
    try:
        if name.startswith(PREFIX) and _is_touch_picture(segment):
            return write_uri("shm", check_name(name.removeprefix(PREFIX), LONGEST_TOUCH_NAME)) + "?format=touchdesigner"
        return write_uri("shm", name) if _is_living_ring(segment) else ""
    except (BridgeError, SettingsError):
        return ""
    finally:
        segment.close()


def _is_living_ring(segment: SharedSegment) -> bool:
    """Return True for a ring whose writer is there. Raises `SharedMemoryRefused` for anything else."""
    if segment.size < HEADER_WORDS * WORD:
        return False
    RingGeometry.of_segment(segment.name, words_at(segment.buffer, 0, HEADER_WORDS).copy(), segment.size)
    return WriterRecord(segment.buffer, WRITER_ID * WORD).is_alive


def _is_touch_picture(segment: SharedSegment) -> bool:
    """Return True for the picture of a Shared Mem TOP, or of this program if it is there.

    Raises `SharedMemoryRefused` for anything else.
    """
    if segment.size < HEADER_BYTES:
        return False
    picture = decode_header(segment.name, bytes(segment.buffer[:HEADER_BYTES]), segment.size)
    if picture.data_offset < DATA_OFFSET or int(words_at(segment.buffer, EXTRA_OFFSET, 1)[0]) != EXTRA_MAGIC:
        return True  # TouchDesigner does not say whether it is there.
    return WriterRecord(segment.buffer, CLAIM_OFFSET).is_alive
