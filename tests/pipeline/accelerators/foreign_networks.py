"""Networks exported to ONNX by other means than the product's, and the inputs to compare them with."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from pipeline.accelerators.engines import Engines, Shapes, left_out
from pipeline.denoiser import ConditioningRows

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 8)
TOLERANCE = 1e-4


class SmallNetwork(nn.Module):
    """A network with the inputs of a denoiser, nonlinear in each of them and quick to export."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(2)
            self.conv = nn.Conv2d(4, 4, 3, padding=1, dtype=dtype)
            self.text = nn.Linear(16, 4, dtype=dtype)

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, embeds: torch.Tensor) -> torch.Tensor:
        time = torch.sin(timestep.to(torch.float32) / 300.0).to(latents.dtype).reshape(-1, 1, 1, 1)
        text = self.text(embeds.mean(1))[:, :, None, None]
        return torch.tanh(self.conv(latents) * (1.0 + time)) + text * time


def write_onnx(
    network: nn.Module, path: Path, names: Sequence[str], inputs: Sequence[torch.Tensor], free: Sequence[bool]
) -> Path:
    """Export with torch's older exporter. The batch of an input is dynamic where `free` is True."""
    axes = {name: {0: "B"} for name, dynamic in zip(names, free, strict=True) if dynamic}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), tuple(inputs), path, input_names=list(names), output_names=["out_sample"], dynamo=False,
            opset_version=17, dynamic_axes=axes | ({"out_sample": {0: "B"}} if free[0] else {}),
        )  # fmt: skip
    return path


def engines_without_denoiser() -> Engines:
    """Return engines on the CPU whose denoiser is to be replaced."""
    return Engines(left_out, lambda pixels: pixels, lambda latent: latent, (), torch.device("cpu"), "float32")


def inputs(timesteps: Sequence[float]) -> tuple[torch.Tensor, torch.Tensor, ConditioningRows]:
    """Return latents and conditioning for rows at these timesteps."""
    rows = len(timesteps)
    generator = torch.Generator().manual_seed(rows)
    return (
        torch.randn(rows, *SHAPES.latent, generator=generator),
        torch.tensor(timesteps),
        ConditioningRows(torch.randn(rows, *SHAPES.embeds, generator=generator)),
    )
