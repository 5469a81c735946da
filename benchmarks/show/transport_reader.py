"""Reader of one source, in a process of its own: ``python -m benchmarks.show.transport_reader``."""

import time
from typing import Any

from benchmarks.child_process import answer_requests
from benchmarks.show.plain_zmq import PlainZmqSource
from io_bridges.bridges import Source
from io_bridges.uri import make_source


class TransportReader:
    """A source that is opened once, and read for the seconds of each turn."""

    def __init__(self) -> None:
        self._source: Source | None = None

    def open(self, uri: str, plain: bool = False) -> dict[str, Any]:
        """Open the source. Its writer may start later. `plain` opens an address with pyzmq alone."""
        self._source = PlainZmqSource(uri) if plain else make_source(uri)
        self._source.open()
        return {}

    def turn(self, seconds: float, pause: float = 0.0) -> dict[str, Any]:
        """Read for so long. Return the age of each picture when it is read, the time, and the CPU time.

        Args:
            seconds: Length of the turn.
            pause: Seconds of other work between two reads.
        """
        source = self._source
        if source is None:
            raise RuntimeError("the source is read before it is open")
        ages: list[float] = []
        self._skip_waiting(source)
        begin, processor = time.monotonic(), time.process_time()
        while time.monotonic() - begin < seconds:
            time.sleep(pause)
            frame = source.read(0.05)
            if frame is not None:
                ages.append((time.monotonic_ns() - frame.captured_at) / 1e6)
        return {
            "ages_ms": ages,
            "seconds": time.monotonic() - begin,
            "processor_seconds": time.process_time() - processor,
        }

    def _skip_waiting(self, source: Source) -> None:
        """Read until nothing waits: pictures of an earlier turn do not count."""
        until = time.monotonic() + 0.2
        while source.read(0.0) is not None and time.monotonic() < until:
            pass


def main() -> None:
    """Answer requests until standard input ends."""
    reader = TransportReader()
    answer_requests({"open": reader.open, "turn": reader.turn})


if __name__ == "__main__":
    main()
