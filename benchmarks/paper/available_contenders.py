"""Contenders available on this machine: rivals, the vanilla loop, and the stream on every accelerator."""

from dataclasses import dataclass, replace

from benchmarks.child_process import ChildProcess
from benchmarks.paper.contender import ContenderConfig, ContenderSpec
from benchmarks.plan import BenchPlan, EvaluationSettings
from benchmarks.report.findings import Row

CONTENDER_PROCESS = "benchmarks.paper.contender_process"
VANILLA = ContenderSpec("vanilla loop", "vanilla")
DIFFUSERS = ContenderSpec("diffusers pipeline", "diffusers")
RIVAL = "StreamDiffusion's pipeline"


@dataclass(frozen=True)
class AvailableContenders:
    """Device, accelerators and precision of a comparison on this machine."""

    settings: EvaluationSettings
    device: str
    """cpu or cuda."""
    best: str
    """Accelerator of the whole stream: the first one named, else the fastest available."""
    accelerators: tuple[str, ...]
    """Accelerators to compare, eager first."""
    missing: dict[str, str]
    """Reason why each accelerator or package cannot be measured, or an empty string."""
    precision: str
    """Precision of every row of a comparison."""

    def config(
        self, size: int | None = None, most_steps: int | None = None, full_autoencoder: bool = False
    ) -> ContenderConfig:
        """Return the settings that contenders share, by default at the evaluation's size and largest step count."""
        return ContenderConfig(
            self.settings.model,
            size or self.settings.size,
            size or self.settings.size,
            self.precision,
            most_steps or max(self.settings.steps),
            full_autoencoder,
            str(self.settings.cache) if self.settings.cache else None,
        )

    def name(self, size: int | None = None) -> str:
        """Return model, size and precision as rows have them."""
        size = size or self.settings.size
        return f"{self.settings.name} at {size}x{size}, {self.precision}"

    def rival(self, full_autoencoder: bool = False) -> ContenderSpec:
        """Return the pipeline of the published package StreamDiffusion."""
        missing = self.missing["streamdiffusion"]
        return ContenderSpec(RIVAL, "streamdiffusion", full_autoencoder=full_autoencoder, missing=missing)

    def stream(self, accelerator: str, name: str = "", **settings: object) -> ContenderSpec:
        """Return the stream on an accelerator."""
        name = name or f"stream, {accelerator}"
        missing = self.missing.get(accelerator, "")
        return ContenderSpec(name, "stream", {"accelerator": accelerator, **settings}, missing=missing)

    def in_both_precisions(self, accelerator: str, name: str) -> ContenderSpec:
        """Return the stream in the accelerator's own precision, followed by the stream in the asked one."""
        own = self.stream(accelerator, f"{name} in its own precision", own_precision=True)
        return replace(own, in_asked_precision=self.stream(accelerator, name))


def find_contenders(plan: BenchPlan) -> AvailableContenders:
    """Return the contenders of this machine, found by a child process that imports torch. Ask once per bench."""
    if "accelerators" not in plan.shared:
        with ChildProcess(CONTENDER_PROCESS, plan.folder) as child:
            plan.shared["accelerators"] = child.ask({"do": "find_accelerators"})
    answer: Row = plan.shared["accelerators"]
    wanted = plan.settings.accelerators
    named = wanted or answer["accelerators"]
    return AvailableContenders(
        settings=plan.settings,
        device=answer["device"],
        best=wanted[0] if wanted else answer["best"],
        accelerators=tuple(sorted(named, key=lambda name: name != "eager")),
        missing=answer["missing"],
        precision=plan.settings.precision or ("float16" if answer["device"] == "cuda" else "float32"),
    )
