"""What a bench measures, and for how long."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report.findings import Finding

Progress = Callable[[str], None]
"""Says what is being done now, for whoever watches."""


@dataclass(frozen=True)
class EvaluationSettings:
    """The paper's measurements take it; the others are of the shipped model at 256×256, which is what they promise."""

    model: str = "shipped"
    """'shipped', or a folder in diffusers format."""
    name: str = "shipped model"
    """As rows call it."""
    size: int = 256
    """px a side."""
    precision: str = ""
    """Of every row of a comparison; empty takes float32 on a processor and float16 on a GPU."""
    steps: tuple[int, ...] = (1, 4, 8)
    accelerators: tuple[str, ...] | None = None
    """None takes every one that works here."""
    full_autoencoder: bool = False
    """Whether the comparison begins with Stable Diffusion's own autoencoder."""
    largest: int | None = None
    """px a side, where sizes are compared; None takes 512 on a processor and 1024 on a GPU."""
    cache: Path | None = None
    """Where converted networks are kept; None takes the user's cache folder."""
    pictures: int = 24
    """How many are compared, where pictures are."""
    footage: Path | None = None
    """The clip that they are taken from; None takes the test card."""
    clip: Path | None = None
    """Folder of a CLIP model, for the CLIP score."""
    inception: Path | None = None
    """TorchScript file of an Inception network, for the Fréchet distance."""


@dataclass(frozen=True)
class BenchPlan:
    """How long to measure, and where temporary files may go."""

    folder: Path
    seconds: float = 5.0
    """Of each turn that is counted."""
    pairs: int = 5
    """Interleaved turns of two that are compared."""
    kills: int = 3
    quick: bool = False
    """Whether a few rows have to do."""
    subject: EvaluationSettings = field(default_factory=EvaluationSettings)
    shared: dict[str, Any] = field(default_factory=dict)
    """What one measurement has found out and the next need not ask again."""
    known: frozenset[str] = frozenset()
    """Configurations that an earlier bench has measured already: a measurement that goes row by row leaves them out."""


Measure = Callable[[BenchPlan, Progress], Iterator[Finding]]
