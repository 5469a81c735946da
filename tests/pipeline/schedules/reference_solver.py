"""A reference solver that applies a schedule's table in float64, and a network for which no step is exact."""

from collections.abc import Callable, Sequence

import torch

from pipeline.schedule import FlowSchedule

Network = Callable[[torch.Tensor, float], torch.Tensor]

SHAPE = (2, 4, 6)


def noise(seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def nonlinear_network(period: float) -> Network:
    """Return a network that is nonlinear in latent and time. Its output has the dtype of the latent."""
    return lambda z, t: torch.tanh(1.2 * z) * float(torch.cos(torch.tensor(t / period))) + 0.3 * torch.sin(3 * z + 1)


def solve(
    schedule: FlowSchedule, network: Network, entry: torch.Tensor, fresh: Sequence[torch.Tensor] = ()
) -> torch.Tensor:
    """Return the latent after all rows, from `entry`. A row i that adds noise adds `fresh[i]`."""
    z = entry.double()
    for row in range(len(schedule)):
        out = network(float(schedule.input_scale[row]) * z, float(schedule.timestep[row]))
        z = float(schedule.a[row]) * z + float(schedule.b[row]) * out
        if schedule.c[row]:
            z = z + float(schedule.c[row]) * fresh[row].double()
    return z


def relative_error(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the largest difference, relative to the largest value of `b`."""
    return float((a.double() - b.double()).abs().max() / b.double().abs().max())
