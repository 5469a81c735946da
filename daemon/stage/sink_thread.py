"""`SinkThread`: the thread of a sink, which scales the picture of each of its ticks and writes it."""

from fractions import Fraction
from typing import Any

from daemon.shared.clock import Clock
from daemon.shared.mailbox import Mailbox
from daemon.stage.bridge_threads import BridgeThread
from daemon.stage.metrics import Delays
from daemon.stage.tick_picker import TickPicker
from io_bridges.bridges import Sink
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.framing import BETWEEN_BARS, Framing, fit
from io_bridges.scaling import Scaler


class SinkThread(BridgeThread):
    """Writes the frame of each tick that the sink gets, scaled to the size that it was opened with."""

    def __init__(
        self,
        uri: str,
        sink: Sink,
        clock: Clock,
        width: int,
        height: int,
        fps: float,
        picker: TickPicker | None = None,
        number: int = 0,
        framing: Framing = BETWEEN_BARS,
        announces_rate: bool = False,
        scaler: Scaler | None = None,
    ) -> None:
        """
        Args:
            uri: The address as it is shown.
            sink: The sink, not open yet.
            clock: The clock of the show.
            width: Width of its pictures in pixels.
            height: Height of its pictures in pixels.
            fps: Rate of the sink.
            picker: Chooses its ticks if the rate is not that of the output clock.
            number: Number of the sink in the show.
            framing: Fits pictures of another shape.
            announces_rate: True if the sink must be opened again when its rate changes.
            scaler: Scales its pictures.
        """
        super().__init__("sink", uri, clock, budget=5.0)
        self.number = number
        self.delays = Delays()
        self._sink = sink
        self._size = (width, height)
        self._fps = fps
        self._opened_fps = fps
        self._announces_rate = announces_rate
        self._picker = picker
        self._framing = framing
        self._scaler = scaler or Scaler()
        self._newest: Mailbox[tuple[RenderedFrame, Tick]] = Mailbox()
        self._serial = 0
        self._scaled: tuple[RenderedFrame, RenderedFrame] | None = None
        self._measured = -1

    def put(self, value: tuple[RenderedFrame, Tick]) -> None:
        """Take the frame of a tick of the output clock, on the clock's thread. It replaces one that waits."""
        if self._picker is not None:
            tick = self._picker.pick(value[1])
            if tick is None:
                return
            value = (value[0], tick)
        self._newest.put(value)

    @property
    def stopped(self) -> str:
        """Reason why no pictures go out until the sink is opened again; empty while it plays."""
        return self.failure or self.trouble or str(self._sink.status().get("stopped") or "")

    def follow(self, rate: Fraction) -> None:
        """Take note that the output clock has another rate. Any thread may call it."""
        if self._picker is not None:
            self._picker.show_rate = rate
        else:
            self._fps = float(rate)

    def _open(self) -> None:
        self._opened_fps = self._fps
        self._sink.open(*self._size, self._opened_fps)

    def _use(self) -> bool:
        newest, serial = self._newest.wait_newer(self._serial, 0.25)
        if newest is None or serial == self._serial:
            return False
        self._serial = serial
        if self._announces_rate and self._opened_fps != self._fps:
            self._timed(self._close)
            self._timed(self._open)
        frame, tick = newest
        scaled = self._scale(frame)
        self._timed(lambda: self._sink.write(scaled, tick))
        now = self.clock.now()
        self.rate.mark(now)
        # A picture that is held, faded or filled between has left before. Its age is no measure of the delay.
        if frame.captured_at and frame.index != self._measured:
            self._measured = frame.index
            self.delays.mark(now - frame.captured_at, now)
        return True

    def _scale(self, frame: RenderedFrame) -> RenderedFrame:
        picture = frame.host_pixels()
        if (picture.shape[1], picture.shape[0]) == self._size:
            return frame
        if self._scaled is None or self._scaled[0] is not frame:  # a held picture is scaled once
            sized = fit(picture, *self._size, self._framing, resize=self._scaler.scale)
            copy = RenderedFrame(sized, frame.index, frame.source_index, frame.captured_at, frame.revision)
            self._scaled = (frame, copy)
        return self._scaled[1]

    def _close(self) -> None:
        self._sink.close()

    def status(self) -> dict[str, Any]:
        """Return the counters of the thread and the sink.

        The latency is the time from the capture of a frame until its picture was written, of the last seconds.
        """
        delays = self.delays.median_and_p99(self.clock.now())
        latency, p99 = (round(each * 1000, 1) for each in delays) if delays else (None, None)
        own = {
            "number": self.number,
            "size": f"{self._size[0]}x{self._size[1]}",
            "rate": round(self._fps, 3),
            "latency_ms": latency,
            "latency_p99_ms": p99,
        }
        return super().status() | own | self._sink.status()
