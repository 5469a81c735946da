"""`GrabbedSource`: the common part of sources that read a live input through a `FrameGrabber`."""

from io_bridges.capture.grabber import FrameGrabber
from io_bridges.frames import Frame
from io_bridges.video_frames import RgbConverter


class GrabbedSource:
    """A source whose frames come from a grabber. A subclass starts the grabber in `open`."""

    def __init__(self) -> None:
        self._grabber: FrameGrabber | None = None
        self._converter = RgbConverter()
        self._index = 0
        self._shape = ""

    def close(self) -> None:
        """Stop the grabber. One whose driver or network hangs is kept until it ends, so that no second one starts."""
        if self._grabber is not None:
            self._grabber.stop()
            if not self._grabber.is_running:
                self._grabber = None

    def _start(self, grabber: FrameGrabber) -> None:
        """Count frames from 0, those of this grabber."""
        self._index = 0
        self._grabber = grabber

    def _next_frame(self, grabber: FrameGrabber, timeout: float) -> Frame | None:
        """Wait at most `timeout` seconds for a frame. Return the newest one as RGB, or None. Raises `BridgeError`."""
        grabbed = grabber.take(timeout)
        if grabbed is None:
            return None
        pixels = self._converter.convert(grabbed.frame)
        self._shape = f"{pixels.shape[1]}x{pixels.shape[0]}"
        frame = Frame(pixels, self._index, grabbed.captured_at)
        self._index += 1
        return frame

    def _counts(self) -> dict[str, object]:
        """Return the size and the declared rate of the frames, and counts of frames read, dropped and damaged."""
        grabber = self._grabber
        return {
            "size": self._shape,
            "pictures": self._index,
            "dropped": grabber.dropped if grabber else 0,
            "corrupt": grabber.corrupt if grabber else 0,
            "declared_fps": grabber.declared_fps if grabber else 0.0,
        }
