"""What a bench is about: which model, at what size, against whom. Made of the command line's options."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BenchSubject:
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
