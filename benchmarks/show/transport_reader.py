"""Reader of one source, in a process of its own: ``python -m benchmarks.show.transport_reader``."""

import time
from typing import Any

from benchmarks.child_process import answer_requests
from io_bridges.bridges import Source
from io_bridges.uri import make_source


class TransportReader:
    """A source that is opened once, and read for the seconds of each turn."""

    def __init__(self) -> None:
        self._source: Source | None = None

    def open(self, uri: str) -> dict[str, Any]:
        """Open the source. Its writer may start later."""
        self._source = make_source(uri)
        self._source.open()
        return {}

    def turn(self, seconds: float) -> dict[str, Any]:
        """Read for so long. Return the delay of each picture from its stamp to here, the time, and the CPU time."""
        source = self._source
        if source is None:
            raise RuntimeError("the source is read before it is open")
        delays: list[float] = []
        while source.read(0.0) is not None:  # Nothing of an earlier turn counts.
            pass
        begin, processor = time.monotonic(), time.process_time()
        while time.monotonic() - begin < seconds:
            frame = source.read(0.05)
            if frame is not None:
                delays.append((time.monotonic_ns() - frame.captured_at) / 1e6)
        return {
            "delays_ms": delays,
            "seconds": time.monotonic() - begin,
            "processor_seconds": time.process_time() - processor,
        }


def main() -> None:
    """Answer requests until standard input ends."""
    reader = TransportReader()
    answer_requests({"open": reader.open, "turn": reader.turn})


if __name__ == "__main__":
    main()
