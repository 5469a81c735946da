"""StreamFlow's adaptive forward: a denoiser for networks that can't take each row at its own timestep in one call.

It makes one call if all timesteps are equal, otherwise one call for each distinct timestep. A network with a fixed
batch gets each of those groups in batches of its size.
"""

from collections.abc import Sequence

import torch

from pipeline.denoiser import ConditioningRows, Denoiser


def group_rows(timesteps: Sequence[float], scalar: bool = True, batch: int | None = None) -> list[list[int]]:
    """Return the row numbers of each call, ordered by the first row of each group of equal timesteps.

    Args:
        timesteps: Timestep of each row.
        scalar: The rows of a call must have equal timesteps.
        batch: Number of rows that a call must have; short groups repeat their first row. None allows any number.
    """
    groups: dict[float, list[int]] = {}
    for row, timestep in enumerate(timesteps):
        groups.setdefault(timestep if scalar else 0.0, []).append(row)
    if batch is None:
        return list(groups.values())
    calls = [rows[start : start + batch] for rows in groups.values() for start in range(0, len(rows), batch)]
    return [rows + rows[:1] * (batch - len(rows)) for rows in calls]


class AdaptiveDenoiser:
    """A `Denoiser` that calls a network once for each group of `group_rows`.

    It is a `pipeline.denoiser.HostTimesteps` too: with announced timesteps, nothing is read back from a GPU. Adjacent
    rows are passed as a slice without a copy; other rows are copied together.
    """

    def __init__(self, network: Denoiser, scalar: bool = True, batch: int | None = None) -> None:
        """
        Args:
            network: Called with the rows of each group.
            scalar: The network takes one timestep for all its rows.
            batch: Only number of rows that the network takes; None if it takes any.
        """
        self._network = network
        self._scalar = scalar
        self._batch = batch
        self._announced: list[float] | None = None
        self._buffers: dict[tuple[str, int], torch.Tensor] = {}

    def announce_timesteps(self, timesteps: Sequence[float]) -> None:
        """Set the timesteps of the next call, as in `pipeline.denoiser.HostTimesteps`."""
        self._announced = list(timesteps)

    @torch.inference_mode()
    def __call__(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        """Return the output of each row, as in `pipeline.denoiser.Denoiser`. `timesteps` is ``[B]``."""
        announced, self._announced = self._announced, None
        if announced is None or latents.device.type == "cpu":
            announced = timesteps.tolist()  # on a GPU this blocks; it happens during warm-up and outside of a stream
        groups = group_rows(announced, self._scalar, self._batch)
        if groups == [list(range(len(latents)))]:
            return self._network(latents, timesteps, conditioning)
        for rows in groups:
            texts = {name: self._gather(name, tensor, rows) for name, tensor in conditioning.parts().items()}
            result = self._network(
                self._gather("latents", latents, rows),
                self._gather("timesteps", timesteps, rows),
                ConditioningRows.of(texts),
            )
            out = self._buffer("out", len(latents), result)
            for index, row in enumerate(dict.fromkeys(rows)):
                out[row].copy_(result[index])
        return out

    def _gather(self, name: str, tensor: torch.Tensor, rows: list[int]) -> torch.Tensor:
        """Return these rows of a tensor: a slice if they are adjacent, otherwise a copy in a reused buffer."""
        first, last = rows[0], rows[-1]
        if rows == list(range(first, last + 1)):
            return tensor[first : last + 1]
        buffer = self._buffer(name, len(rows), tensor)
        for index, row in enumerate(rows):
            buffer[index].copy_(tensor[row])
        return buffer

    def _buffer(self, name: str, rows: int, like: torch.Tensor) -> torch.Tensor:
        """Return a buffer of `rows` rows with the dtype and device of `like`, allocated once."""
        buffer = self._buffers.get((name, rows))
        if buffer is None:
            buffer = torch.empty((rows, *like.shape[1:]), dtype=like.dtype, device=like.device)
            self._buffers[name, rows] = buffer
        return buffer
