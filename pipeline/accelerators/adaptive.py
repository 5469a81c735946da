"""Adaptive forward of StreamFlow, for a network that can't take each row at its own timestep in one call.

It makes one call if all timesteps agree, else one for each distinct timestep. Where the network's batch is fixed, it
makes as many of those as the rows need.
"""

from collections.abc import Sequence
from typing import Any

import torch

from pipeline.denoiser import ConditioningRows, Denoiser


def calls(timesteps: Sequence[float], scalar: bool = True, batch: int | None = None) -> list[list[int]]:
    """Group the rows into calls, in the order of each group's first row. Rows of a fixed `batch` are padded with their
    first.

    Args:
        timesteps: Timestep of every row.
        scalar: True if the rows of one call share their timestep.
        batch: Only number of rows that the network takes; None if it takes any.
    """
    groups: dict[float, list[int]] = {}
    for row, timestep in enumerate(timesteps):
        groups.setdefault(timestep if scalar else 0.0, []).append(row)
    if batch is None:
        return list(groups.values())
    parts = [rows[start : start + batch] for rows in groups.values() for start in range(0, len(rows), batch)]
    return [rows + rows[:1] * (batch - len(rows)) for rows in parts]


class AdaptiveDenoiser:
    """A `Denoiser`, and a `pipeline.denoiser.HostTimesteps` one, over a network that needs its rows grouped.

    Nothing is read back from a GPU as long as the stream announces the timesteps. Adjacent rows are passed on without a
    copy; others are copied together.
    """

    def __init__(self, network: Denoiser, scalar: bool = True, batch: int | None = None) -> None:
        """
        Args:
            network: Called with rows grouped by `calls`.
            scalar: True if it takes one timestep for all its rows.
            batch: Only number of rows that it takes; None if it takes any.
        """
        self._network = network
        self._scalar = scalar
        self._batch = batch
        self._announced: list[float] | None = None
        self._buffers: dict[tuple[str, int], torch.Tensor] = {}

    def announce_timesteps(self, timesteps: Sequence[float]) -> None:
        """Store the timesteps of the next call. See `pipeline.denoiser.HostTimesteps`."""
        self._announced = list(timesteps)

    @torch.inference_mode()
    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Run the network, in as many calls as the timesteps ``[B]`` need. See `pipeline.denoiser.Denoiser`."""
        announced, self._announced = self._announced, None
        if announced is None or latents.device.type == "cpu":
            announced = timesteps.tolist()  # waits on a GPU; only without an announcement
        grouped = calls(announced, self._scalar, self._batch)
        if grouped == [list(range(len(latents)))]:
            return self._network(latents, timesteps, conditioning)
        out = self._buffer("out", len(latents), latents)
        for rows in grouped:
            parts: dict[str, Any] = {
                name: None if part is None else self._gathered(name, part, rows)
                for name, part in conditioning._asdict().items()
            }
            answer = self._network(
                self._gathered("latents", latents, rows),
                self._gathered("timesteps", timesteps, rows),
                ConditioningRows(**parts),
            )
            for place, row in enumerate(dict.fromkeys(rows)):
                out[row].copy_(answer[place])
        return out

    def _gathered(self, name: str, held: torch.Tensor, rows: list[int]) -> torch.Tensor:
        first, last = rows[0], rows[-1]
        if rows == list(range(first, last + 1)):
            return held[first : last + 1]
        buffer = self._buffer(name, len(rows), held)
        for place, row in enumerate(rows):
            buffer[place].copy_(held[row])
        return buffer

    def _buffer(self, name: str, size: int, like: torch.Tensor) -> torch.Tensor:
        """Return memory for so many rows, the same on every call."""
        buffer = self._buffers.get((name, size))
        if buffer is None:
            buffer = self._buffers[name, size] = torch.empty(
                (size, *like.shape[1:]), dtype=like.dtype, device=like.device
            )
        return buffer
