"""Pictures between two drawn ones: cross-faded, or moved along the optical flow from one to the other.

The flow is Dense Inverse Search (Kroeger et al. 2016, OpenCV's ``DISOpticalFlow``) on small copies of the pictures.
"""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from io_bridges import pixels
from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv

BetweenMode = Literal["hold", "blend", "flow"]
BETWEEN_MODES: tuple[BetweenMode, ...] = get_args(BetweenMode)

_FLOW_SIDE = 160
"""Side in pixels of the copies that the flow is found on. They are square, because OpenCV crashes on flat ones."""


class PicturePair:
    """Two pictures of one size, RGB uint8 [H, W, 3], and what lies between them."""

    def __init__(self, earlier: Pixels, later: Pixels, mode: Literal["blend", "flow"]) -> None:
        """Find the flow between the pictures if `mode` is ``flow``. Raises `ValueError` if their sizes differ."""
        if earlier.shape != later.shape:
            raise ValueError(f"both pictures must have one size, not {earlier.shape} and {later.shape}")
        self._earlier, self._later = earlier, later
        self._flow = None if mode == "blend" else optical_flow(earlier, later)
        if self._flow is not None:
            # Made once for all pictures between the two. The result of `at` is new, because sinks still read the last.
            self._places = np.empty_like(self._flow)
            self._moved_later = np.empty_like(later)

    def at(self, share: float) -> Pixels:
        """Return the picture at `share` of the way, 0 (the earlier) to 1 (the later), read-only."""
        if self._flow is None or not 0 < share < 1:
            return pixels.mix(self._earlier, self._later, share)
        from_earlier = self._moved(self._earlier, self._flow, -share, np.empty_like(self._earlier))
        from_later = self._moved(self._later, self._flow, 1 - share, self._moved_later)
        return pixels.read_only(pixels.mix(from_earlier, from_later, share, out=from_earlier))

    def _moved(self, picture: Pixels, flow: NDArray[np.float32], along: float, out: Pixels) -> Pixels:
        """Write the picture moved against a share of the flow into `out`."""
        np.multiply(flow, np.float32(along), out=self._places)
        self._places += _grid(*picture.shape[:2])
        cv2 = opencv()
        cv2.remap(picture, self._places, None, cv2.INTER_LINEAR, dst=out, borderMode=cv2.BORDER_REPLICATE)
        return out


def optical_flow(earlier: Pixels, later: Pixels) -> NDArray[np.float32]:
    """Return the motion from one picture to the other in pixels to the right and down, float32 [H, W, 2]."""
    cv2 = opencv()
    height, width = earlier.shape[:2]
    small = [
        cv2.cvtColor(cv2.resize(picture, (_FLOW_SIDE, _FLOW_SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        for picture in (earlier, later)
    ]
    finder = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow = finder.calc(small[0], small[1], None)
    flow *= np.array([width, height], np.float32) / _FLOW_SIDE
    whole: NDArray[np.float32] = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    return whole


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> NDArray[np.float32]:
    """Return the place of each pixel, float32 [H, W, 2]."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    grid = np.dstack([columns, rows])
    grid.flags.writeable = False
    return grid
