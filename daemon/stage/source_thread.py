"""`SourceThread`: the thread of a source, which hands its frames on while it is on air."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from daemon.shared.clock import Clock
from daemon.stage.bridge_threads import BridgeThread
from daemon.stage.newest_frame import NewestFrame
from io_bridges.bridges import Source
from io_bridges.frames import Frame
from io_bridges.framing import FILL, Framing, fit

READ_SECONDS = 0.04
"""Longest wait for a frame. The last frame is fitted again so often while a fader moves."""


class Fitting(NamedTuple):
    """Size that frames get, and what is shown of them."""

    width: int
    height: int
    framing: Framing = FILL
    keep_alpha: bool = False
    """True for a layer over another source: transparent pixels stay transparent."""


class SourceThread(BridgeThread):
    """Reads frames, fits them to the size that the renderer last asked for, and hands on the newest."""

    def __init__(
        self,
        uri: str,
        source: Source,
        clock: Clock,
        newest: NewestFrame,
        fitting: Callable[[], Fitting],
        on_air: bool = True,
    ) -> None:
        """Write frames to `newest` while the source is on air. Before that, only the newest frame is kept.

        `fitting` returns the present size and framing. When it changes, the last frame is fitted again.
        """
        super().__init__("source", uri, clock, budget=5.0)
        self._source = source
        self._newest = newest
        self._fitting = fitting
        self._last: tuple[Frame, Fitting] | None = None
        self._fitted: Frame | None = None
        """The last frame as it was handed on."""
        self._gate = threading.Lock()
        self._is_on_air = on_air
        self._held: Frame | None = None

    @property
    def is_empty(self) -> bool:
        """True for a source that never gives a frame: ``none:``."""
        return self._source.status().get("source") == "none"

    def go_on_air(self) -> None:
        """Write the newest frame and all that follow. A source without frames clears the last one."""
        with self._gate:
            self._is_on_air = True
            self._newest.expect(nothing=self.is_empty)
            if self._held is not None:
                self._newest.put(self._held)
            self._held = None

    def leave_air(self) -> None:
        """Hand on no more frames."""
        with self._gate:
            self._is_on_air = False

    def _open(self) -> None:
        self._source.open()

    def _use(self) -> bool:
        frame = self._timed(lambda: self._source.read(READ_SECONDS))
        fitting = self._fitting()
        if frame is not None:
            self._hand_on(self._fit(frame, fitting), self._newest.put)
            self.rate.mark(self.clock.now())
        elif self._last is not None and self._last[1] != fitting:
            # Its capture is long ago and no measure of the delay.
            frame = replace(self._last[0], captured_at=0)
            self._hand_on(self._fit(frame, fitting), self._newest.replace)
        else:
            return False
        self._last = frame, fitting
        return True

    def _fit(self, frame: Frame, fitting: Fitting) -> Frame:
        """Return the frame as it is handed on. A still picture, which comes again and again, is fitted once."""
        last, before = self._last, self._fitted
        if last is not None and before is not None and last[0].pixels is frame.pixels and last[1] == fitting:
            self._fitted = Frame(before.pixels, frame.index, frame.captured_at)
        else:
            self._fitted = fitted(frame, *fitting)
        return self._fitted

    def _hand_on(self, frame: Frame, put: Callable[[Frame], None]) -> None:
        with self._gate:
            if self._is_on_air:
                put(frame)
            else:
                self._held = frame

    def _close(self) -> None:
        self._source.close()

    def status(self) -> dict[str, Any]:
        """Return the counters of the thread and the source.

        `status` is a sentence for the performer. `silent_s` is 0 unless frames stopped coming: then it is the seconds
        since the newest, and `meanwhile` is what is on air.
        """
        own, source = super().status(), self._source.status()
        silence, meanwhile = self._newest.interruption(), self._newest.meanwhile
        sentence = own["failure"] or self._sentence(source, silence, meanwhile)
        return own | source | {"status": sentence, "silent_s": round(silence), "meanwhile": meanwhile}

    def _sentence(self, source: Mapping[str, Any], silence: float, meanwhile: str) -> str:
        if source.get("source") == "none":
            return "no source"
        if source.get("ended"):
            return f"the clip has ended; {meanwhile}"
        note = str(source.get("note") or "")
        if silence:
            reason = f"; {note}" if note else ""
            return f"no frames for {silence:.0f} s; {meanwhile}{reason}"
        return "receiving" if self.rate.total else note or "no frames yet"


def fitted(frame: Frame, width: int, height: int, framing: Framing = FILL, keep_alpha: bool = False) -> Frame:
    """Return the frame at this size, as RGB or as `io_bridges.framing.fit` keeps alpha.

    It is the same object if it is RGB of this size already.
    """
    if frame.pixels.shape == (height, width, 3) and framing == FILL:
        return frame
    return Frame(fit(frame.pixels, width, height, framing, keep_alpha), frame.index, frame.captured_at)
