"""`SoakObserver`: the figures of a show's output over hours, from every frame at a sink, in bounded memory."""

import statistics
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.show.received_frames import ReceivedFrame
from daemon.shared.clock import NS

MOST_READINGS = 2000
"""Readings of the memory that are kept. Of more, every second one is dropped."""


class StageMemory(NamedTuple):
    """Resident memory of the stage."""

    hours: float
    mib: float


@dataclass
class FaultWindow:
    """Output of a show around one fault."""

    fault: str
    began: int
    """Time of the fault: ns on the monotonic clock."""
    longest_gap_ms: float = 0.0
    new_picture_after_s: float | None = None
    """Seconds to the first new picture after the longest time without one; None if none has come."""
    black: int = 0
    slates: int = 0
    note: str = ""
    is_over: bool = False
    """True once the next fault is due."""
    _newest: int = field(default=0, repr=False)
    _quiet_since: int = field(default=0, repr=False)
    _longest_quiet: int = field(default=0, repr=False)

    def add(self, frame: ReceivedFrame, gap: int) -> None:
        """Take a frame, and the ns since the one before."""
        self.longest_gap_ms = max(self.longest_gap_ms, gap / 1e6)
        self.black += not frame.is_lit
        self.slates += not frame.rendered
        if frame.index > self._newest:
            quiet = frame.at - max(self._quiet_since, self.began)
            if quiet >= self._longest_quiet:
                self._longest_quiet, self.new_picture_after_s = quiet, (frame.at - self.began) / NS
            self._newest, self._quiet_since = frame.index, frame.at


class SoakObserver:
    """Takes frames in their order, and readings of the memory."""

    def __init__(self, fps: float) -> None:
        """`fps` is the rate of the output."""
        self.frames = 0
        self.pictures = 0
        self.black = 0
        self.ticks_lost = 0
        """Numbers of ticks that the sink left out."""
        self.longest_gap_ms = 0.0
        self.windows: list[FaultWindow] = []
        self.memory: list[StageMemory] = []
        self._fps = fps
        self._began = time.monotonic_ns()
        self._first: ReceivedFrame | None = None
        self._last: ReceivedFrame | None = None
        self._newest = 0
        self._every = 1
        self._readings = 0

    def begin_fault(self, fault: str) -> FaultWindow:
        """Begin the window of a fault, which is now. The one before ends."""
        window = FaultWindow(fault, time.monotonic_ns(), _newest=self._newest)
        self.windows.append(window)
        return window

    def add(self, frames: list[ReceivedFrame]) -> None:
        """Take the frames that have come since the last call."""
        for frame in frames:
            last, self._last = self._last, frame
            self.frames += 1
            self.black += not frame.is_lit
            self.pictures += frame.index > self._newest
            self._newest = max(self._newest, frame.index)
            if last is None:
                self._first = frame
                continue
            gap = frame.at - last.at
            self.longest_gap_ms = max(self.longest_gap_ms, gap / 1e6)
            self.ticks_lost += max(frame.tick - last.tick - 1, 0)
            if self.windows and frame.at >= self.windows[-1].began:
                self.windows[-1].add(frame, gap)

    def read_memory(self, mib: float) -> None:
        """Keep a reading of the stage's memory of now."""
        self._readings += 1
        if self._readings % self._every == 0:
            self.memory.append(StageMemory((time.monotonic_ns() - self._began) / NS / 3600, mib))
        if len(self.memory) > MOST_READINGS:
            self.memory, self._every = self.memory[::2], 2 * self._every

    @property
    def memory_slope(self) -> float:
        """Growth of the stage's memory in MiB an hour, by a line through the last two thirds; caches fill before."""
        settled = self.memory[len(self.memory) // 3 :]
        if len(settled) < 2 or settled[-1].hours <= settled[0].hours:
            return 0.0
        line = statistics.linear_regression([each.hours for each in settled], [each.mib for each in settled])
        return line.slope

    def drift_ms(self, missed_ticks: int) -> float:
        """Return the time of the last tick at the sink less that by the rate, in ms; above 0 the output is late.

        `missed_ticks` is the number that the output clock left out and did not count.
        """
        if self._first is None or self._last is None:
            return 0.0
        due = (self._last.tick - self._first.tick + missed_ticks) * 1000 / self._fps
        return (self._last.at - self._first.at) / 1e6 - due
