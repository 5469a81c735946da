"""`Deinterlacer`: interlaced frames as whole pictures, by FFmpeg's ``bwdif``. Other frames pass unchanged.

This module needs the extra ``video``.
"""

from collections.abc import Iterator

import av
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream


class Deinterlacer:
    """Filter of the frames of one stream. It begins to work at the first frame that is marked as interlaced."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._graph: Graph | None = None

    def pass_on(self, frame: VideoFrame | None) -> Iterator[VideoFrame]:
        """Yield the frames that are ready. None ends the stream and yields what is left."""
        if self._graph is None:
            if frame is None or not frame.interlaced_frame:
                if frame is not None:
                    yield frame
                return
            self._graph = self._started()
        self._graph.vpush(frame)
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return

    def _started(self) -> Graph:
        graph = Graph()
        source = graph.add_buffer(template=self._stream)
        # One picture for each frame: the rate of the clip stays. Frames that are not marked stay as they are.
        filter_ = graph.add("bwdif", "mode=send_frame:deint=interlaced")
        sink = graph.add("buffersink")
        source.link_to(filter_)
        filter_.link_to(sink)
        graph.configure()
        return graph
