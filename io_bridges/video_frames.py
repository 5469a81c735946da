"""`RgbConverter` converts decoded video frames to RGB, as a player shows them. This module needs the extra ``video``.

It converts colours (BT.601, BT.709, BT.2020; HDR by swscale's tone mapping), puts transparent pixels over the matte,
stretches pixels that are not square, and turns and mirrors as the display matrix says.
"""

import logging
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray

from io_bridges.frames import LONGEST_SIDE, Pixels
from io_bridges.matte import BLACK, AlphaKind, Matte, flatten
from io_bridges.pixels import read_only

_log = logging.getLogger(__name__)

_UNSPECIFIED = 2
_HD = 720
_HDR_TRANSFERS = frozenset({16, 18})
"""Transfer functions PQ and HLG (ITU-T H.273, table 3)."""
_LEAST_ASPECT, _MOST_ASPECT = Fraction(1, 4), Fraction(4)


class RgbConverter:
    """A converter for the frames of one video, which keeps its tables from frame to frame. One thread only."""

    def __init__(self, aspect: Fraction | None = None, matte: Matte = BLACK, alpha: AlphaKind = "straight") -> None:
        """`aspect` is width over height of a pixel; None and senseless values stand for square pixels."""
        sensible = aspect is not None and _LEAST_ASPECT <= aspect <= _MOST_ASPECT
        self._aspect = aspect if sensible and aspect is not None else Fraction(1)
        self._matte = matte
        self._alpha: AlphaKind = alpha
        self._reformatter = VideoReformatter()
        self._tone_mapping: Graph | None = None
        self._tone_mapping_fails = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height that a picture of this size is shown with, before it is turned."""
        if self._aspect > 1:
            wide = round(width * self._aspect)
            return (wide, height) if wide <= LONGEST_SIDE else (width, height)
        tall = round(height / self._aspect)
        return (width, tall) if tall <= LONGEST_SIDE else (width, height)

    def convert(self, frame: VideoFrame) -> Pixels:
        """Return RGB uint8 [H, W, 3], upright, read-only."""
        matrix = display_matrix(frame)
        if frame.color_trc in _HDR_TRANSFERS and not self._tone_mapping_fails:
            frame = self._tone_mapped(frame)
        # Untagged clips are BT.709 from 720 lines up, otherwise BT.601, as players assume.
        untagged = frame.colorspace == _UNSPECIFIED and frame.height >= _HD
        source = Colorspace.ITU709 if untagged and not frame.format.is_rgb else None
        width, height = self.size(frame.width, frame.height)
        has_alpha = any(component.is_alpha for component in frame.format.components)
        converted = self._reformatter.reformat(
            frame, width, height, format="rgba" if has_alpha else "rgb24", src_colorspace=source
        )
        pixels = cast(Pixels, converted.to_ndarray())
        if has_alpha:
            pixels = flatten(pixels, self._matte, self._alpha)
        return read_only(np.ascontiguousarray(turned(pixels, matrix)))

    def _tone_mapped(self, frame: VideoFrame) -> VideoFrame:
        """Return an HDR frame in the range and primaries of BT.709. Frames stay as they are with FFmpeg before 8."""
        try:
            if self._tone_mapping is None:
                self._tone_mapping = _tone_mapping(frame)
            frame.pts = None
            self._tone_mapping.vpush(frame)
            return self._tone_mapping.vpull()
        except (av.error.FFmpegError, ValueError) as error:
            self._tone_mapping_fails = True
            _log.warning("HDR is shown without tone mapping: %s. A newer av package can do it", error)
            return frame


def _tone_mapping(frame: VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
    scale = graph.add(
        "scale", "out_primaries=bt709:out_transfer=bt709:out_color_matrix=bt709:out_range=pc:intent=perceptual"
    )
    format_ = graph.add("format", "rgb24")
    sink = graph.add("buffersink")
    source.link_to(scale)
    scale.link_to(format_)
    format_.link_to(sink)
    graph.configure()
    return graph


def display_matrix(frame: VideoFrame) -> NDArray[np.int32] | None:
    """Return the display matrix [3, 3] of a frame, 16.16 fixed point, or None if it has none."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    values = np.frombuffer(bytes(data), np.int32)
    return values.reshape(3, 3) if values.size == 9 else None


def turned(pixels: Pixels, matrix: NDArray[np.int32] | None) -> Pixels:
    """Return the picture turned by quarters and mirrored as the display matrix says, without a copy.

    A point (x, y) of the picture is shown at (a·x + c·y, b·x + d·y) (ISO/IEC 14496-12, 8.3.2). Other angles become the
    nearest quarter.
    """
    if matrix is None:
        return pixels
    (a, b), (c, d) = matrix[0, :2].tolist(), matrix[1, :2].tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):
        pixels = pixels.transpose(1, 0, 2)
        a, d = c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
