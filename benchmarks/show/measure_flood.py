"""Rate and regularity of the output under floods of OSC messages, and how many of them are taken and lost."""

import socket
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, Row, SpeedTarget
from benchmarks.show.received_frames import distinct_fps, quantile, tick_intervals_ms
from benchmarks.show.show_process import ShowProcess
from benchmarks.stream.measure_pipeline import MODEL, NAME, STEPS
from daemon.shared.clock import NS

RATE = 5000
"""Messages a second for which there is a target."""
HIGHER_RATES = (10_000, 50_000)
FPS = 120.0
"""Ticks of the output a second."""
PRESET = MODEL | {"mode": "image", "strength": 0.6, "steps": STEPS}
FADER = {"address": "/strength", "low": 0.55, "high": 0.70}
"""Range of strengths with the same number of network calls, so that the turns differ by the messages alone."""
SETTLE = 0.5
DRAINED = 0.3
"""Seconds after which the show has read what waited."""


@dataclass
class _FloodTurns:
    """Figures of several turns at one rate."""

    rate: int
    fps: list[float] = field(default_factory=list)
    ticks_per_second: list[float] = field(default_factory=list)
    tick_interval_p999_ms: list[float] = field(default_factory=list)
    stage_core_percent: list[float] = field(default_factory=list)
    messages: int = 0

    def medians(self) -> Row:
        """Return the median of each figure."""
        return {
            "fps": statistics.median(self.fps),
            "ticks_per_second": statistics.median(self.ticks_per_second),
            "tick_interval_p999_ms": statistics.median(self.tick_interval_p999_ms),
            "stage_core_percent": statistics.median(self.stage_core_percent),
        }


def measure_flood(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure interleaved turns: messages to the show, and the same messages to a port without a reader.

    Both pay for the sender's processor time, which is not the show's.
    """
    with (
        ChildProcess("benchmarks.show.osc_sender", plan.folder) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unread,
        ShowProcess(plan.folder / "flood", PRESET, source="card:?size=256x256&fps=120", fps=FPS) as show,
    ):
        unread.bind(("127.0.0.1", 0))
        progress("starting a show")
        show.first_frame()
        for rate in (RATE, *HIGHER_RATES):
            pairs = plan.pairs if rate == RATE else max(plan.pairs // 2, 1)
            yield from _measure_rate(plan, progress, show, sender, unread.getsockname()[1], rate, pairs)


def _measure_rate(
    plan: BenchPlan,
    progress: Progress,
    show: ShowProcess,
    sender: ChildProcess,
    unread_port: int,
    rate: int,
    pairs: int,
) -> Iterator[Finding]:
    """Measure pairs of turns at one rate."""
    flooded, quiet = _FloodTurns(rate), _FloodTurns(rate)
    ports = ((quiet, unread_port), (flooded, show.osc_port))
    taken_before, lost_before = _counted(show)
    for pair in range(pairs):
        progress(f"with and without {rate} messages per second, pair {pair + 1} of {pairs}")
        for turns, port in ports if pair % 2 == 0 else reversed(ports):
            _measure_turn(show, sender, port, plan.seconds, turns)
    time.sleep(DRAINED)
    taken, lost = _counted(show)
    ratio = statistics.median(with_it / without for without, with_it in zip(quiet.fps, flooded.fps, strict=True))
    yield {
        "configuration": f"daemon, {NAME}, strength 0.6, {rate} messages a second to a port that nobody reads",
        **quiet.medians(),
    }
    yield {
        "configuration": f"daemon, {NAME}, strength 0.6, with {rate} OSC messages a second to /strength",
        **flooded.medians(),
        "ratio": ratio,
        "messages_sent": flooded.messages,
        "messages_taken": taken - taken_before,
        "messages_lost": None if lost is None or lost_before is None else lost - lost_before,
    }
    if rate == HIGHER_RATES[-1]:
        pace = zip(quiet.ticks_per_second, flooded.ticks_per_second, strict=True)
        ticks = statistics.median(with_it / without for without, with_it in pace)
        yield SpeedTarget("ticks under 50,000 OSC messages a second over ticks without", ticks, 0.99)
    if rate == RATE:
        yield SpeedTarget("rate under 5,000 OSC messages a second over the rate without", ratio, 0.95)


def _measure_turn(show: ShowProcess, sender: ChildProcess, port: int, seconds: float, turns: _FloodTurns) -> None:
    sender.begin({"do": "flood", "port": port, "rate": turns.rate, "seconds": seconds + SETTLE, **FADER})
    time.sleep(SETTLE)
    begin, spent_before = time.monotonic_ns(), show.processor_seconds()[0]
    time.sleep(seconds)
    end, spent_after = time.monotonic_ns(), show.processor_seconds()[0]
    turns.messages += sender.finish(seconds + 60)["sent"]
    turns.stage_core_percent.append((spent_after - spent_before) / seconds * 100)
    turns.fps.append(distinct_fps(show.reader.frames, begin, end))
    received = [frame for frame in show.reader.since(begin) if frame.at < end]
    turns.tick_interval_p999_ms.append(quantile(tick_intervals_ms(received), 0.999))
    turns.ticks_per_second.append((received[-1].tick - received[0].tick) / ((received[-1].at - received[0].at) / NS))


def _counted(show: ShowProcess) -> tuple[int, int | None]:
    """Return how many messages were taken, and how many datagrams the system dropped as far as it tells."""
    controls: list[dict[str, Any]] = show.status()["controls"]
    osc = next(control for control in controls if control["name"] == "osc")
    return int(osc["accepted"]) + int(osc["superseded"]), osc["lost"]
