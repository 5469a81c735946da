"""Damaged messages on every port of a running show: what it costs, and whether anything breaks."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget
from benchmarks.show.osc_sender import OscSender
from benchmarks.show.received_frames import tick_intervals_ms
from benchmarks.show.show_process import ShowProcess, free_port

FPS = 30
SEED = 20261128
WARM_UP = 0.1
"""Share of the messages that comes first, 1,000 at least: caches fill, and are not counted as growth."""
LONGEST_GROWTH = 4.0
"""MiB that the stage may grow after that."""
BLACKOUT = 1.0
"""Seconds within which the output is black after everything."""


class PortAttack(NamedTuple):
    """Damaged messages to one kind of port."""

    kind: str
    messages: int
    rate: float
    """Messages a second. The page is asked as often as it answers one client."""
    to: dict[str, object]


def measure_fuzz(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Send 100,000 OSC datagrams, 20,000 ZeroMQ messages and 10,000 web requests, or a fiftieth if it is quick."""
    share = 50 if plan.quick else 1
    source = f"tcp://127.0.0.1:{free_port()}"
    with (
        ShowProcess(plan.folder / "fuzz", {"model": "echo"}, source=f"zmq:{source}", fps=FPS) as show,
        ChildProcess("benchmarks.show.hostile_sender", plan.folder) as sender,
        OscSender(show.osc_port) as osc,
    ):
        progress("starting a show")
        show.first_frame()
        attacks = (
            PortAttack("osc", 100_000 // share, 4000.0, {"port": show.osc_port}),
            PortAttack(
                "zeromq", 20_000 // share, 1000.0, {"control_port": show.control_port, "source_address": source}
            ),
            PortAttack("web", 10_000 // share, 180.0, {"port": show.web_port}),
        )
        before, grown, hanging = show.status(), 0.0, 0
        began = time.monotonic_ns()
        time.sleep(2 * plan.seconds)
        quiet = max(tick_intervals_ms(show.reader.since(began)))
        yield {"configuration": f"no messages for {2 * plan.seconds:g} s", "longest_gap_ms": quiet}
        for attack in attacks:
            row = _attack(show, sender, attack, progress)
            grown += row["stage_grows_mib"]
            hanging += row.get("hang", 0)
            yield row
        black = _seconds_to_black(show, osc)
        restarts = show.status()["renderer"]["restarts"] - before["renderer"]["restarts"]
        tracebacks = show.log.read_text(errors="replace").count("Traceback (most recent call last)")
    yield _at_most("tracebacks after damaged messages", tracebacks, 0)
    yield _at_most("damaged web requests that hang", hanging, 0)
    yield _at_most("renderers lost to damaged messages", restarts, 0)
    yield _at_most("growth of the stage by damaged messages, MiB", grown, LONGEST_GROWTH)
    yield _at_most("seconds to a blackout after damaged messages", black, BLACKOUT)


def _attack(show: ShowProcess, sender: ChildProcess, attack: PortAttack, progress: Progress) -> Row:
    """Send all messages of one attack, the first of them to warm up. Return its row."""
    first = min(max(round(attack.messages * WARM_UP), 1000), attack.messages // 2)
    progress(f"{attack.messages} damaged messages: {attack.kind}")
    asked = {"do": attack.kind, "rate": attack.rate, **attack.to}
    sender.ask({**asked, "count": first, "seed": SEED}, 600.0)
    memory, began = show.memory_mib()[0], time.monotonic_ns()
    answer = sender.ask({**asked, "count": attack.messages - first, "seed": SEED + 1}, 3600.0)
    seconds = (time.monotonic_ns() - began) / 1e9
    row: Row = {
        "configuration": f"damaged messages: {attack.kind}",
        "sent": first + answer["sent"],
        "per_second": answer["sent"] / seconds,
        "longest_gap_ms": max(tick_intervals_ms(show.reader.since(began))),
        "stage_grows_mib": show.memory_mib()[0] - memory,
    }
    return row | _counted(show, attack.kind, answer)


def _counted(show: ShowProcess, kind: str, answer: dict[str, Any]) -> Row:
    """Return what became of the messages."""
    if kind == "web":
        answers = dict(sorted(answer["answers"].items()))
        hang = answers.pop("hangs", 0)
        return {"answers": ", ".join(f"{count} × {status}" for status, count in answers.items()), "hang": hang}
    if kind == "zeromq":
        return {"answers": str(answer["answers"])}
    control = next(each for each in show.status()["controls"] if each["name"] == "osc")
    named = ("accepted", "superseded", "refused", "malformed", "ignored", "lost")
    return {"answers": ", ".join(f"{control[name]} {name}" for name in named)}


def _seconds_to_black(show: ShowProcess, osc: OscSender) -> float:
    """Return the seconds from a blackout by OSC to the first black frame. Raise `NotMeasured` without one."""
    for address in ("/lock", "/freeze", "/blackout"):
        show.set_value(address, value=False)
    show.reader.wait_for(lambda frame: frame.is_lit, 10.0, "a picture", time.monotonic_ns())
    began = time.monotonic_ns()
    osc.send("/blackout", 1)
    try:
        frame = show.reader.wait_for(lambda frame: not frame.is_lit, 10.0, "a black frame", began)
    except NotMeasured:
        return float("inf")
    return (frame.at - began) / 1e9


def _at_most(name: str, figure: float, target: float) -> SpeedTarget:
    return SpeedTarget(name, float(figure), float(target), at_least=False)
