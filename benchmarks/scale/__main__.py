"""``python -m benchmarks.scale``: plan shows over 2, 8 and 64 renderers, and 1,000 shows, from figures measured here.

Measured: the processor time of the stage for a picture over the link, with and without encryption, and of a whole show.
Simulated: everything else. The tables say which is which.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.scale.link_cost import LinkCost, measure_link
from benchmarks.scale.simulated_show import Plant, simulate
from benchmarks.show.show_process import ShowProcess

COUNTS = (1, 2, 8, 64)
SHOWS = 1000
SIDES = (256, 512)
DELAY = 0.0002
"""Seconds from machine to machine, one way: a switched network in one room."""
JITTER = 0.05
SECONDS = 10.0
"""Simulated seconds of each show."""
SETTLE = 2.0


def stage_share(folder: Path, fps: float, seconds: float) -> float:
    """Return the share of a core that the stage of a show with an echo takes, at 256x256."""
    preset = {"model": "echo", "width": 256, "height": 256, "max_rate": round(fps)}
    with ShowProcess(folder, preset, source=f"card:?size=256x256&fps={fps:g}", fps=fps) as show:
        show.first_frame()
        time.sleep(SETTLE)
        before, began = show.processor_seconds()[0], time.monotonic()
        time.sleep(seconds)
        return (show.processor_seconds()[0] - before) / (time.monotonic() - began)


def plan_lines(costs: dict[int, LinkCost], picture_ms: float, gbit: float, fps: float) -> Iterator[str]:
    """Yield the table of one show over several renderers, line by line."""
    yield "| size | renderers | drawn/s | shown/s | late | latency, median and p99 | link, share of a core | each way |"
    yield "|---|---|---|---|---|---|---|---|"
    for side, cost in costs.items():
        for renderers in COUNTS:
            # A picture of four times the pixels takes four times as long.
            seconds = picture_ms / 1000 * (side / min(costs)) ** 2
            port = gbit * 1e9, DELAY
            plant = Plant(renderers, seconds, JITTER, side * side * 3, cost.core_seconds, *port, fps, fps)
            show = simulate(plant, SECONDS)
            yield (
                f"| {side}² | {renderers} | {show.drawn:.1f} | {show.fps:.1f} | {show.late_share:.1%} | "
                f"{show.latency * 1000:.0f} and {show.latency_p99 * 1000:.0f} ms | {show.link_share:.1%} | "
                f"{show.mbit:.0f} Mbit/s |"
            )


def many_shows(stage: float, cost: LinkCost, fps: float, renderers: int) -> Iterator[str]:
    """Yield what 1,000 shows of `renderers` at 256x256 take together. They share nothing but the network."""
    mbit = fps * 256 * 256 * 3 * 8 / 1e6
    yield f"{SHOWS} shows with {renderers} renderers each, {fps:g} pictures a second at 256²:"
    cores = SHOWS * (stage + fps * cost.core_seconds)
    yield f"* cores for stages: {cores:.0f} ({stage:.1%} of one each, and the link)"
    gbit = SHOWS * mbit / 1000
    yield f"* network, all renderers on other machines: {gbit:.0f} Gbit/s each way ({mbit:.0f} Mbit/s each)"
    yield f"* renderers: {SHOWS * renderers}, for an hour {SHOWS * renderers} times the price of a renderer's hour"


def main() -> None:
    """Measure, simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture-ms", type=float, default=115.0, help="time of a renderer for a picture at 256x256")
    parser.add_argument("--gbit", type=float, default=1.0, help="network port of the stage, Gbit/s")
    parser.add_argument("--fps", type=float, default=30.0, help="rate of source and output")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds of each measurement")
    options = parser.parse_args()
    costs = {}
    for side in SIDES:
        plain, encrypted = (measure_link(side, each, options.seconds) for each in (False, True))
        costs[side] = encrypted
        print(
            f"measured, {side}²: {plain.core_seconds * 1000:.2f} ms of a core for a picture on one machine, "
            f"{encrypted.core_seconds * 1000:.2f} ms encrypted over TCP",
            flush=True,
        )
    with tempfile.TemporaryDirectory() as folder:
        stage = stage_share(Path(folder) / "show", options.fps, options.seconds)
    print(f"measured: the stage of a show takes {stage:.1%} of a core at {options.fps:g} fps and 256²\n")
    print(f"simulated: {options.picture_ms:g} ms a picture at 256², {JITTER:.0%} jitter, {options.gbit:g} Gbit/s")
    for line in plan_lines(costs, options.picture_ms, options.gbit, options.fps):
        print(line, flush=True)
    print()
    for line in many_shows(stage, costs[256], options.fps, 2):
        print(line)


if __name__ == "__main__":
    main()
