"""Pixel values of other types as uint8: floats that are 1 at white, as TouchDesigner has them, and 16-bit integers."""

from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv

WHITES: MappingProxyType[str, float] = MappingProxyType(
    {"uint8": 255.0, "uint16": 65535.0, "float16": 1.0, "float32": 1.0, "float64": 1.0}
)
"""Value of white for each type that is taken."""

VALUE_TYPES: MappingProxyType[str, np.dtype[Any]] = MappingProxyType(
    {
        text: np.dtype(name).newbyteorder(">" if text.startswith(">") else "=")
        for name in WHITES
        for code in (np.dtype(name).str[1:],)
        for text in (name, code, f"<{code}", f">{code}", f"={code}", f"|{code}")
    }
)
"""Type by its name, as ``str(array.dtype)`` and ``array.dtype.str`` write it."""

_BAND = 32
"""Rows that are converted at a time, few enough for the processor's cache."""


def to_uint8(values: NDArray[Any], white: float) -> Pixels:
    """Return values [H, W, C] as uint8, with `white` as 255, rounded and clamped. uint8 with white 255 is not copied.

    Values that are no numbers become 0.
    """
    if values.dtype == np.uint8 and white == WHITES["uint8"]:
        return values
    cv2, scale = opencv(), 255.0 / white
    flat = values.reshape(values.shape[0], -1)
    if values.dtype.kind == "u" and values.dtype.isnative and values.flags.aligned:
        whole: Pixels = cv2.convertScaleAbs(flat, alpha=scale)
        return whole.reshape(values.shape)
    out = np.empty(flat.shape, np.uint8)
    band = np.empty((min(_BAND, len(flat)), flat.shape[1]), np.float32)
    for top in range(0, len(flat), _BAND):
        rows = flat[top : top + _BAND]
        clamped = band[: len(rows)]
        if values.dtype.itemsize == 2:  # a white of 65535 is infinite in float16
            np.copyto(clamped, rows, casting="unsafe")
            rows = clamped
        # convertScaleAbs makes negative values positive, and infinities black.
        np.clip(rows, 0, white, out=clamped, casting="unsafe")
        cv2.convertScaleAbs(clamped, dst=out[top : top + _BAND], alpha=scale)
    return out.reshape(values.shape)
