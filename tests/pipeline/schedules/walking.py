"""A schedule's table walked by hand, in float64, with any network; and a network that no step is exact for."""

from collections.abc import Callable, Sequence

import torch

from pipeline.schedule import FlowSchedule

Network = Callable[[torch.Tensor, float], torch.Tensor]

SHAPE = (2, 4, 6)


def noise(seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def bent(period: float) -> Network:
    """Nonlinear in latent and time, in the dtype of the latent."""
    return lambda z, t: torch.tanh(1.2 * z) * float(torch.cos(torch.tensor(t / period))) + 0.3 * torch.sin(3 * z + 1)


def walk(
    schedule: FlowSchedule, network: Network, entry: torch.Tensor, fresh: Sequence[torch.Tensor] = ()
) -> torch.Tensor:
    """From `entry` to the end; row i adds `fresh[i]` where it adds noise. The network is told `timestep`."""
    z = entry.double()
    for row in range(len(schedule)):
        out = network(float(schedule.scale[row]) * z, float(schedule.timestep[row]))
        z = float(schedule.a[row]) * z + float(schedule.b[row]) * out
        if schedule.c[row]:
            z = z + float(schedule.c[row]) * fresh[row].double()
    return z


def farthest(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest difference, as a share of the largest number."""
    return float((a.double() - b.double()).abs().max() / b.double().abs().max())
