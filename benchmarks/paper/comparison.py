"""A comparison: contenders held against one of them, look by look, leaving out what is known already."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.paper.available_contenders import AvailableContenders
from benchmarks.paper.paired_runs import (
    ContenderSpec,
    RunningContender,
    SamplingSettings,
    run_alone,
    run_pairs,
    start_contender,
)
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget


def no_target(contender: ContenderSpec, look: SamplingSettings, figures: Row) -> Iterator[SpeedTarget]:
    """Of comparisons that promise nothing."""
    yield from ()


@dataclass(frozen=True)
class Comparison:
    """What is compared, all of it in one precision but for who takes its own."""

    base: ContenderSpec
    """Who the others are held against; its own row has the ratio 1."""
    contenders: Sequence[ContenderSpec]
    looks: Sequence[SamplingSettings]
    size: int
    """px a side."""
    axes: Row = field(default_factory=dict)
    """For plots, beside the look's and the contender's name."""
    about: str = ""
    """What is to be said of all of its rows."""
    targets: Callable[[ContenderSpec, SamplingSettings, Row], Iterator[SpeedTarget]] = no_target

    def configuration(
        self, plan: BenchPlan, here: AvailableContenders, contender: ContenderSpec, look: SamplingSettings
    ) -> str:
        """What a row is called, and found again by."""
        where = f"{plan.subject.name} at {self.size}x{self.size}, {here.precision}, {look.words}{self.about}"
        return f"{where}: {contender.name}"


def compared(plan: BenchPlan, here: AvailableContenders, comparison: Comparison, tell: Progress) -> Iterator[Finding]:
    """Its rows. A contender that can't be measured is a row that says why, and the next is taken.

    Raises:
        NotMeasured: the base can't be: without it there is nothing to compare.
    """
    most_steps = max(look.steps for look in comparison.looks)
    base = comparison.base

    def row(contender: ContenderSpec, look: SamplingSettings, figures: Row) -> Row:
        axes = look.axes | {"size": comparison.size, "contender": contender.name, "base": base.name} | comparison.axes
        return {"configuration": comparison.configuration(plan, here, contender, look), "axes": axes} | figures

    def wanted(contender: ContenderSpec) -> list[SamplingSettings]:
        """Looks that are not known."""
        every = comparison.looks
        return [look for look in every if comparison.configuration(plan, here, contender, look) not in plan.known]

    of_base = wanted(base)
    """Looks whose row of the base is still to come."""
    if base.missing and of_base:
        yield row(base, of_base.pop(0), {"missing": base.missing})
        of_base.clear()
    with ExitStack() as stack:
        held: list[RunningContender] = []

        def ready() -> RunningContender:
            """The base, built when it is first wanted: a bench that goes on where another ended may not want it."""
            if not held:
                tell(f"building {base.name}")
                held.append(
                    stack.enter_context(start_contender(plan, base, comparison.size, most_steps, here.precision))
                )
            return held[0]

        waiting = deque(comparison.contenders)
        while waiting:
            contender = waiting.popleft()
            asked = contender.in_asked_precision
            if asked is not None:
                waiting.appendleft(asked)
            looks = wanted(contender)
            if not looks:
                continue
            if contender.missing:
                yield row(contender, looks[0], {"missing": contender.missing})
                continue
            against = ready()
            if contender.less_precision and against.description["precision"] == here.precision:
                reason = f"{base.name} takes {here.precision} by itself here: there is nothing to be without"
                yield row(contender, looks[0], {"missing": reason})
                continue

            def say(text: str, name: str = contender.name) -> None:
                tell(f"{name}: {text}")

            say("building")
            look = looks[0]
            try:
                with start_contender(plan, contender, comparison.size, most_steps, here.precision) as one:
                    computed = one.description["precision"]
                    if asked is not None and computed == here.precision:
                        reason = f"by itself it takes {computed} here too: the row of {asked.name} is its own"
                        yield row(contender, look, {"missing": reason})
                        waiting.popleft()
                        contender, looks = asked, wanted(asked)
                    reason = _other_precision(contender, computed, here.precision)
                    if reason or (reason := _other_device(one.description["device"], against.description["device"])):
                        yield row(contender, look, {"missing": reason})
                        continue
                    for look in looks:
                        met = run_pairs(one, against, look, plan, say)
                        if look in of_base:  # its turns against the first contender are as many as it needs
                            of_base.remove(look)
                            yield row(base, look, met.base | {"ratio": 1.0} | against.description)
                        yield from comparison.targets(contender, look, met.one)
                        yield row(contender, look, met.one | one.description)
            except NotMeasured as error:
                yield row(contender, look, {"missing": str(error)})
        for look in of_base:
            tell(f"{base.name}: {look.words}")
            yield row(base, look, run_alone(ready(), look, plan) | {"ratio": 1.0} | ready().description)


def _other_device(device: str, others: str) -> str:
    """Likewise."""
    same = device.partition(":")[0] == others.partition(":")[0]
    return "" if same else f"it computes on {device} here, and the others on {others}"


def _other_precision(contender: ContenderSpec, computed: str, asked: str) -> str:
    """Why what was built is not to be compared here, or nothing."""
    if computed == asked or contender.settings.get("own_precision"):
        return ""
    return f"it computes in {computed} here, whatever is asked for"
