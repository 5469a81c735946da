"""The adaptive forward of StreamFlow: a network that can't take every row at its own timestep in one call.

One call when all timesteps agree, else one for each distinct timestep; and where the network's batch is fixed, as many
of those as it takes.
"""

from collections.abc import Sequence
from typing import Any

import torch

from pipeline.denoiser import ConditioningRows, Denoiser


def calls(timesteps: Sequence[float], scalar: bool = True, batch: int | None = None) -> list[list[int]]:
    """Which rows go together, in the order of their first; rows of a fixed `batch` are filled up with their first.

    Args:
        timesteps: Of every row.
        scalar: Rows of one call share their timestep.
        batch: The only number of rows that the network takes; None if it takes any.
    """
    groups: dict[float, list[int]] = {}
    for row, timestep in enumerate(timesteps):
        groups.setdefault(timestep if scalar else 0.0, []).append(row)
    if batch is None:
        return list(groups.values())
    parts = [rows[start : start + batch] for rows in groups.values() for start in range(0, len(rows), batch)]
    return [rows + rows[:1] * (batch - len(rows)) for rows in parts]


class AdaptiveDenoiser:
    """A `Denoiser`, and a `pipeline.denoiser.HostTimesteps` one, over a network that wants its rows grouped.

    Nothing is read back from a GPU as long as the stream says beforehand what the timesteps are. Rows that lie
    together are handed on as they lie; others are copied together.
    """

    def __init__(self, network: Denoiser, scalar: bool = True, batch: int | None = None) -> None:
        """
        Args:
            network: Called with rows as `calls` puts them together.
            scalar: It takes one timestep for all its rows.
            batch: The only number of rows that it takes; None if it takes any.
        """
        self._network = network
        self._scalar = scalar
        self._batch = batch
        self._foreseen: list[float] | None = None
        self._rooms: dict[tuple[str, int], torch.Tensor] = {}

    def announce_timesteps(self, timesteps: Sequence[float]) -> None:
        """As `pipeline.denoiser.HostTimesteps`."""
        self._foreseen = list(timesteps)

    @torch.inference_mode()
    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """As `pipeline.denoiser.Denoiser`; timesteps ``[B]``."""
        foreseen, self._foreseen = self._foreseen, None
        if foreseen is None or latents.device.type == "cpu":
            foreseen = timesteps.tolist()  # on a GPU this waits: when the stream warms up, and in other hands
        grouped = calls(foreseen, self._scalar, self._batch)
        if grouped == [list(range(len(latents)))]:
            return self._network(latents, timesteps, conditioning)
        out = self._room("out", len(latents), latents)
        for rows in grouped:
            parts: dict[str, Any] = {
                name: None if part is None else self._together(name, part, rows)
                for name, part in conditioning._asdict().items()
            }
            answer = self._network(
                self._together("latents", latents, rows),
                self._together("timesteps", timesteps, rows),
                ConditioningRows(**parts),
            )
            for place, row in enumerate(dict.fromkeys(rows)):
                out[row].copy_(answer[place])
        return out

    def _together(self, name: str, held: torch.Tensor, rows: list[int]) -> torch.Tensor:
        first, last = rows[0], rows[-1]
        if rows == list(range(first, last + 1)):
            return held[first : last + 1]
        room = self._room(name, len(rows), held)
        for place, row in enumerate(rows):
            room[place].copy_(held[row])
        return room

    def _room(self, name: str, size: int, like: torch.Tensor) -> torch.Tensor:
        """Memory for so many rows, the same one every time."""
        room = self._rooms.get((name, size))
        if room is None:
            room = self._rooms[name, size] = torch.empty((size, *like.shape[1:]), dtype=like.dtype, device=like.device)
        return room
