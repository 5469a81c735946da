"""OpenCV, imported on first use and kept to one thread a call.

A pool of threads for every small resize would fight the renderer for the processor; the picture size limit is read by
OpenCV once, when it is loaded, and keeps a decompression bomb from being unpacked.
"""

import functools
import os
from typing import Any

LONGEST_SIDE = 8192
"""Pixels a side: no picture that comes in, by file or by wire, may be longer."""


@functools.cache
def opencv() -> Any:
    """The `cv2` module."""
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_WIDTH", str(LONGEST_SIDE))
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_HEIGHT", str(LONGEST_SIDE))
    import cv2

    cv2.setNumThreads(1)
    return cv2
