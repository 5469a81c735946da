"""Table 2 of the paper: the difference between frames of the stream and frames of diffusers' own pipeline."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from benchmarks.child_process import ChildProcess
from benchmarks.paper.available_contenders import CONTENDER_PROCESS, find_contenders
from benchmarks.paper.contender import SamplingSettings
from benchmarks.paper.paired_runs import BUILD_TIMEOUT
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget

STRENGTH = 0.6
"""Strength of image-to-image, at which both source and prompt show."""
ALIKE_DB = 40.0
"""PSNR from which two pictures look the same side by side."""


def measure_quality(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    """Compare the stream on every accelerator with diffusers' pipeline in float32."""
    steps = plan.settings.typical_steps
    with ExitStack() as stack:
        run = _QualityRun(plan, progress, stack)
        for mode, guidance in product(("text", "image"), (1.0, 2.0)):
            yield from run.measure(SamplingSettings(steps, mode, guidance))


class _QualityRun:
    def __init__(self, plan: BenchPlan, progress: Progress, stack: ExitStack) -> None:
        self._plan = plan
        self._progress = progress
        self._available = find_contenders(plan)
        self._stack = stack
        self._child: ChildProcess | None = None
        self._own_is_asked: set[str] = set()
        """Accelerators whose own precision is the comparison's. Their frames are drawn once."""

    def measure(self, look: SamplingSettings) -> Iterator[Finding]:
        """Yield the rows of all accelerators that have none for these settings."""
        wanted = self._unmeasured(look)
        if not wanted:
            return
        child = self._process()
        self._progress(f"{look.name}: diffusers draws")
        reference = child.ask(self._reference_request(look), BUILD_TIMEOUT)
        answers: dict[str, Row] = {}
        """Answers of accelerators that have drawn already."""
        for name, own in wanted:
            label = _label(name, own)
            row = {"configuration": self._row_name(look, label), "axes": look.axes | {"contender": label}}
            self._progress(f"{look.name}: {label} draws")
            try:
                request = {"do": "compare", "accelerator": name, "own_precision": own or name in self._own_is_asked}
                answer = answers.get(name) or child.ask(request, BUILD_TIMEOUT)
            except NotMeasured as error:
                yield row | {"missing": str(error)}
                continue
            if own and answer["precision"] == self._available.precision:
                self._own_is_asked.add(name)
                answers[name] = answer
                reason = f"its own precision is {answer['precision']} here too; see the row of {name}"
                yield row | {"missing": reason}
                continue
            if name == self._available.best:
                target = f"{label} against diffusers, {look.name}: worst PSNR, dB"
                yield SpeedTarget(target, answer["psnr_worst_db"], ALIKE_DB)
            yield row | answer | reference

    def _unmeasured(self, look: SamplingSettings) -> list[tuple[str, bool]]:
        """Return the accelerators without a row, and True for those in their own precision."""
        every = [
            (name, own)
            for name in self._available.accelerators
            for own in ((False,) if name == "eager" or name in self._own_is_asked else (True, False))
        ]
        return [each for each in every if self._row_name(look, _label(*each)) not in self._plan.known]

    def _row_name(self, look: SamplingSettings, label: str) -> str:
        settings = self._plan.settings
        return f"{settings.name} at {settings.size}x{settings.size}, {look.name}, against diffusers: {label}"

    def _process(self) -> ChildProcess:
        """Return the process that draws. It is started on first use."""
        if self._child is None:
            self._child = self._stack.enter_context(ChildProcess(CONTENDER_PROCESS, self._plan.folder))
        return self._child

    def _reference_request(self, look: SamplingSettings) -> Row:
        settings = self._plan.settings
        return {
            "do": "reference",
            "config": self._available.config(most_steps=look.steps)._asdict(),
            "look": look.parameters | ({"strength": STRENGTH} if look.mode == "image" else {}),
            "pictures": 6 if self._plan.quick else settings.pictures,
            "footage": _text(settings.footage),
            "clip": _text(settings.clip),
            "inception": _text(settings.inception),
        }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _label(accelerator: str, own_precision: bool) -> str:
    return f"{accelerator} in its own precision" if own_precision else accelerator
