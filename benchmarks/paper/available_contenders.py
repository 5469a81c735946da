"""Who takes part: the rivals, the vanilla loop, and the stream on every accelerator that works here."""

from dataclasses import dataclass, replace

from benchmarks.child_process import ChildProcess
from benchmarks.paper.paired_runs import ContenderSpec
from benchmarks.plan import BenchPlan
from benchmarks.report.findings import Row

VANILLA = ContenderSpec("vanilla loop", "vanilla")
DIFFUSERS = ContenderSpec("diffusers pipeline", "diffusers")
RIVAL = "StreamDiffusion's pipeline"


@dataclass(frozen=True)
class AvailableContenders:
    """What this machine has."""

    device: str
    """cpu or cuda."""
    best: str
    """The accelerator that the whole is measured on: the first one named, else the fastest that there is."""
    accelerators: tuple[str, ...]
    """All that are wanted, eager first."""
    missing: dict[str, str]
    """Why one can't be measured; empty where it can."""
    precision: str
    """Of every row of a comparison."""

    def rival(self, full_autoencoder: bool = False) -> ContenderSpec:
        """The published package."""
        missing = self.missing["streamdiffusion"]
        return ContenderSpec(RIVAL, "streamdiffusion", full_autoencoder=full_autoencoder, missing=missing)

    def stream(self, accelerator: str, name: str = "", **settings: object) -> ContenderSpec:
        """The stream on an accelerator."""
        name = name or f"stream, {accelerator}"
        missing = self.missing.get(accelerator, "")
        return ContenderSpec(name, "stream", {"accelerator": accelerator, **settings}, missing=missing)

    def in_both_precisions(self, accelerator: str, name: str) -> ContenderSpec:
        """The stream in what the accelerator takes by itself, and in the comparison's: what that gains is a row."""
        own = self.stream(accelerator, f"{name} in its own precision", own_precision=True)
        return replace(own, in_asked_precision=self.stream(accelerator, name))


def find_contenders(plan: BenchPlan) -> AvailableContenders:
    """Asks a process of its own, for the bench itself never imports torch."""
    if "here" not in plan.shared:
        with ChildProcess("benchmarks.paper.contender_process", plan.folder) as child:
            plan.shared["here"] = child.ask({"do": "here"})
    answer: Row = plan.shared["here"]
    wanted = plan.subject.accelerators
    named = wanted or answer["accelerators"]
    return AvailableContenders(
        device=answer["device"],
        best=wanted[0] if wanted else answer["best"],
        accelerators=tuple(sorted(named, key=lambda name: name != "eager")),
        missing=answer["missing"],
        precision=plan.subject.precision or ("float16" if answer["device"] == "cuda" else "float32"),
    )
