"""Frames received from a show, and the figures made of them. A repeated frame never counts twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.report.findings import NotMeasured
from daemon.shared.clock import NS


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """One message of the show's ZeroMQ sink."""

    at: int
    """Time of receipt: nanoseconds on the machine's monotonic clock."""
    tick: int
    index: int
    """Index of the rendered frame. It is below 1 for a slate."""
    source_index: int
    captured_at: int
    revision: int
    stamp: int = 0
    """Time that the echo renderer wrote into the pixels. Without an echo renderer the value means nothing."""
    is_lit: bool = True
    """False for a black frame, by a sample of its pixels."""

    @property
    def rendered(self) -> bool:
        """True for a frame of a renderer, False for a slate."""
        return self.index > 0


def distinct_frames(received: Iterable[ReceivedFrame]) -> list[ReceivedFrame]:
    """Return the first receipt of each rendered frame, in order. Held and repeated frames are left out."""
    newest = 0
    found = []
    for frame in received:
        if frame.index > newest:
            newest = frame.index
            found.append(frame)
    return found


def distinct_fps(received: Iterable[ReceivedFrame], begin: int, end: int) -> float:
    """Return the rate of distinct rendered frames that were first received from `begin` up to `end` (ns)."""
    return sum(begin <= frame.at < end for frame in distinct_frames(received)) * NS / (end - begin)


def intervals_ms(times: Sequence[int]) -> list[float]:
    """Return the milliseconds between consecutive times (ns)."""
    return [(after - before) / 1e6 for before, after in pairwise(times)]


def tick_intervals_ms(received: Iterable[ReceivedFrame]) -> list[float]:
    """Return the milliseconds between consecutive receipts, repeated frames and slates included.

    Raises:
        NotMeasured: fewer than two frames were received.
    """
    intervals = intervals_ms([frame.at for frame in received])
    if not intervals:
        raise NotMeasured("the output of the show stopped")
    return intervals


def quantile(values: Sequence[float], q: float) -> float:
    """Return the value that a share `q` of the values stays below. A high quantile of few values is their maximum."""
    ordered = sorted(values)
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)]


def interval_quantiles(values: Sequence[float]) -> dict[str, float]:
    """Return the quantiles of intervals in milliseconds, as a row has them."""
    return {
        "p50_ms": quantile(values, 0.5),
        "p99_ms": quantile(values, 0.99),
        "p999_ms": quantile(values, 0.999),
        "longest_ms": max(values),
    }
