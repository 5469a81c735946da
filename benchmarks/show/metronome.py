"""Bare metronome, ``python -m benchmarks.show.metronome``: the best regularity a Python process has on this machine."""

import threading
from typing import Any

from benchmarks.child_process import answer_requests
from benchmarks.show.received_frames import interval_quantiles, intervals_ms
from daemon.shared.clock import NS, SystemClock


class Metronome:
    """A thread that sleeps until absolute deadlines on `SystemClock`, as the output clock does."""

    def __init__(self) -> None:
        self._ticks: list[int] = []
        self._stopping = threading.Event()

    def start(self, fps: float) -> dict[str, Any]:
        """Start ticking."""
        self._thread = threading.Thread(target=self._run, args=(round(NS / fps),), daemon=True)
        self._thread.start()
        return {}

    def stop(self) -> dict[str, Any]:
        """Stop, and return the quantiles of the intervals."""
        self._stopping.set()
        self._thread.join()
        return {"ticks": len(self._ticks), **interval_quantiles(intervals_ms(self._ticks))}

    def _run(self, period: int) -> None:
        clock = SystemClock()
        due = clock.now()
        while not self._stopping.is_set() or len(self._ticks) < 2:
            clock.sleep_until(due)
            self._ticks.append(clock.now())
            due += period


def main() -> None:
    """Answer requests until standard input ends."""
    metronome = Metronome()
    answer_requests({"start": metronome.start, "stop": metronome.stop})


if __name__ == "__main__":
    main()
