"""A comparison: contenders held against one of them, look by look, leaving out what is known already."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from daemon.bench.paper.duel import Contender, Entered, Look, duel, entered, solo
from daemon.bench.paper.field import Here
from daemon.bench.results import Finding, NotMeasured, Plan, Row, Target, Tell


def no_target(contender: Contender, look: Look, figures: Row) -> Iterator[Target]:
    """Of comparisons that promise nothing."""
    yield from ()


@dataclass(frozen=True)
class Comparison:
    """What is compared, all of it in one precision but for who takes its own."""

    base: Contender
    """Who the others are held against; its own row has the ratio 1."""
    contenders: Sequence[Contender]
    looks: Sequence[Look]
    size: int
    """px a side."""
    axes: Row = field(default_factory=dict)
    """For plots, beside the look's and the contender's name."""
    about: str = ""
    """What is to be said of all of its rows."""
    targets: Callable[[Contender, Look, Row], Iterator[Target]] = no_target

    def configuration(self, plan: Plan, here: Here, contender: Contender, look: Look) -> str:
        """What a row is called, and found again by."""
        where = f"{plan.subject.name} at {self.size}x{self.size}, {here.precision}, {look.words}{self.about}"
        return f"{where}: {contender.name}"


def compared(plan: Plan, here: Here, comparison: Comparison, tell: Tell) -> Iterator[Finding]:
    """Its rows. A contender that can't be measured is a row that says why, and the next is taken."""
    most_steps = max(look.steps for look in comparison.looks)
    base = comparison.base

    def row(contender: Contender, look: Look, figures: Row) -> Row:
        axes = look.axes | {"size": comparison.size, "contender": contender.name, "base": base.name} | comparison.axes
        return {"configuration": comparison.configuration(plan, here, contender, look), "axes": axes} | figures

    with ExitStack() as stack:
        held: list[Entered] = []

        def ready() -> Entered:
            """The base, built when it is first wanted: a bench that goes on where another ended may not want it."""
            if not held:
                tell(f"building {base.name}")
                held.append(stack.enter_context(entered(plan, base, comparison.size, most_steps, here.precision)))
            return held[0]

        for contender in (base, *comparison.contenders):
            wanted = [
                look
                for look in comparison.looks
                if comparison.configuration(plan, here, contender, look) not in plan.known
            ]
            if not wanted:
                continue
            if contender.missing:
                yield row(contender, wanted[0], {"missing": contender.missing})
                continue

            def say(text: str, name: str = contender.name) -> None:
                tell(f"{name}: {text}")

            try:
                if contender is base:
                    for look in wanted:
                        yield row(base, look, solo(ready(), look, plan, say) | ready().description)
                    continue
                against = ready()
                say("building")
                with entered(plan, contender, comparison.size, most_steps, here.precision) as one:
                    reason = _other_precision(contender, one.description["precision"], here.precision)
                    if reason or (reason := _other_device(one.description["device"], against.description["device"])):
                        yield row(contender, wanted[0], {"missing": reason})
                        continue
                    for look in wanted:
                        figures = duel(one, against, look, plan, say)
                        yield from comparison.targets(contender, look, figures)
                        yield row(contender, look, figures | one.description)
            except NotMeasured as error:
                if contender is base:
                    raise  # without it there is nothing to compare
                yield row(contender, wanted[0], {"missing": str(error)})


def _other_device(device: str, others: str) -> str:
    """Likewise."""
    same = device.partition(":")[0] == others.partition(":")[0]
    return "" if same else f"it computes on {device} here, and the others on {others}"


def _other_precision(contender: Contender, computed: str, asked: str) -> str:
    """Why what was built is not to be compared here, or nothing."""
    if contender.if_other_precision and computed == asked:
        return f"by itself it takes {asked} here too: the row above is its own"
    return (
        ""
        if computed == asked or contender.settings.get("own_precision")
        else f"it computes in {computed} here, whatever is asked for"
    )
