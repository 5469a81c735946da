"""Delay that the stage adds to a frame, with the echo renderer in place of the network.

The same 512×512 frames go to a show and to `frame_relay`, a process with two bare ZeroMQ hops. The difference is
charged to the stage, at each side of the renderer:

* source to renderer: from the sender's stamp to the stamp that the echo renderer writes on admission;
* renderer to sink: from that stamp to the receipt here, less the wait for the output clock's tick. That wait is half a
  period in the median, because senders are not in phase with the clock.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.card_sender import CardSender
from benchmarks.show.osc_sender import OscSender
from benchmarks.show.received_frames import ReceivedFrame, distinct_fps, distinct_frames, quantile
from benchmarks.show.show_process import FIRST_FRAME, ShowProcess, free_port
from benchmarks.show.sink_reader import SinkReader
from daemon.shared.clock import NS

SIDE = 512
SENT_FPS = 60.0
"""Frames per second to the show, and as many to the relay."""
TICKS = 240
"""Rate of the output clock in Hz. It is high so that the wait for a tick is short beside the measured delay."""
HALF_PERIOD_MS = 1000 / TICKS / 2
WARM_UP = 1.0


def measure_delay(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure the median delay of the stage before and after the renderer."""
    with (
        ChildProcess("benchmarks.show.frame_relay", plan.folder) as relay,
        _echo_show(plan, progress, relay) as (show, relay_reader),
    ):
        time.sleep(WARM_UP)
        progress("frames to the show and to the relay")
        begin = time.monotonic_ns()
        time.sleep(plan.seconds)
        end = time.monotonic_ns()
        time.sleep(0.2)
        missed_ticks = show.status()["missed_ticks"]
        shown, relayed = (
            [frame for frame in distinct_frames(reader.frames) if begin <= frame.captured_at < end]
            for reader in (show.reader, relay_reader)
        )
        fps = distinct_fps(show.reader.frames, begin, end)
    if not shown or not relayed:
        raise NotMeasured("no frame arrived while the delay was measured")
    hop_in, hop_out = _median_ms(relayed, _into), _median_ms(relayed, _out)
    into, out = _median_ms(shown, _into), _median_ms(shown, _out)
    added_before, added_after = into - hop_in, out - HALF_PERIOD_MS - hop_out
    yield {
        "configuration": "two bare ZeroMQ hops, 512x512, no stage",
        "pictures": len(relayed),
        "hop_in_ms": hop_in,
        "hop_out_ms": hop_out,
    }
    yield {
        "configuration": "stage with an echo renderer, 512x512, 60 pictures a second pushed over ZeroMQ",
        "fps": fps,
        "pictures": len(shown),
        "source_to_renderer_ms": into,
        "source_to_renderer_p99_ms": quantile([_into(frame) for frame in shown], 0.99),
        "stage_adds_before_renderer_ms": added_before,
        "renderer_to_sink_ms": out,
        "renderer_to_sink_p99_ms": quantile([_out(frame) for frame in shown], 0.99),
        "tick_wait_ms": HALF_PERIOD_MS,
        "stage_adds_after_renderer_ms": added_after,
        "missed_ticks": missed_ticks,
    }
    yield SpeedTarget("stage adds, source to renderer, ms", added_before, 2.0, at_least=False)
    yield SpeedTarget("stage adds, renderer to sink, ms", added_after, 2.0, at_least=False)


def measure_message(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure the time from an OSC message of effect `frame` to the first frame that follows it."""
    with _echo_show(plan, progress) as (show, _):
        time.sleep(WARM_UP)
        progress("OSC messages while frames come in")
        before = int(show.status()["revision"])
        begin = time.monotonic_ns()
        sent = _send_changes(show.osc_port, plan.seconds)
        time.sleep(0.5)
        accepted = int(show.status()["revision"]) - before
        frames = distinct_frames(show.reader.since(begin))
    if accepted != len(sent):
        raise NotMeasured(f"{len(sent)} OSC messages made {accepted} revisions, so no message can be traced")
    waits, late = [], []
    for revision, sent_at in enumerate(sent, start=before + 1):
        first = next((frame for frame in frames if frame.revision >= revision), None)
        if first is None:
            raise NotMeasured("no frame follows the last OSC message")
        waits.append((first.stamp - sent_at) / 1e6)
        late.append(sum(sent_at < frame.captured_at < first.captured_at for frame in frames))
    yield {
        "configuration": "OSC message of effect frame, echo renderer, 60 pictures a second",
        "messages": len(sent),
        "from_message_to_admitted_ms": statistics.median(waits),
        "from_message_to_admitted_p99_ms": quantile(waits, 0.99),
        "pictures_captured_later_without_it": sum(late),
        "most_for_one_message": max(late),
    }
    figure = sum(late) / len(sent)
    yield SpeedTarget("pictures captured after an OSC message without it, a message", figure, 0.05, at_least=False)
    periods = quantile(waits, 0.99) * SENT_FPS / 1000
    yield SpeedTarget("from an OSC message to an admitted picture (p99), periods", periods, 1.0, at_least=False)


def _send_changes(port: int, seconds: float) -> list[int]:
    """Send changes of strength at random intervals for so long, ten at least. Return the times sent (ns)."""
    sent: list[int] = []
    jitter = random.Random(2)
    begin = time.monotonic_ns()
    with OscSender(port) as osc:
        while len(sent) < 10 or time.monotonic_ns() - begin < seconds * NS:
            strength = 0.3 + 0.3 * (len(sent) % 2)  # alternates, so that each message is a change with its own revision
            sent.append(time.monotonic_ns())
            osc.send("/strength", strength)
            time.sleep(0.08 + 0.02 * jitter.random())
    return sent


@contextmanager
def _echo_show(
    plan: BenchPlan, progress: Progress, relay: ChildProcess | None = None
) -> Iterator[tuple[ShowProcess, SinkReader]]:
    """Run a show with an echo renderer and a sender. Yield it with the reader of the relay, or its own without one."""
    progress("starting a show with an echo renderer")
    port = free_port()
    addresses = [f"tcp://127.0.0.1:{port}"]
    preset = {"model": "echo", "width": SIDE, "height": SIDE}
    source = f"zmq:tcp://127.0.0.1:{port}"
    with ShowProcess(plan.folder / "echo", preset, source=source, fps=TICKS) as show:
        show.first_frame()
        if relay is None:
            relay_reader = show.reader
        else:
            ends = relay.ask({"do": "open"}, 30.0)
            addresses.append(ends["in"])
            relay_reader = SinkReader(ends["out"])
            relay_reader.start()
        sender = CardSender(addresses, SIDE, SIDE, SENT_FPS, jitter=1 / TICKS)
        sender.start()
        try:
            for reader in (show.reader, relay_reader):
                reader.wait_for(lambda frame: frame.captured_at > 0, FIRST_FRAME, "a sent frame")
            yield show, relay_reader
        finally:
            sender.stop()
            relay_reader.stop()


def _into(frame: ReceivedFrame) -> float:
    return (frame.stamp - frame.captured_at) / 1e6


def _out(frame: ReceivedFrame) -> float:
    return (frame.at - frame.stamp) / 1e6


def _median_ms(frames: Sequence[ReceivedFrame], part: Callable[[ReceivedFrame], float]) -> float:
    return statistics.median(part(frame) for frame in frames)
