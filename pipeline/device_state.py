"""What the device holds of a stream, and the one function that advances it: static shapes, static memory.

Everything is allocated once. `DeviceState.advance` reads nothing back and branches on nothing but what the host hands
it, so that a compiler or a CUDA graph can take it whole, one a prepared batch size and set of terms.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from pipeline import step_block as at
from pipeline.conditioning import Conditioning, ConditioningShape
from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.pinned_ring import PinnedRing
from pipeline.step_block import Block, StepTerms, lay_out
from presets.errors import StreamError

RING = 4
"""How many steps the host may run ahead of a GPU."""


class Batch(NamedTuple):
    """The static inputs of one prepared batch size, so that compiled graphs see the same memory every time."""

    latents: torch.Tensor
    timesteps: torch.Tensor
    conditioning: ConditioningRows


class DeviceState:
    """The tensors of `slots` slots, and of one spare past the last that takes the writes of lanes without a picture."""

    def __init__(
        self,
        denoiser: Denoiser,
        *,
        slots: int,
        latent_shape: tuple[int, int, int],
        conditioning: ConditioningShape,
        sizes: Sequence[int],
        second_time: bool,
        embedded_guidance: bool,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """As in `pipeline.stream.StreamPipeline`, which checks what it is given."""
        self._denoiser = denoiser
        self._slots = slots
        self._dtype = dtype
        precise = torch.float64 if dtype == torch.float64 else torch.float32

        def zeros(*shape: int, dtype: torch.dtype = dtype) -> torch.Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        self.latents = zeros(slots + 1, *latent_shape)
        """``[slots + 1, C, h, w]``: where each picture is."""
        self.anchors = zeros(slots + 1, *latent_shape)
        """Likewise: the clean picture that residual guidance leads away from."""
        self.noise = zeros(2 * (slots + 1), *latent_shape)
        """Two a slot: the one on its path, and the fresh one of a stochastic row."""
        # Two rows a slot: what to draw, and what not.
        self._texts = _text_rows(2 * (slots + 1), conditioning, None, zeros)
        self._lanes = {name: zeros(slots, *latent_shape) for name in ("next", "cond", "uncond", "anchor", "noise")}
        self.batches = {
            size: Batch(
                zeros(size, *latent_shape),
                zeros(size, 2, dtype=precise) if second_time else zeros(size, dtype=precise),
                _text_rows(size, conditioning, precise if embedded_guidance else None, zeros),
            )
            for size in sizes
        }
        width = max(*sizes, slots)
        self._ring = PinnedRing(RING, (at.COLUMNS, width), precise, device)
        self._ring_np: list[Block] = [block.numpy() for block in self._ring.tensors]
        self._block = zeros(at.COLUMNS, width, dtype=precise)
        self._index = zeros(at.INDICES, width, dtype=torch.int64)

    def next_block(self) -> Block:
        """The block that the host may write now, ``[COLUMNS, width]``."""
        self._ring.take()
        return self._ring_np[self._ring.turn]

    def send(self) -> None:
        """Sends up the block that was written last."""
        self._block.copy_(self._ring.tensors[self._ring.turn], non_blocking=True)
        self._ring.copying()

    def rest(self) -> None:
        """Sends up the block of a step without any picture: `advance` then reads and writes the spare slot alone."""
        lay_out(self.next_block(), [], self._slots, False)
        self.send()

    def write_text(self, number: int, conditioning: Conditioning) -> None:
        """Copies what slot `number` is drawn from, and away from."""
        for place, text in ((2 * number, conditioning.positive), (2 * number + 1, conditioning.negative)):
            for rows, one in zip(self._texts, (text.embeds, text.mask, text.pooled, None), strict=True):
                if rows is not None and one is not None:
                    # Texts are never changed once made; from pinned memory a GPU fetches them when it gets there.
                    pinned = rows.is_cuda and not one.is_cuda
                    rows[place].copy_(one.pin_memory() if pinned else one, non_blocking=True)

    def advance(self, size: int, terms: StepTerms) -> None:
        """The whole step at one batch size, as the block that was sent last describes it."""
        self._index.copy_(self._block[: at.INDICES])
        index, block, batch = self._index, self._block, self.batches[size]
        torch.index_select(self.latents, 0, index[at.LATENT, :size], out=batch.latents)
        batch.latents.mul_(block[at.SCALE, :size].view(size, 1, 1, 1))
        if batch.timesteps.ndim == 2:
            batch.timesteps.copy_(block[at.TIMESTEP : at.SECOND + 1, :size].T)
        else:
            batch.timesteps.copy_(block[at.TIMESTEP, :size])
        for held, row in zip(self._texts, batch.conditioning, strict=True):
            if held is not None and row is not None:
                torch.index_select(held, 0, index[at.TEXT, :size], out=row)
        if batch.conditioning.guidance is not None:
            batch.conditioning.guidance.copy_(block[at.EMBEDDED, :size])

        out = self._denoiser(*batch)
        if out.shape != batch.latents.shape or out.dtype != self._dtype:
            raise StreamError(
                f"The denoiser answered {out.dtype} {tuple(out.shape)}; the stream needs"
                f" {self._dtype} {tuple(batch.latents.shape)}."
            )

        lanes = min(size, self._slots)  # a lane has a row at least, so no batch holds more lanes than rows

        def gathered(name: str, held: torch.Tensor, column: int) -> torch.Tensor:
            return torch.index_select(held, 0, index[column, :lanes], out=self._lanes[name][:lanes])

        def weight(column: int) -> torch.Tensor:
            return block[column, :lanes].view(lanes, 1, 1, 1)

        z = gathered("next", self.latents, at.READ)
        uncond = gathered("uncond", out, at.UNCOND) if terms.uncond else None
        anchor = gathered("anchor", self.anchors, at.READ) if terms.residual or terms.anchoring else None
        if terms.anchoring and anchor is not None and uncond is not None:
            found = anchor.mul_(weight(at.KEEP)).addcmul_(z, weight(at.SEEN_Z)).addcmul_(uncond, weight(at.SEEN_OUT))
            self.anchors.index_copy_(0, index[at.WRITE, :lanes], found)
        z.mul_(weight(at.W_Z)).addcmul_(gathered("cond", out, at.COND), weight(at.W_COND))
        if uncond is not None:
            z.addcmul_(uncond, weight(at.W_UNCOND))
        if terms.residual and anchor is not None:
            z.addcmul_(anchor, weight(at.W_ANCHOR))
            z.addcmul_(gathered("noise", self.noise, at.PATH), weight(at.W_PATH))
        if terms.fresh:
            z.addcmul_(gathered("noise", self.noise, at.FRESH), weight(at.W_FRESH))
        self.latents.index_copy_(0, index[at.WRITE, :lanes], z)


def _text_rows(
    count: int, shape: ConditioningShape, guided: torch.dtype | None, zeros: Callable[..., torch.Tensor]
) -> ConditioningRows:
    """Room for `count` texts and, where `guided` is a type, for their guidance."""
    return ConditioningRows(
        zeros(count, *shape.embeds),
        zeros(count, shape.embeds[0]) if shape.masked else None,
        None if shape.pooled is None else zeros(count, shape.pooled),
        None if guided is None else zeros(count, dtype=guided),
    )
