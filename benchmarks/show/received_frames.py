"""What came out of a show, and how it is counted: a repeated picture is never a picture a second."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from daemon.shared.clock import NS


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """One message of the ZeroMQ sink, as it came to the bench."""

    at: int
    """When it had been received: nanoseconds on the machine's monotonic clock."""
    tick: int
    index: int
    """Of the rendered picture; below 1 for a slate."""
    source_index: int
    captured_at: int
    revision: int
    stamp: int = 0
    """What an echo wrote into the picture; without an echo, no number that means anything."""

    @property
    def drawn(self) -> bool:
        """True for a picture of a renderer, False for a slate."""
        return self.index > 0


def distinct_frames(arrivals: Iterable[ReceivedFrame]) -> list[ReceivedFrame]:
    """The first arrival of each drawn picture, in order. A held or repeated picture is the same picture."""
    newest = 0
    found = []
    for arrival in arrivals:
        if arrival.index > newest:
            newest = arrival.index
            found.append(arrival)
    return found


def distinct_fps(arrivals: Iterable[ReceivedFrame], begin: int, end: int) -> float:
    """Distinct drawn pictures a second that first came between `begin` and `end` (ns)."""
    return sum(begin <= arrival.at < end for arrival in distinct_frames(arrivals)) * NS / (end - begin)


def intervals_ms(moments: Sequence[int]) -> list[float]:
    """Milliseconds between one moment (ns) and the next."""
    return [(after - before) / 1e6 for before, after in pairwise(moments)]


def quantile(values: Sequence[float], q: float) -> float:
    """The value that a share `q` of them does not exceed: of few values a high quantile is their maximum."""
    ordered = sorted(values)
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """The quantiles that a metronome is judged by."""
    return {
        "p50_ms": quantile(values, 0.5),
        "p99_ms": quantile(values, 0.99),
        "p999_ms": quantile(values, 0.999),
        "longest_ms": max(values),
    }
