"""`VideoStream` encodes RGB frames into one stream of a file that PyAV writes.

This module needs the extra ``video``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container.output import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from io_bridges.frames import Pixels
from presets.errors import BridgeUnavailable

# The encoder's output depends on the number of threads, so it is the same on every machine.
_THREADS = 2
_BT709, _LIMITED_RANGE = 1, 1


@dataclass(frozen=True, slots=True)
class VideoEncoder:
    """An encoder of FFmpeg with its settings."""

    name: str
    """FFmpeg's name, such as ``libx264``."""
    pixel_format: str
    options: Mapping[str, str]
    step: tuple[int, int] = (1, 1)
    """Width and height must be multiples of these."""
    tag: str = ""
    """Four characters that name the codec in MP4 and MOV; empty for FFmpeg's own choice."""

    @property
    def is_yuv(self) -> bool:
        """Return True if the encoder takes luma and chroma. They are made by BT.709, in limited range."""
        return self.pixel_format.startswith(("yuv", "nv12", "p2"))


class VideoStream:
    """An encoded video stream. Frames carry their own times, so that a pause stays a pause."""

    def __init__(
        self,
        container: OutputContainer,
        encoder: VideoEncoder,
        width: int,
        height: int,
        fps: Fraction,
        keyframes: int | None = None,
    ) -> None:
        """Add the stream, for frames of this size in pixels, with a key frame every `keyframes` frames.

        Raises `BridgeUnavailable` if PyAV lacks the encoder.
        """
        self._container = container
        self._encoder = encoder
        self._reformatter = VideoReformatter()
        try:
            stream = container.add_stream(encoder.name, rate=fps)
        except (ValueError, av.error.FFmpegError) as error:
            raise BridgeUnavailable(
                f"This build of PyAV has no {encoder.name}. Run: pip install --upgrade av"
            ) from error
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        prepare(stream.codec_context, encoder, width, height)
        if keyframes is not None:
            stream.codec_context.gop_size = keyframes

    def encode(self, pixels: Pixels, number: int) -> None:
        """Add RGB uint8 [H, W, 3] at the time of frame `number`, which must rise. Raises PyAV's errors."""
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(pixels, format="rgb24"),
            format=self._encoder.pixel_format,
            dst_colorspace=Colorspace.ITU709 if self._encoder.is_yuv else None,
        )
        frame.pts = number
        frame.time_base = 1 / self._stream.codec_context.framerate
        self._mux(frame)

    def flush(self) -> None:
        """Write the frames that the encoder still holds. Raises PyAV's errors."""
        self._mux(None)

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)


def prepare(context: "av.VideoCodecContext", encoder: VideoEncoder, width: int, height: int) -> None:
    """Set up a codec context that is not open yet."""
    context.width, context.height = width, height
    context.pix_fmt = encoder.pixel_format
    context.options = dict(encoder.options)
    context.thread_count = _THREADS
    if encoder.tag:
        context.codec_tag = encoder.tag
    if encoder.is_yuv:
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
