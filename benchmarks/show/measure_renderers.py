"""Rate of a show over several renderers: echoes with a fixed cost, and the shipped model on this machine's cores.

An echo waits for its time as a renderer waits for its GPU, so that its rows show what the stage loses by sharing, and
not what the processor lacks. Shows of one renderer and of several take turns, while the others stand still.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.received_frames import distinct_fps, distinct_frames, interval_quantiles, intervals_ms
from benchmarks.show.show_process import LONGEST_PAUSE, ShowProcess
from benchmarks.stream.measure_pipeline import MODEL, NAME

COST_MS = 400
"""Milliseconds that an echo takes for a picture."""
COUNTS = (2, 4, 8)
TICKS = 60
"""Rate of the output clock in Hz, above that of all renderers together."""
RELEASED = 1.0
"""Seconds after a pause that are not counted."""
SCALING = 0.9


def measure_renderers(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure the rate of 2, 4 and 8 echo renderers, then of two of the shipped model, against one of each."""
    echo = {"model": f"echo:{COST_MS}", "width": 256, "height": 256}
    yield from _scaling(plan, progress, echo, f"echo of {COST_MS} ms a picture", COUNTS)
    yield from _scaling(plan, progress, MODEL, NAME, (2,))


def _scaling(
    plan: BenchPlan, progress: Progress, preset: dict[str, object], name: str, counts: tuple[int, ...]
) -> Iterator[Finding]:
    seconds = min(plan.seconds, LONGEST_PAUSE - RELEASED - 1)
    for count in counts:
        ratios = []
        with ExitStack() as shows:
            pair = [_show(plan, preset, each, shows, progress, name) for each in (1, count)]
            for turn in range(plan.pairs):
                progress(f"{name}: {count} renderers and one, pair {turn + 1} of {plan.pairs}")
                rates = [_turn(show, seconds)[0] for show in pair]
                if not rates[0]:
                    raise NotMeasured(f"one renderer of {name} drew nothing")
                ratios.append(rates[1] / rates[0])
            rate, intervals = _turn(pair[1], seconds)
            pair[1].resume()
            status = pair[1].status()
        gain = statistics.median(ratios)
        yield {
            "configuration": f"{count} renderers against one, {name}",
            "fps": rate,
            "gain": gain,
            "gain_a_renderer": gain / count,
            "all_gains": [round(each, 3) for each in ratios],
            "late_pictures": status["renderer"]["renderers"]["late"],
            "pictures": status["rendered"],
            **interval_quantiles(intervals),
        }
        if "echo" in name:
            yield SpeedTarget(f"gain of {count} echo renderers, a renderer", gain / count, SCALING)


def _show(
    plan: BenchPlan, preset: dict[str, object], renderers: int, shows: ExitStack, progress: Progress, name: str
) -> ShowProcess:
    """Start a show, wait until all its renderers play, and pause it."""
    progress(f"starting a show with {renderers} renderers of {name}")
    folder = plan.folder / f"{str(preset['model']).partition(':')[0]}-{renderers}-{time.monotonic_ns()}"
    source, options = f"card:?size=256x256&fps={TICKS}", ("--renderers", str(renderers))
    show = shows.enter_context(ShowProcess(folder, preset, source=source, fps=TICKS, options=options))
    show.first_frame()
    show.wait_for_renderer(lambda status: bool(status["renderers"]["playing"] == renderers), f"{renderers} renderers")
    show.pause()
    return show


def _turn(show: ShowProcess, seconds: float) -> tuple[float, list[float]]:
    """Return the rate of distinct pictures of one turn, and the times between them in milliseconds."""
    show.resume()
    time.sleep(RELEASED)
    begin = time.monotonic_ns()
    time.sleep(seconds)
    end = time.monotonic_ns()
    time.sleep(0.1)
    frames = show.reader.since(begin)
    show.pause()
    times = [frame.at for frame in distinct_frames(frames) if frame.at < end]
    return distinct_fps(show.reader.frames, begin, end), intervals_ms(times) or [0.0]
