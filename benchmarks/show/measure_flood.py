"""Rate and regularity of the output under 5,000 OSC messages per second."""

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

RATE = 5000
PRESET = MODEL | {"mode": "image", "strength": 0.6, "steps": STEPS}
FADER = {"address": "/strength", "low": 0.55, "high": 0.70}
"""Range of strengths with the same number of network calls, so that the turns differ by the messages alone."""
SETTLE = 0.5


@dataclass
class _FloodTurns:
    """Figures of several turns."""

    fps: list[float] = field(default_factory=list)
    tick_interval_p999_ms: list[float] = field(default_factory=list)
    stage_core_percent: list[float] = field(default_factory=list)
    messages: int = 0

    def medians(self) -> Row:
        """Return the median of each figure."""
        return {
            "fps": statistics.median(self.fps),
            "tick_interval_p999_ms": statistics.median(self.tick_interval_p999_ms),
            "stage_core_percent": statistics.median(self.stage_core_percent),
        }


def measure_flood(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure interleaved turns: messages to the show, and the same messages to a port without a reader.

    Both pay for the sender's processor time, which is not the show's.
    """
    flooded, quiet = _FloodTurns(), _FloodTurns()
    with (
        ChildProcess("benchmarks.show.osc_sender", plan.folder) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unread,
        ShowProcess(plan.folder / "flood", PRESET, source="card:?size=256x256&fps=120", fps=120) as show,
    ):
        unread.bind(("127.0.0.1", 0))
        progress("starting a show")
        show.first_frame()
        before = _received_messages(show)
        ports = ((quiet, unread.getsockname()[1]), (flooded, show.osc_port))
        for pair in range(plan.pairs):
            progress(f"with and without {RATE} messages per second, pair {pair + 1} of {plan.pairs}")
            for turns, port in ports if pair % 2 == 0 else reversed(ports):
                _measure_turn(show, sender, port, plan.seconds, turns)
        received = _received_messages(show) - before
    ratio = statistics.median(with_it / without for without, with_it in zip(quiet.fps, flooded.fps, strict=True))
    yield {
        "configuration": f"daemon, {NAME}, strength 0.6, the same messages to a port that nobody reads",
        **quiet.medians(),
    }
    yield {
        "configuration": f"daemon, {NAME}, strength 0.6, with {RATE} OSC messages a second to /strength",
        **flooded.medians(),
        "ratio": ratio,
        "messages_sent": flooded.messages,
        "messages_taken": received,
    }
    yield SpeedTarget("rate under 5,000 OSC messages a second over the rate without", ratio, 0.95)


def _measure_turn(show: ShowProcess, sender: ChildProcess, port: int, seconds: float, turns: _FloodTurns) -> None:
    sender.begin({"do": "flood", "port": port, "rate": RATE, "seconds": seconds + SETTLE, **FADER})
    time.sleep(SETTLE)
    begin, spent_before = time.monotonic_ns(), show.processor_seconds()[0]
    time.sleep(seconds)
    end, spent_after = time.monotonic_ns(), show.processor_seconds()[0]
    turns.messages += sender.finish(seconds + 60)["sent"]
    turns.stage_core_percent.append((spent_after - spent_before) / seconds * 100)
    turns.fps.append(distinct_fps(show.reader.frames, begin, end))
    intervals = tick_intervals_ms(frame for frame in show.reader.since(begin) if frame.at < end)
    turns.tick_interval_p999_ms.append(quantile(intervals, 0.999))


def _received_messages(show: ShowProcess) -> int:
    controls: list[dict[str, Any]] = show.status()["controls"]
    return next(
        int(control["accepted"]) + int(control["superseded"]) for control in controls if control["name"] == "osc"
    )
