"""A bare metronome, ``python -m benchmarks.show.metronome``: what this machine lets any Python process keep time to."""

import threading
from typing import Any

from benchmarks.child_process import answer_requests
from benchmarks.show.received_frames import intervals_ms, spread
from daemon.shared.clock import NS, SystemClock


class Metronome:
    """Wakes at absolute deadlines with `SystemClock`, as the output clock does, and does nothing else."""

    def __init__(self) -> None:
        self._moments: list[int] = []
        self._stopping = threading.Event()

    def start(self, fps: float) -> dict[str, Any]:
        """Begin to beat."""
        self._thread = threading.Thread(target=self._beat, args=(round(NS / fps),), daemon=True)
        self._thread.start()
        return {}

    def stop(self) -> dict[str, Any]:
        """End, and tell the intervals' quantiles."""
        self._stopping.set()
        self._thread.join()
        return {"ticks": len(self._moments), **spread(intervals_ms(self._moments))}

    def _beat(self, period: int) -> None:
        clock = SystemClock()
        due = clock.now()
        while not self._stopping.is_set() or len(self._moments) < 2:
            clock.sleep_until(due)
            self._moments.append(clock.now())
            due += period


def main() -> None:
    """Answer until the bench is gone."""
    metronome = Metronome()
    answer_requests({"start": metronome.start, "stop": metronome.stop})


if __name__ == "__main__":
    main()
