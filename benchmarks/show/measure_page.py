"""Cost of pages that show the live picture: processor time of the stage with four of them over the time without."""

import statistics
import time
from collections.abc import Iterator

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.show_process import ShowProcess

PAGES = 4
SIZES = ("256x256", "1280x720")
MOST_PERCENT = 5.0
"""Most that all pages together may take of a core."""
SETTLE = 1.5
"""Seconds in which the preview learns what its pictures cost."""


def measure_page(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure the stage in interleaved turns, with four pages and without. An echo draws."""
    with ChildProcess("benchmarks.show.page_viewers", plan.folder) as viewers:
        for size in SIZES:
            progress(f"starting a show at {size}")
            width, height = (int(side) // 32 * 32 for side in size.split("x"))  # drawn; the output has the size itself
            preset = {"model": "echo", "width": width, "height": height}
            folder, source = plan.folder / f"page-{size}", f"card:?size={size}&fps=30"
            with ShowProcess(folder, preset, source=source, fps=30, options=("--output-size", size)) as show:
                show.first_frame()
                yield from _findings(show, viewers, plan, progress, size)


def _findings(
    show: ShowProcess, viewers: ChildProcess, plan: BenchPlan, progress: Progress, size: str
) -> Iterator[Finding]:
    extra, rates, megabits = [], [], []
    for pair in range(plan.pairs):
        progress(f"{size}, with and without {PAGES} pages, pair {pair + 1} of {plan.pairs}")
        alone = _core_percent(show, plan.seconds)
        seconds = SETTLE + plan.seconds + 1.0
        viewers.begin({"do": "watch", "port": show.web_port, "pages": PAGES, "seconds": seconds})
        time.sleep(SETTLE)
        watched = _core_percent(show, plan.seconds)
        seen = viewers.finish(seconds + 60)
        if not seen["fps"]:
            raise NotMeasured("the pages got no picture")
        extra.append(watched - alone)
        rates.append(seen["fps"])
        megabits.append(seen["mbit_a_second"])
    percent = statistics.median(extra)
    yield {
        "configuration": f"{PAGES} pages with JPEGs of an output of {size} at 30 fps",
        "fps": statistics.median(rates),
        "stage_core_percent": percent,
        "all_core_percent": [round(each, 2) for each in extra],
        "mbit_a_second": statistics.median(megabits),
    }
    name = f"percent of a core for {PAGES} pages, output of {size}"
    yield SpeedTarget(name, percent, MOST_PERCENT, at_least=False)


def _core_percent(show: ShowProcess, seconds: float) -> float:
    before, began = show.processor_seconds()[0], time.monotonic()
    time.sleep(seconds)
    return (show.processor_seconds()[0] - before) / (time.monotonic() - began) * 100
