"""Plan of a bench: the length of its turns, the model of the paper's evaluation, and a folder for temporary files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report.findings import Finding

Progress = Callable[[str], None]
"""Shows the current activity to the user."""


@dataclass(frozen=True)
class EvaluationSettings:
    """Model, size and contenders of the paper's evaluation.

    Measurements outside that group use the shipped model at 256×256, for which their targets are set.
    """

    model: str = "shipped"
    """'shipped', or a folder in diffusers format."""
    name: str = "shipped model"
    """Name of the model in rows."""
    size: int = 256
    """Side of a picture in px."""
    precision: str = ""
    """Precision of every row of a comparison. Empty means float32 on a processor and float16 on a GPU."""
    steps: tuple[int, ...] = (1, 4, 8)
    accelerators: tuple[str, ...] | None = None
    """Accelerators to compare. None means all that work on this machine."""
    among: tuple[str, ...] = ()
    """Models that `models` changes between. Empty means `model` and a very small one."""
    full_autoencoder: bool = False
    """True if the comparison starts with Stable Diffusion's full autoencoder."""
    largest: int | None = None
    """Largest side in px of the measurement `sizes`. None means 512 on a processor and 1024 on a GPU."""
    cache: Path | None = None
    """Folder of converted networks. None means the user's cache folder."""
    pictures: int = 24
    """Number of pictures that `quality` compares."""
    footage: Path | None = None
    """Clip that provides the source pictures of `quality`. None means the test card."""
    clip: Path | None = None
    """Folder of a CLIP model, for the CLIP score."""
    inception: Path | None = None
    """TorchScript file of an Inception network, for the Fréchet distance."""
    sheets: Path | None = None
    """Folder that receives the contact sheets of `model`. None means no sheets."""

    @property
    def typical_steps(self) -> int:
        """Step count of measurements that take only one: 4, or the largest step count if it is lower."""
        return min(4, max(self.steps))


@dataclass(frozen=True)
class BenchPlan:
    """Duration and number of turns, and the folder for temporary files."""

    folder: Path
    seconds: float = 5.0
    """Counted seconds of each turn."""
    pairs: int = 5
    """Number of interleaved pairs of turns in a comparison."""
    kills: int = 3
    """Number of times that `recovery` kills the renderer."""
    quick: bool = False
    """True if a few rows are enough."""
    settings: EvaluationSettings = field(default_factory=EvaluationSettings)
    shared: dict[str, Any] = field(default_factory=dict)
    """Values that one measurement leaves for the next, such as the accelerators of this machine."""
    known: frozenset[str] = frozenset()
    """Configurations of rows that an earlier bench has measured. Measurements with `by_row` skip them."""


Measure = Callable[[BenchPlan, Progress], Iterator[Finding]]
