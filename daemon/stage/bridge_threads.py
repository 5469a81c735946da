"""Threads of bridges: one for the source, one for each sink. A bridge that fails is opened again.

Nothing can interrupt a native call. A bridge whose call exceeds its time budget is abandoned with its thread, counted,
and replaced by a new one, as is a thread that crashed. `trouble` reports both; `BridgeSet` does the rest.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from daemon.shared.clock import NS, Clock
from daemon.shared.mailbox import Mailbox
from daemon.stage.metrics import Rate
from io_bridges import pixels
from io_bridges.bridges import Sink, Source
from io_bridges.frames import Frame, RenderedFrame, Tick
from presets.errors import BridgeError

log = logging.getLogger("stage.bridges")

FIRST_BACK_OFF = 0.5
"""Seconds before the first new attempt to open a bridge. Each further wait is twice as long."""

LONGEST_BACK_OFF = 5.0
"""Longest wait between two attempts, in seconds."""


class BridgeThread(threading.Thread, ABC):
    """Life of a bridge: open it, use it until it is stopped or fails, close it, wait, open it again."""

    def __init__(self, name: str, uri: str, clock: Clock, budget: float) -> None:
        super().__init__(name=f"{name} {uri}", daemon=True)
        self.uri = uri
        self.clock = clock
        self.failures = 0
        self.failure = ""
        self.is_open = False
        self.rate = Rate()
        self._budget = round(budget * NS)
        self._called_at: int | None = None
        self._stopping = threading.Event()
        self._tried = threading.Event()
        self._first_failure: BridgeError | None = None

    def wait_until_open(self, timeout: float) -> None:
        """Wait for the first attempt to open, and raise its error. A bridge that takes longer may open later."""
        self._tried.wait(timeout)
        if self._first_failure is not None:
            self.stop()
            raise self._first_failure

    def stop(self) -> None:
        """Make the thread end after its current call."""
        self._stopping.set()

    @property
    def trouble(self) -> str:
        """Reason why the thread must be replaced; empty if it is well."""
        called_at = self._called_at
        if called_at is not None and self.clock.now() - called_at > self._budget:
            return "a call into it does not return"
        if self.ident is not None and not self.is_alive() and not self._stopping.is_set():
            return "its thread crashed"
        return ""

    def status(self) -> dict[str, Any]:
        """Return address, rate, counters and the last failure, ready for JSON."""
        return {
            "uri": self.uri,
            "open": self.is_open,
            "fps": round(self.rate.per_second(self.clock.now()), 2),
            "pictures": self.rate.total,
            "failures": self.failures,
            "failure": self.failure,
        }

    def run(self) -> None:
        """Open, use and close the bridge until stopped."""
        back_off, logged = FIRST_BACK_OFF, ""
        while not self._stopping.is_set():
            try:
                self._timed(self._open)
                self.is_open = True
                self.failure = ""
                self._tried.set()
                while not self._stopping.is_set():
                    if self._use():
                        back_off, logged = FIRST_BACK_OFF, ""
            except BridgeError as error:
                self.failures += 1
                self.failure = str(error)
                if not self._tried.is_set():
                    # `wait_until_open` raises it. If nobody waits any more, the next attempt is logged below.
                    self._first_failure = error
                    self._tried.set()
                elif self.failure != logged:
                    log.warning("%s: %s", self.uri, error)
                    logged = self.failure
            finally:
                self.is_open = False
                self._timed(self._close)
            self._stopping.wait(back_off)
            back_off = min(back_off * 2, LONGEST_BACK_OFF)

    def _timed(self, call: Callable[[], Any]) -> Any:
        self._called_at = self.clock.now()
        try:
            return call()
        finally:
            self._called_at = None

    @abstractmethod
    def _open(self) -> None:
        """Open the bridge."""

    @abstractmethod
    def _use(self) -> bool:
        """Read or write one frame. Return False if there was none."""

    @abstractmethod
    def _close(self) -> None:
        """Close the bridge."""


class SourceThread(BridgeThread):
    """Reads frames, fits them to the size that the renderer last asked for, and keeps the newest."""

    def __init__(
        self, uri: str, source: Source, clock: Clock, newest: Mailbox[Frame], size: Callable[[], tuple[int, int]]
    ):
        super().__init__("source", uri, clock, budget=5.0)
        self._source = source
        self._newest = newest
        self._size = size
        self._index = 0

    def _open(self) -> None:
        self._source.open()

    def _use(self) -> bool:
        frame = self._timed(lambda: self._source.read(0.25))
        if frame is None:
            return False
        self._newest.put(fitted(frame, *self._size()))
        self.rate.mark(self.clock.now())
        return True

    def _close(self) -> None:
        self._source.close()

    def status(self) -> dict[str, Any]:
        """Return the counters of the thread and the source.

        `status` is a sentence for the performer. `silent_s` is 0 unless frames stopped coming: then it is the seconds
        since the newest.
        """
        own, source = super().status(), self._source.status()
        silence = self.rate.silence(self.clock.now())
        return own | source | {"status": self._sentence(source, silence), "silent_s": round(silence)}

    def _sentence(self, source: Mapping[str, Any], silence: float) -> str:
        if self.failure:
            return self.failure
        if source.get("source") == "none":
            return "no source"
        if source.get("ended"):
            return "the clip has ended; holding its last picture"
        note = str(source.get("note") or "")
        if silence:
            reason = f"; {note}" if note else ""
            return f"no frames for {silence:.0f} s; holding the last picture{reason}"
        return "receiving" if self.rate.total else note or "no frames yet"


class SinkThread(BridgeThread):
    """Writes the frame of each tick, scaled to the size that the sink was opened with."""

    def __init__(self, uri: str, sink: Sink, clock: Clock, width: int, height: int, fps: float) -> None:
        super().__init__("sink", uri, clock, budget=5.0)
        self._sink = sink
        self._size = (width, height)
        self._fps = fps
        self.newest: Mailbox[tuple[RenderedFrame, Tick]] = Mailbox()
        self._serial = 0
        self._scaled: tuple[RenderedFrame, RenderedFrame] | None = None

    def _open(self) -> None:
        self._sink.open(*self._size, self._fps)

    def _use(self) -> bool:
        newest, serial = self.newest.wait_newer(self._serial, 0.25)
        if newest is None or serial == self._serial:
            return False
        self._serial = serial
        frame, tick = newest
        scaled = self._scale(frame)
        self._timed(lambda: self._sink.write(scaled, tick))
        self.rate.mark(self.clock.now())
        return True

    def _scale(self, frame: RenderedFrame) -> RenderedFrame:
        picture = frame.host_pixels()
        if (picture.shape[1], picture.shape[0]) == self._size:
            return frame
        if self._scaled is None or self._scaled[0] is not frame:  # a held picture is scaled once
            sized = pixels.scale(picture, *self._size)
            copy = RenderedFrame(sized, frame.index, frame.source_index, frame.captured_at, frame.revision)
            self._scaled = (frame, copy)
        return self._scaled[1]

    def _close(self) -> None:
        self._sink.close()

    def status(self) -> dict[str, Any]:
        return super().status() | self._sink.status()


def fitted(frame: Frame, width: int, height: int) -> Frame:
    """Return the frame as RGB at this size, filled; the same object if it has this size already."""
    if frame.pixels.shape == (height, width, 3):
        return frame
    return Frame(pixels.fit(frame.pixels, width, height), frame.index, frame.captured_at)
