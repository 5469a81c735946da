"""Rate and age of pictures between two processes: the bridges, and pyzmq alone as the rival.

Each sink is written by the bench, each source is read by a process of its own, as in a show. Turns of the transports of
one size are interleaved: as many pictures as go through, 60 a second, and 120 a second for a reader that is slow or
stalls. Only ratios of one run tell.
"""

import json
import os
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import numpy as np

from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget
from benchmarks.show.transport_ends import NDI, PLAIN, SHARED, TCP, Load, TransportEnds, open_ends
from presets.errors import BridgeError

HD, FULL_HD = (1280, 720), (1920, 1080)
FULL_RATE, PACED = Load(None), Load(60.0)
SLOW, STALLING = Load(120.0, pause=0.03), Load(120.0, pause=0.25)

ON_LOOPBACK = {"ndi": {"networks": {"ips": "127.0.0.1", "discovery": ""}, "adapters": {"allowed": ["127.0.0.1"]}}}
"""Configuration by which NDI finds senders of this machine without mDNS, and announces none to a network."""

Turns = dict[tuple[str, Load], list[Row]]


def measure_transport(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure the transports in interleaved turns, size by size."""
    loads = (FULL_RATE, PACED, SLOW, STALLING)
    turns = _turns(plan, progress, HD, (SHARED, TCP, PLAIN), loads)
    yield from _rows(turns, HD)
    yield from _targets(turns)
    larger = _turns(plan, progress, FULL_HD, (SHARED, TCP), (PACED,))
    yield from _rows(larger, FULL_HD)
    yield SpeedTarget(
        "shared memory, 1920x1080 at 60/s, median age", _median(larger[SHARED, PACED], "age_ms"), 1.5, False
    )
    yield from _ndi(plan, progress)


def _turns(
    plan: BenchPlan, progress: Progress, size: tuple[int, int], names: Sequence[str], loads: Sequence[Load]
) -> Turns:
    with ExitStack() as stack:
        ends: list[TransportEnds] = []
        for name in names:
            progress(f"opening {name}")
            ends.append(stack.enter_context(open_ends(name, size, plan.folder)))
        turns: Turns = {(name, load): [] for name in names for load in loads}
        for pair in range(plan.pairs):
            for load in loads:
                progress(f"turn {pair + 1} of {plan.pairs}, {size[0]}x{size[1]}, {_words(load)}")
                for end in ends if pair % 2 == 0 else reversed(ends):
                    turns[end.name, load].append(end.turn(load, plan.seconds))
    return turns


def _targets(turns: Turns) -> Iterator[SpeedTarget]:
    bridge, plain = turns[TCP, FULL_RATE], turns[PLAIN, FULL_RATE]
    yield SpeedTarget("ZeroMQ bridges against pyzmq alone, pictures a second", _ratio(bridge, plain, "fps"), 0.9)
    shared = turns[SHARED, FULL_RATE]
    yield SpeedTarget("shared memory against ZeroMQ over tcp, pictures a second", _ratio(shared, bridge, "fps"), 4.0)
    yield SpeedTarget(
        "shared memory, 1280x720 at 60/s, median age", _median(turns[SHARED, PACED], "age_ms"), 1.0, False
    )
    for name in (SHARED, TCP):
        slow, stalling = turns[name, SLOW], turns[name, STALLING]
        yield SpeedTarget(f"{name}, age at a reader of 30 ms, median", _median(slow, "age_ms"), 8.3, False)
        yield SpeedTarget(f"{name}, age at a reader of 30 ms, p99", _median(slow, "age_p99_ms"), 12.0, False)
        yield SpeedTarget(f"{name}, age after stalls of 250 ms, p99", _median(stalling, "age_p99_ms"), 25.0, False)


def _ndi(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure NDI, which finds its sender over the network and may be missing."""
    progress("NDI, 1920x1080, 30 pictures a second")
    folder = plan.folder / "ndi"
    folder.mkdir(exist_ok=True)
    (folder / "ndi-config.v1.json").write_text(json.dumps(ON_LOOPBACK))
    os.environ.setdefault("NDI_CONFIG_DIR", str(folder))
    try:
        with open_ends(NDI, FULL_HD, plan.folder) as ends:
            turn = ends.turn(Load(30.0), plan.seconds * plan.pairs)
    except (BridgeError, NotMeasured) as error:
        yield {"configuration": _name(NDI, FULL_HD, Load(30.0)), "missing": str(error)}
        return
    row = next(_rows({(NDI, Load(30.0)): [turn]}, FULL_HD))
    yield {key: figure for key, figure in row.items() if not key.startswith("age")}  # it is stamped on arrival
    yield SpeedTarget("NDI, 1920x1080, pictures that arrive of 30 a second", turn["fps"] / 30.0, 0.99)


def _rows(turns: Turns, size: tuple[int, int]) -> Iterator[Row]:
    for (name, load), measured in turns.items():
        yield {
            "configuration": _name(name, size, load),
            "fps": _median(measured, "fps"),
            "age_ms": _median(measured, "age_ms"),
            "age_p99_ms": _median(measured, "age_p99_ms"),
            "reader_processor_percent": 100 * _median(measured, "processor"),
            "pictures": int(np.sum([turn["pictures"] for turn in measured])),
        }


def _name(name: str, size: tuple[int, int], load: Load) -> str:
    return f"{name}, {size[0]}x{size[1]} RGB, {_words(load)}"


def _words(load: Load) -> str:
    rate = f"{load.fps:.0f} pictures a second" if load.fps else "as many as go through"
    return f"{rate}, read every {load.pause * 1000:.0f} ms" if load.pause else rate


def _median(turns: Sequence[Row], key: str) -> float:
    return float(statistics.median(turn[key] for turn in turns))


def _ratio(one: Sequence[Row], other: Sequence[Row], key: str) -> float:
    """Return the median of the ratios of two transports' turns, pair by pair."""
    return float(statistics.median(a[key] / b[key] for a, b in zip(one, other, strict=True)))
