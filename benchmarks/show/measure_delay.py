"""What the stage adds to a picture on its way, with the echo in the network's place.

The same 512x512 pictures go by turns to a show and to a `mirror`, two bare ZeroMQ hops through a process that does
nothing. The stage is charged with what the show takes longer, at each side of the renderer:

* source to renderer: from the sender's stamp to the stamp that the echo writes when it admits the picture;
* renderer to sink: from that stamp to the message received here, less the wait for the output clock's tick, which is
  inherent: half a period in the median, because senders are not in step with the clock.
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
from benchmarks.show.osc_flood import OscSender
from benchmarks.show.received_frames import ReceivedFrame, distinct_fps, distinct_frames, quantile
from benchmarks.show.show_process import FIRST_PICTURE, ShowProcess, free_port
from benchmarks.show.sink_reader import SinkReader
from daemon.shared.clock import NS

SIDE = 512
PUSHED = 60.0
"""Pictures a second to the show, and as many to the mirror."""
TICKS = 240
"""The output clock's rate, Hz: the wait for its tick is then short beside what is measured."""
HALF_PERIOD_MS = 1000 / TICKS / 2
WARM_UP = 1.0


def measure_delay(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """Medians; see above for what is counted."""
    with (
        ChildProcess("benchmarks.show.frame_relay", plan.folder) as mirror,
        _echo(plan, tell, mirror) as (show, reflected),
    ):
        time.sleep(WARM_UP)
        tell("pictures to the show and to the mirror, by turns")
        begin = time.monotonic_ns()
        time.sleep(plan.seconds)
        end = time.monotonic_ns()
        time.sleep(0.2)
        status = show.status()
        drawn = [arrival for arrival in distinct_frames(show.reader.arrivals) if begin <= arrival.captured_at < end]
        bare = [arrival for arrival in distinct_frames(reflected.arrivals) if begin <= arrival.captured_at < end]
        fps = distinct_fps(show.reader.arrivals, begin, end)
    if not drawn or not bare:
        raise NotMeasured("no picture came through while the delay was measured")
    hop_in, hop_out = _median_ms(bare, _into), _median_ms(bare, _out)
    into, out = _median_ms(drawn, _into), _median_ms(drawn, _out)
    yield {
        "configuration": "two bare ZeroMQ hops, 512x512, no stage",
        "pictures": len(bare),
        "hop_in_ms": hop_in,
        "hop_out_ms": hop_out,
    }
    yield {
        "configuration": "stage with an echo renderer, 512x512, 60 pictures a second pushed over ZeroMQ",
        "fps": fps,
        "pictures": len(drawn),
        "source_to_renderer_ms": into,
        "source_to_renderer_p99_ms": quantile([_into(arrival) for arrival in drawn], 0.99),
        "stage_adds_before_renderer_ms": into - hop_in,
        "renderer_to_sink_ms": out,
        "renderer_to_sink_p99_ms": quantile([_out(arrival) for arrival in drawn], 0.99),
        "tick_wait_ms": HALF_PERIOD_MS,
        "stage_adds_after_renderer_ms": out - HALF_PERIOD_MS - hop_out,
        "missed_ticks": status["missed_ticks"],
    }
    yield SpeedTarget("stage adds, source to renderer, ms", into - hop_in, 2.0, at_least=False)
    yield SpeedTarget("stage adds, renderer to sink, ms", out - HALF_PERIOD_MS - hop_out, 2.0, at_least=False)


def measure_message(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
    """An OSC message of effect `frame`, in the middle of a running picture: which picture has it first?"""
    with _echo(plan, tell) as (show, _):
        time.sleep(WARM_UP)
        tell("OSC messages while pictures come in")
        before = int(show.status()["revision"])
        sent: list[int] = []
        chance = random.Random(2)
        begin = time.monotonic_ns()
        with OscSender(show.osc_port) as osc:
            while len(sent) < 10 or time.monotonic_ns() - begin < plan.seconds * NS:
                strength = 0.3 + 0.3 * (len(sent) % 2)  # each one is a change, and so a revision
                sent.append(time.monotonic_ns())
                osc.send("/strength", strength)
                time.sleep(0.08 + 0.02 * chance.random())
        time.sleep(0.5)
        taken = int(show.status()["revision"]) - before
        pictures = distinct_frames(show.reader.since(begin))
    if taken != len(sent):
        raise NotMeasured(f"{len(sent)} OSC messages made {taken} revisions: they can't be told apart")
    waits, without = [], []
    for number, moment in enumerate(sent, start=before + 1):
        honoured = next((picture for picture in pictures if picture.revision >= number), None)
        if honoured is None:
            raise NotMeasured("the last OSC message is in no picture")
        waits.append((honoured.stamp - moment) / 1e6)
        without.append(sum(moment < picture.captured_at < honoured.captured_at for picture in pictures))
    yield {
        "configuration": "OSC message of effect frame, echo renderer, 60 pictures a second",
        "messages": len(sent),
        "from_message_to_admitted_ms": statistics.median(waits),
        "from_message_to_admitted_p99_ms": quantile(waits, 0.99),
        "pictures_captured_later_without_it": sum(without),
        "most_for_one_message": max(without),
    }
    figure = sum(without) / len(sent)
    yield SpeedTarget("pictures captured after an OSC message without it, a message", figure, 0.05, at_least=False)


@contextmanager
def _echo(
    plan: BenchPlan, tell: Progress, mirror: ChildProcess | None = None
) -> Iterator[tuple[ShowProcess, SinkReader]]:
    """A show with an echo, pictures on their way to it; and the reader of the mirror, if that is to have its share."""
    tell("starting a show with an echo renderer")
    port = free_port()
    addresses = [f"tcp://127.0.0.1:{port}"]
    look = {"model": "echo", "width": SIDE, "height": SIDE}
    source = f"zmq:tcp://127.0.0.1:{port}"
    with ShowProcess(plan.folder / "echo", look, source=source, fps=TICKS) as show:
        show.first_picture()
        if mirror is None:
            reflected = show.reader
        else:
            ends = mirror.ask({"do": "open"}, 30.0)
            addresses.append(ends["in"])
            reflected = SinkReader(ends["out"])
            reflected.start()
        pusher = CardSender(addresses, SIDE, SIDE, PUSHED, jitter=1 / TICKS)
        pusher.start()
        try:
            for reader in (show.reader, reflected):
                reader.wait_for(lambda arrival: arrival.captured_at > 0, FIRST_PICTURE, "a pushed picture")
            yield show, reflected
        finally:
            pusher.stop()
            reflected.stop()


def _into(arrival: ReceivedFrame) -> float:
    return (arrival.stamp - arrival.captured_at) / 1e6


def _out(arrival: ReceivedFrame) -> float:
    return (arrival.at - arrival.stamp) / 1e6


def _median_ms(arrivals: Sequence[ReceivedFrame], part: Callable[[ReceivedFrame], float]) -> float:
    return statistics.median(part(arrival) for arrival in arrivals)
