"""Both ends of a transport: a sink in this process, and a reader of the source in another one."""

import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.child_process import ChildProcess
from benchmarks.report.findings import NotMeasured, Row
from benchmarks.show.plain_zmq import PlainZmqSink
from benchmarks.show.received_frames import quantile
from benchmarks.show.show_process import free_port
from io_bridges.bridges import Sink
from io_bridges.card import draw_card
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.uri import make_sink

SHARED, TCP, PLAIN, NDI = "shared memory", "ZeroMQ over tcp", "pyzmq alone over tcp", "NDI"


class Load(NamedTuple):
    """The work of a turn."""

    fps: float | None
    """Pictures a second, or None for as many as the sink takes."""
    pause: float = 0.0
    """Seconds between two reads."""


class TransportWriter(threading.Thread):
    """Writes cards into a sink at a rate, or as fast as it takes them, until it is stopped."""

    def __init__(self, sink: Sink, size: tuple[int, int], fps: float | None) -> None:
        """`fps` is None for no pause between two pictures."""
        super().__init__(name="transport writer", daemon=True)
        self._sink = sink
        self._period = 1 / fps if fps else 0.0
        self._stopping = threading.Event()
        self._cards = [draw_card(index, *size) for index in range(4)]
        self.written = 0

    def run(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            if self._period:
                due += self._period
                time.sleep(max(0.0, due - time.monotonic()))
            card = self._cards[self.written % len(self._cards)]
            frame = RenderedFrame(card, self.written, self.written, time.monotonic_ns(), 0)
            self._sink.write(frame, Tick(self.written, 0, repeated=False))
            self.written += 1

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self.join()


class TransportEnds:
    """One transport, open at both ends."""

    def __init__(self, name: str, size: tuple[int, int], sink: Sink, reader: ChildProcess) -> None:
        self.name = name
        self.size = size
        self._sink = sink
        self._reader = reader

    def turn(self, load: Load, seconds: float) -> Row:
        """Write and read for so long. Return the rate and the ages of the pictures when they are read."""
        writer = TransportWriter(self._sink, self.size, load.fps)
        writer.start()
        try:
            request = {"do": "turn", "seconds": seconds, "pause": load.pause}
            answer = self._reader.ask(request, seconds + 60.0)
        finally:
            writer.stop()
        ages = answer["ages_ms"]
        if not ages:
            raise NotMeasured(f"{self.name}: no picture came through")
        return {
            "fps": len(ages) / answer["seconds"],
            "age_ms": statistics.median(ages),
            "age_p99_ms": quantile(ages, 0.99),
            "pictures": len(ages),
            "processor": answer["processor_seconds"] / answer["seconds"],
        }


@contextmanager
def open_ends(name: str, size: tuple[int, int], folder: Path) -> Iterator[TransportEnds]:
    """Open both ends of a transport, and wait until the reader has found its writer.

    Raises:
        NotMeasured: no picture came through.
        BridgeError: the transport can't run here.
    """
    port = free_port()
    memory = f"shm:bench{os.getpid()}-{size[1]}"
    sender = f"ndi:Bench {os.getpid()}-{size[1]}"
    out, into = {
        SHARED: (memory, memory),
        TCP: (f"zmq:tcp://127.0.0.1:{port}", f"zmq+connect:tcp://127.0.0.1:{port}"),
        PLAIN: (f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{port}"),
        NDI: (sender, sender),
    }[name]
    with ExitStack() as stack:
        sink: Sink = PlainZmqSink(out) if name == PLAIN else make_sink(out)
        sink.open(*size, 60.0)
        stack.callback(sink.close)
        reader = stack.enter_context(ChildProcess("benchmarks.show.transport_reader", folder))
        reader.ask({"do": "open", "uri": into, "plain": name == PLAIN}, 60.0)
        ends = TransportEnds(name, size, sink, reader)
        ends.turn(Load(30.0), 5.0 if name == NDI else 1.0)
        yield ends
