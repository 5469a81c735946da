"""Quality of a model's pictures, drawn as a show draws them: words, source, motion, steadiness, steps, autoencoder."""

import statistics
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget

MODEL_PROCESS = "benchmarks.model.model_process"
BUILD_SECONDS, SECONDS = 3600.0, 1800.0
"""Time limits of a build, and of any other request."""
STRENGTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Strengths at which one source is drawn in every style."""
STRENGTH_SOURCE = "chelsea"
STEPS = (1, 2, 4, 25)
EVEN = "least part of the change in a fifth of the range of strength, %"
STILL = "still source, fixed seed: largest difference of two pictures, levels"


def measure_model(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Measure the pictures of `plan.settings.model` against drawn ones, and write contact sheets if they are wanted."""
    with ChildProcess(MODEL_PROCESS, plan.folder) as child:
        yield from _ModelRun(plan, progress, child).measure()


class _ModelRun:
    def __init__(self, plan: BenchPlan, progress: Progress, child: ChildProcess) -> None:
        self._plan = plan
        self._progress = progress
        self._child = child
        self._name = f"{plan.settings.name} at {plan.settings.size}x{plan.settings.size}"
        accelerators = plan.settings.accelerators
        cache = plan.settings.cache
        self._played = {
            "model": plan.settings.model,
            "size": plan.settings.size,
            "accelerator": accelerators[0] if accelerators else "auto",
            "cache": str(cache) if cache else None,
        }

    def measure(self) -> Iterator[Finding]:
        about = self._ask("building the model", "prepare", BUILD_SECONDS, played=self._played, quick=self._plan.quick)
        look = about["look"]
        self._strength = look["strength"]
        self._default = f"strength {look['strength']:g}, {look['steps']} steps"
        yield self._row("the default look", about["description"] | look)
        trained = self._ask("training the classifier", "train")
        yield {"configuration": "drawn pictures, named by the classifier: the most that a model can reach"} | trained
        yield from self._autoencoder()
        yield from self._words()
        for steps in (1, 4):
            figures = self._ask(f"motifs without a source in {steps} steps", "motifs", steps=steps)
            yield self._row(f"motifs from words alone, steps {steps}: light against the drawn motif", figures)
        yield from self._styles(about)
        figures = self._ask("drawing a still source", "still")
        yield self._row("still source, fixed seed", figures)
        yield SpeedTarget(STILL, figures["largest_difference_levels"], 0.0, at_least=False)
        yield from self._steps()
        yield from self._accelerated()
        if (folder := self._plan.settings.sheets) is not None:
            files = self._ask("drawing contact sheets", "sheets", folder=str(folder.absolute()))["files"]
            yield self._row(f"contact sheets in {folder}", {"files": files})

    def _autoencoder(self) -> Iterator[Finding]:
        answer = self._ask("encoding and decoding", "autoencoder")
        for kind in ("styles", "photographs"):
            yield self._row(f"autoencoder, held-out {kind}", answer[kind])
            yield SpeedTarget(f"autoencoder, held-out {kind}: PSNR, dB", answer[kind]["psnr_db"], 32.0)
        yield self._row("drawn pictures after the autoencoder, named by the classifier", answer["named"])

    def _words(self) -> Iterator[Finding]:
        figures = self._ask("every style, words not trained on", "words", strength=self._strength)
        yield self._row(f"words and source at {self._default} (the default)", figures)
        yield SpeedTarget("style named at the default look, %", figures["style_percent"], 90.0)
        yield SpeedTarget("palette named at the default look, %", figures["palette_percent"], 90.0)
        yield SpeedTarget("edges of the drawn style: correlation", figures["edge_correlation"], 0.8)
        if not self._plan.quick:
            yield from self._strengths()

    def _strengths(self) -> Iterator[Finding]:
        changes = []
        for strength in STRENGTHS:
            activity = f"every style at strength {strength:g}"
            figures = self._ask(activity, "words", strength=strength, only=STRENGTH_SOURCE)
            changes.append(figures["change_percent"])
            yield self._row(f"{STRENGTH_SOURCE} in every style at strength {strength:g}", figures)
        least = min(after - before for before, after in pairwise(changes))
        yield SpeedTarget(EVEN, 100 * least / max(changes[-1] - changes[0], 1e-9), 10.0)

    def _styles(self, about: dict[str, Any]) -> Iterator[Finding]:
        """Measure each style on the clip, then all of them together."""
        rows: list[Row] = []
        for style, keeps_edges in about["styles"].items():
            rows.append(self._ask(f"the clip as {style}", "clip", style=style) | {"keeps_edges": keeps_edges})
            yield self._row(f"style {style}", rows[-1])
        flicker = sum(row["flicker_percent"] for row in rows) / sum(row["flicker_of_drawn_percent"] for row in rows)
        kept = [row for row in rows if row["keeps_edges"]] or rows
        yield self._row(
            "all styles on the clip",
            {
                "flicker_of_source_percent": about["flicker_of_source_percent"],
                "flicker_ratio": flicker,
                "flicker_ratio_median": statistics.median(row["flicker_ratio"] for row in rows),
                "styles_above_1": sum(row["flicker_ratio"] > 1 for row in rows),
                "motion_agreement": statistics.mean(row["motion_agreement"] for row in kept),
                "motion_agreement_of_drawn": statistics.mean(row["motion_agreement_of_drawn"] for row in kept),
            },
        )
        yield SpeedTarget("flicker on the clip over that of the drawn styles", flicker, 1.0, at_least=False)

    def _steps(self) -> Iterator[Finding]:
        floor = self._ask("drawn pictures in other palettes", "distance", steps=0)
        yield self._row("Fréchet distance of drawn pictures in other palettes", floor)
        distances: dict[int, float] = {}
        for steps in (1, 4, 25) if self._plan.quick else STEPS:
            figures = self._ask(f"every style in {steps} steps", "distance", steps=steps)
            distances[steps] = figures["frechet_distance"]
            yield self._row(f"Fréchet distance from drawn pictures, steps {steps}", figures)
        for steps, most in ((4, 1.1), (1, 1.3)):
            name = f"Fréchet distance, steps {steps} over steps 25"
            yield SpeedTarget(name, distances[steps] / max(distances[25], 1e-9), most, at_least=False)

    def _accelerated(self) -> Iterator[Finding]:
        row = self._row("accelerator that plays, against eager float32", {})
        try:
            figures = self._ask("comparing with eager float32", "accelerated", BUILD_SECONDS)
        except NotMeasured as error:
            yield row | {"missing": str(error)}
            return
        yield row | figures
        yield SpeedTarget("accelerated against float32: worst PSNR, dB", figures["psnr_worst_db"], 40.0)

    def _row(self, configuration: str, figures: Row) -> Row:
        return {"configuration": f"{self._name}, {configuration}"} | figures

    def _ask(self, activity: str, what: str, seconds: float = SECONDS, **request: Any) -> dict[str, Any]:
        self._progress(activity)
        return self._child.ask({"do": what, **request}, seconds)
