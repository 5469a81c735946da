"""Comparison of contenders with a base. Rows that an earlier bench has measured are skipped."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.paper.available_contenders import AvailableContenders
from benchmarks.paper.contender import ContenderSpec, SamplingSettings
from benchmarks.paper.paired_runs import RunningContender, run_alone, run_pairs, start_contender
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget


def no_target(contender: ContenderSpec, look: SamplingSettings, figures: Row) -> Iterator[SpeedTarget]:
    """Yield nothing, for comparisons without targets."""
    yield from ()


@dataclass(frozen=True)
class ContenderComparison:
    """Contenders, base and settings of a comparison. All rows have one precision unless a contender has its own."""

    base: ContenderSpec
    """Contender that the others are compared with. The ratio of its own row is 1."""
    contenders: Sequence[ContenderSpec]
    looks: Sequence[SamplingSettings]
    size: int
    """Side of a frame in px."""
    axes: Row = field(default_factory=dict)
    """Axes of all rows, besides the contender's name and the sampling settings."""
    about: str = ""
    """Text at the end of the sampling settings in every row name."""
    targets: Callable[[ContenderSpec, SamplingSettings, Row], Iterator[SpeedTarget]] = no_target

    def row_name(self, available: AvailableContenders, contender: ContenderSpec, look: SamplingSettings) -> str:
        """Return the `configuration` of a row."""
        return f"{available.name(self.size)}, {look.name}{self.about}: {contender.name}"


def compare(
    plan: BenchPlan, available: AvailableContenders, comparison: ContenderComparison, progress: Progress
) -> Iterator[Finding]:
    """Yield the rows of a comparison. The row of a contender that cannot be measured gives the reason.

    Raises:
        NotMeasured: the base cannot be measured.
    """
    yield from _ComparisonRun(plan, available, comparison, progress).findings()


class _ComparisonRun:
    def __init__(
        self, plan: BenchPlan, available: AvailableContenders, comparison: ContenderComparison, progress: Progress
    ) -> None:
        self._plan = plan
        self._available = available
        self._comparison = comparison
        self._progress = progress
        self._config = available.config(comparison.size, max(look.steps for look in comparison.looks))
        self._base_looks = self._unmeasured(comparison.base)
        """Settings for which the base has no row yet."""
        self._running_base: RunningContender | None = None
        self._stack = ExitStack()

    def findings(self) -> Iterator[Finding]:
        """Yield the rows of every contender, then the missing rows of the base."""
        base = self._comparison.base
        if base.missing and self._base_looks:
            yield self._row(base, self._base_looks[0], {"missing": base.missing})
            self._base_looks.clear()
        with self._stack:
            for contender in self._comparison.contenders:
                asked = contender.in_asked_precision
                is_asked = yield from self._measure(contender)
                if asked is not None and not is_asked:
                    yield from self._measure(asked)
            for look in self._base_looks:
                self._progress(f"{base.name}: {look.name}")
                running = self._base()
                yield self._row(base, look, run_alone(running, look, self._plan) | {"ratio": 1.0} | running.description)

    def _measure(self, contender: ContenderSpec) -> Generator[Finding, None, bool]:
        """Yield the rows of one contender. Return True if they are those of `in_asked_precision`."""
        looks = self._unmeasured(contender)
        if not looks:
            return False
        if reason := contender.missing or self._no_precision_to_remove(contender):
            yield self._row(contender, looks[0], {"missing": reason})
            return False
        base, is_asked, look = self._base(), False, looks[0]
        self._progress(f"{contender.name}: building")
        try:
            with start_contender(self._plan, contender, self._config) as running:
                precision, asked = running.description["precision"], contender.in_asked_precision
                if asked is not None and precision == self._available.precision:
                    reason = f"its own precision is {precision} here too; see the row of {asked.name}"
                    yield self._row(contender, look, {"missing": reason})
                    is_asked, contender, looks = True, asked, self._unmeasured(asked)
                if reason := self._incomparable(contender, running, base):
                    yield self._row(contender, look, {"missing": reason})
                    return is_asked
                for look in looks:
                    yield from self._measure_look(contender, running, base, look)
        except NotMeasured as error:
            yield self._row(contender, look, {"missing": str(error)})
        return is_asked

    def _measure_look(
        self, contender: ContenderSpec, running: RunningContender, base: RunningContender, look: SamplingSettings
    ) -> Iterator[Finding]:
        figures = run_pairs(running, base, look, self._plan, lambda text: self._progress(f"{contender.name}: {text}"))
        if look in self._base_looks:  # the turns against the first contender are enough for the base's own row
            self._base_looks.remove(look)
            yield self._row(self._comparison.base, look, figures.base | {"ratio": 1.0} | base.description)
        yield from self._comparison.targets(contender, look, figures.contender)
        yield self._row(contender, look, figures.contender | running.description)

    def _base(self) -> RunningContender:
        """Return the base. It is built on first use, because a resumed bench may not need it."""
        if self._running_base is None:
            base = self._comparison.base
            self._progress(f"building {base.name}")
            self._running_base = self._stack.enter_context(start_contender(self._plan, base, self._config))
        return self._running_base

    def _unmeasured(self, contender: ContenderSpec) -> list[SamplingSettings]:
        row_name, known = self._comparison.row_name, self._plan.known
        return [look for look in self._comparison.looks if row_name(self._available, contender, look) not in known]

    def _row(self, contender: ContenderSpec, look: SamplingSettings, figures: Row) -> Row:
        comparison = self._comparison
        names = {"size": comparison.size, "contender": contender.name, "base": comparison.base.name}
        axes = look.axes | names | comparison.axes
        return {"configuration": comparison.row_name(self._available, contender, look), "axes": axes} | figures

    def _no_precision_to_remove(self, contender: ContenderSpec) -> str:
        precision = self._available.precision
        if contender.less_precision and self._base().description["precision"] == precision:
            return f"the own precision of {self._comparison.base.name} is {precision} here, so there is none to remove"
        return ""

    def _incomparable(self, contender: ContenderSpec, running: RunningContender, base: RunningContender) -> str:
        """Return the reason why the contender cannot be compared with the base, or an empty string."""
        precision = running.description["precision"]
        if precision != self._available.precision and not contender.settings.get("own_precision"):
            return f"it computes in {precision} here, not in the asked precision"
        return other_device(running.description["device"], base.description["device"])


def other_device(device: str, base: str) -> str:
    """Return a sentence if a contender runs on another device than the base, or an empty string."""
    if device.partition(":")[0] == base.partition(":")[0]:
        return ""
    return f"it computes on {device} here, and the base on {base}"
