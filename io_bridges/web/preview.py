"""`WebPreview`: the sink behind the page. It keeps the newest picture and makes a JPEG only for viewers."""

import time
from collections.abc import Callable
from typing import NamedTuple

from io_bridges.frames import Pixels, RenderedFrame, Tick
from io_bridges.pixels import bounded_quickly, jpeg
from io_bridges.web.preview_pace import PreviewPace


class Jpeg(NamedTuple):
    """An encoded picture."""

    version: int
    """Number of the distinct picture, counted from 1."""
    data: bytes


class WebPreview:
    """Implements `io_bridges.bridges.Sink`. The sink's thread calls `write`, the web thread the rest."""

    def __init__(self, *, longest: int = 640, quality: int = 80) -> None:
        """Scale the live picture to at most `longest` pixels a side. `quality` is that of JPEG, 1 to 100."""
        self._longest = longest
        self._quality = quality
        self._newest: tuple[int, RenderedFrame] | None = None
        self._live: Jpeg | None = None
        self._wakes: tuple[Callable[[], None], ...] = ()
        self._written = 0
        self._encoded = 0
        self._due = 0.0
        self.pace = PreviewPace()

    def open(self, width: int, height: int, fps: float) -> None:
        """Do nothing; the web server has the port."""

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Replace the newest picture and wake the viewers."""
        self._written += 1
        version, last = self._newest or (0, None)
        # A fade changes the pixels of a held picture while its index stays.
        if last is not None and frame.pixels is last.pixels:
            return
        self._newest = (version + 1, frame)
        for wake in self._wakes:
            wake()

    def close(self) -> None:
        """Do nothing; the last picture stays visible."""

    def status(self) -> dict[str, object]:
        """Return the numbers of pictures written, JPEGs made and viewers."""
        return {"kind": "web", "written": self._written, "encoded": self._encoded, "viewers": len(self._wakes)}

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` on the sink's thread after each new picture."""
        self._wakes = (*self._wakes, wake)

    def unwatch(self, wake: Callable[[], None]) -> None:
        """Stop calling `wake`."""
        self._wakes = tuple(other for other in self._wakes if other is not wake)

    def newest(self) -> RenderedFrame | None:
        """Return the newest picture, or None before the first."""
        return None if self._newest is None else self._newest[1]

    def live(self) -> Jpeg | None:
        """Return the newest picture for the page, encoded once for all viewers, or None before the first."""
        if self._newest is None:
            return None
        version, frame = self._newest
        if self._live is None or self._live.version != version:
            began = time.thread_time()
            self._live = Jpeg(version, self._encode(bounded_quickly(frame.host_pixels(), self._longest)))
            self.pace.encoded(time.thread_time() - began)
        return self._live

    def paced(self) -> Jpeg | None:
        """Return the newest picture, or until `wait` is over the one before, so that viewers share each encoding."""
        if self._live is not None and self.wait() > 0:
            return self._live
        before, live = self._live, self.live()
        if live is not before:
            # With the full period, jitter would drop every second picture of an output at exactly this rate.
            self._due = time.monotonic() + 0.9 * self.pace.period(len(self._wakes))
        return live

    def wait(self) -> float:
        """Return the seconds until another picture may be encoded; 0 or less if it may now."""
        return self._due - time.monotonic()

    def is_newest(self, picture: Jpeg) -> bool:
        """Return False if there is a newer picture than this one."""
        return self._newest is None or picture.version == self._newest[0]

    def still(self) -> Jpeg | None:
        """Return the newest picture at full resolution, or None before the first."""
        if self._newest is None:
            return None
        version, frame = self._newest
        return Jpeg(version, self._encode(frame.host_pixels()))

    def _encode(self, pixels: Pixels) -> bytes:
        self._encoded += 1
        return jpeg(pixels, self._quality)
