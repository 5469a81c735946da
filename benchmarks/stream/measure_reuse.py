"""Gain and error of reuse: a stream that reuses deep features, against the same stream without, on a moving clip."""

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding
from benchmarks.stream.measure_pipeline import BUILD_SECONDS

MODULE = "benchmarks.stream.reuse_pipeline"
LIMITS: dict[str, dict[str, Any]] = {
    "the declared limits": {},
    **{f"reuse_longest {longest}": {"reuse_longest": longest, "reuse_change": 100.0} for longest in (0, 3, 7)},
}
"""Limits that are measured. At 0 nothing is reused: the cost of keeping features. At a change of 100 % the source never
ends a run of reuse."""
LOOKS = {
    "4 steps": {"mode": "image", "strength": 0.9, "steps": 4},
    "1 step": {"mode": "image", "strength": 0.9, "steps": 1},
}
PROMPTS = ["neon tunnel", "toxic halftone"]
SECONDS = 600.0
"""Time limit of a comparison."""


def measure_reuse(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare both streams at the size of the plan and at twice its sides. Rates come from interleaved turns."""
    settings = plan.settings
    cache = str(settings.cache) if settings.cache else None
    accelerator = settings.accelerators[0] if settings.accelerators else "auto"
    for size in (settings.size,) if plan.quick else (settings.size, 2 * settings.size):
        preset = {"model": settings.model, "width": size, "height": size, "accelerator": accelerator}
        with ChildProcess(MODULE, plan.folder) as child:
            progress(f"building both streams at {size}x{size}")
            said = child.ask({"do": "build", "preset": preset, "cache": cache}, BUILD_SECONDS)["description"]
            played = {key: said[key] for key in ("accelerator", "precision", "device")}
            for steps, look in LOOKS.items():
                where = f"{settings.name} at {size}x{size}, {steps}"
                progress(f"pictures of {where}")
                asked: dict[str, Any] = {"do": "error", "look": look, "limits": [*LIMITS.values()], "prompts": PROMPTS}
                error = child.ask(asked, SECONDS)
                yield {
                    "configuration": f"{where}: a picture and the next, without reuse",
                    **played,
                    "psnr_db": statistics.median(error["next"]),
                }
                for place, (name, limits) in enumerate(LIMITS.items()):
                    progress(f"{where}, {name}")
                    asked = {"do": "compare", "look": look, "limits": limits}
                    rates = child.ask(asked | {"seconds": plan.seconds, "at_least": plan.pairs}, SECONDS)
                    yield {
                        "configuration": f"{where}: {name}, against no reuse",
                        **rates,
                        "psnr_db": statistics.median(error["psnr"][place]),
                        "lowest_psnr_db": min(error["psnr"][place]),
                        "calls_that_reused": error["reused"][place],
                    }
