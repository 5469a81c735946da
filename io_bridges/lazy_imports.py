"""Packages imported on first use: OpenCV, and the packages of optional extras."""

import functools
import importlib
import importlib.util
import os
from types import ModuleType
from typing import Any

from io_bridges.frames import LONGEST_SIDE
from presets.errors import BridgeUnavailable


@functools.cache
def opencv() -> Any:
    """Return the `cv2` module, limited to one thread per call.

    A thread pool for each small resize would compete with the renderer for the processor. OpenCV reads the size limits
    once, when it is loaded; they keep it from unpacking a decompression bomb.
    """
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_WIDTH", str(LONGEST_SIDE))
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_HEIGHT", str(LONGEST_SIDE))
    import cv2

    cv2.setNumThreads(1)
    return cv2


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a module of an optional extra. Raises `BridgeUnavailable`, which names the extra to install."""
    reason = missing_extra(module, extra)
    if reason:
        raise BridgeUnavailable(reason)
    return importlib.import_module(module)


def missing_extra(module: str, extra: str) -> str:
    """Return a sentence that says how to install the module, or an empty string if it is there. Imports nothing."""
    package = module.partition(".")[0]
    if importlib.util.find_spec(package) is not None:
        return ""
    return f"The package {package} is not installed. Run: pip install 'streamflow-live[{extra}]'"
