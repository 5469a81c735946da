"""Rate and delay of pictures between two processes: shared memory against ZeroMQ over tcp, 1280×720 RGB.

Each sink is written by the bench, each source is read by a process of its own, as in a show. Turns are interleaved: as
many pictures as go through, then 60 pictures a second. Only ratios of one run tell.
"""

import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget
from benchmarks.show.received_frames import quantile
from benchmarks.show.show_process import free_port
from io_bridges.bridges import Sink
from io_bridges.card import draw_card
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.uri import make_sink

WIDTH, HEIGHT = 1280, 720
PACED_FPS = 60.0
SHARED, TCP = "shared memory", "ZeroMQ over tcp"


class TransportWriter(threading.Thread):
    """Writes cards into a sink at a rate, or as fast as it takes them, until it is stopped."""

    def __init__(self, sink: Sink, fps: float | None) -> None:
        """`fps` is None for no pause between two pictures."""
        super().__init__(name="transport writer", daemon=True)
        self._sink = sink
        self._period = 1 / fps if fps else 0.0
        self._stopping = threading.Event()
        self._cards = [draw_card(index, WIDTH, HEIGHT) for index in range(4)]
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


def measure_transport(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure both transports in interleaved turns."""
    port = free_port()
    ends = {
        SHARED: (f"shm:bench{os.getpid()}", f"shm:bench{os.getpid()}"),
        TCP: (f"zmq:tcp://127.0.0.1:{port}", f"zmq+connect:tcp://127.0.0.1:{port}"),
    }
    turns: dict[tuple[str, float | None], list[Row]] = {(name, fps): [] for name in ends for fps in (None, PACED_FPS)}
    with ExitStack() as stack:
        sinks, readers = {}, {}
        for name, (out, into) in ends.items():
            sinks[name] = make_sink(out)
            sinks[name].open(WIDTH, HEIGHT, PACED_FPS)
            stack.callback(sinks[name].close)
            readers[name] = stack.enter_context(ChildProcess("benchmarks.show.transport_reader", plan.folder))
            readers[name].ask({"do": "open", "uri": into}, 60.0)
            _turn(sinks[name], readers[name], None, 1.0)  # The reader finds its writer.
        for pair in range(plan.pairs):
            for fps in (None, PACED_FPS):
                progress(f"turn {pair + 1} of {plan.pairs}, {f'{fps:.0f} pictures a second' if fps else 'full rate'}")
                for name in (SHARED, TCP) if pair % 2 == 0 else (TCP, SHARED):
                    turns[name, fps].append(_turn(sinks[name], readers[name], fps, plan.seconds))
    for (name, fps), measured in turns.items():
        yield _row(name, fps, measured)
    ratio = statistics.median(
        shared["fps"] / tcp["fps"] for shared, tcp in zip(turns[SHARED, None], turns[TCP, None], strict=True)
    )
    delay = statistics.median(
        shared["delay_ms"] / tcp["delay_ms"]
        for shared, tcp in zip(turns[SHARED, PACED_FPS], turns[TCP, PACED_FPS], strict=True)
    )
    yield SpeedTarget("shared memory against ZeroMQ over tcp, pictures a second", ratio, 1.0)
    yield SpeedTarget("shared memory against ZeroMQ over tcp, median delay at 60/s", delay, 1.0, at_least=False)


def _turn(sink: Sink, reader: ChildProcess, fps: float | None, seconds: float) -> Row:
    writer = TransportWriter(sink, fps)
    writer.start()
    try:
        answer = reader.ask({"do": "turn", "seconds": seconds}, seconds + 60.0)
    finally:
        writer.stop()
    delays = answer["delays_ms"]
    if not delays:
        raise NotMeasured("no picture came through")
    return {
        "fps": len(delays) / answer["seconds"],
        "delay_ms": statistics.median(delays),
        "delay_p99_ms": quantile(delays, 0.99),
        "pictures": len(delays),
        "processor": answer["processor_seconds"] / answer["seconds"],
    }


def _row(name: str, fps: float | None, turns: list[Row]) -> Row:
    def median(key: str) -> Any:
        return statistics.median(turn[key] for turn in turns)

    rate = f"{fps:.0f} pictures a second" if fps else "as many as go through"
    return {
        "configuration": f"{name}, {WIDTH}x{HEIGHT} RGB, {rate}",
        "fps": median("fps"),
        "delay_ms": median("delay_ms"),
        "delay_p99_ms": median("delay_p99_ms"),
        "reader_processor_percent": 100 * median("processor"),
        "pictures": int(np.sum([turn["pictures"] for turn in turns])),
    }
