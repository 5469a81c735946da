"""Contenders of a comparison: their interface, their settings, and the settings of the frames they draw.

This module does not import torch, because the bench itself uses it.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from presets.parameters import Parameters

if TYPE_CHECKING:
    import torch

Pixels = NDArray[np.uint8]
"""RGB ``[H, W, 3]``."""


class ContenderConfig(NamedTuple):
    """Settings that all contenders of one comparison share."""

    model: str
    """'shipped', or a folder in diffusers format."""
    width: int
    """px"""
    height: int
    """px"""
    precision: str
    """float32, float16 or bfloat16."""
    most_steps: int
    """Largest step count of the comparison."""
    full_autoencoder: bool = False
    """True for Stable Diffusion's full autoencoder with random weights in place of the model's."""
    cache: str | None = None
    """Folder of converted networks. None means the user's cache folder."""


class Contender(Protocol):
    """An implementation that draws frames. Frames go in and come out as uint8 in main memory."""

    description: dict[str, Any]
    """Figures for its rows: precision, device, and accelerator if it has one."""
    device: "torch.device"

    def begin(self, look: Parameters) -> None:
        """Drop the frames in flight, and draw with `look` from now on. Prompts are encoded here, outside the timing."""
        ...

    def draw(self, source: Pixels, seed: int) -> list[Pixels]:
        """Admit one frame and return the finished ones. Text mode ignores `source`."""
        ...


@dataclass(frozen=True)
class ContenderSpec:
    """Name and settings of one contender, from which `contender_process` builds it."""

    name: str
    """Name in rows and plots."""
    kind: str
    """Key of `contender_process.KINDS`."""
    settings: dict[str, Any] = field(default_factory=dict)
    full_autoencoder: bool = False
    missing: str = ""
    """Reason why it cannot be measured on this machine, or an empty string."""
    in_asked_precision: "ContenderSpec | None" = None
    """Variant in the precision of the comparison.

    It is measured after this one. If this one computes in that precision too, only one of them is built, and the row
    belongs to the other.
    """
    less_precision: bool = False
    """True if it is the base without its own precision. It is no contender if the base has the asked precision."""


@dataclass(frozen=True)
class SamplingSettings:
    """Steps, mode and guidance of the frames in one row."""

    steps: int
    mode: str = "image"
    guidance: float = 1.0
    kind: str = "full"
    """Kind of guidance."""

    @property
    def name(self) -> str:
        """Name in rows, such as ``4 steps, image-to-image, guidance off``."""
        mode = "text-to-image" if self.mode == "text" else "image-to-image"
        steps = f"{self.steps} step" + ("s" if self.steps > 1 else "")
        kind = "" if self.kind == "full" else f" {self.kind}"
        guidance = "off" if self.guidance == 1 else f"{self.guidance:g}{kind}"
        return f"{steps}, {mode}, guidance {guidance}"

    @property
    def parameters(self) -> dict[str, Any]:
        """Values for `presets.parameters`.

        Strength is 0.95 in image mode: up to 8 steps that is one network call for each step, and the encoder.
        """
        return self.axes | {"strength": 1.0 if self.mode == "text" else 0.95}

    @property
    def axes(self) -> dict[str, Any]:
        """Values that place the row in a plot."""
        return {"steps": self.steps, "mode": self.mode, "guidance": self.guidance, "guidance_kind": self.kind}
