"""`RgbConverter` converts decoded video frames to RGB. This module needs the extra ``video``."""

from typing import cast

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from io_bridges.frames import Pixels
from io_bridges.pixels import read_only

_UNSPECIFIED = 2
_HD = 720


class RgbConverter:
    """A converter for the frames of one video, which keeps its tables from frame to frame. One thread only."""

    def __init__(self) -> None:
        """Prepare nothing: the tables are made for the first frame."""
        self._reformatter = VideoReformatter()

    def convert(self, frame: VideoFrame) -> Pixels:
        """Return RGB [H, W, 3], read-only, rotated as the frame's metadata says."""
        # Untagged video is BT.709 from 720 lines up, otherwise BT.601, as players assume.
        untagged = frame.colorspace == _UNSPECIFIED and frame.height >= _HD
        source = Colorspace.ITU709 if untagged and not frame.format.is_rgb else None
        converted = self._reformatter.reformat(frame, format="rgb24", src_colorspace=source)
        pixels = cast(Pixels, converted.to_ndarray())
        quarter_turns = round(getattr(frame, "rotation", 0) / 90) % 4
        return read_only(np.ascontiguousarray(np.rot90(pixels, quarter_turns)))
