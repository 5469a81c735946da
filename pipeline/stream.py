"""The stream: many pictures in flight, each at its own row of its own schedule, one network call a step.

`StreamPipeline` is exact (a picture comes out as it would alone), ordered (pictures come out as they went in, each
once) and calls the denoiser once a step. It follows the stream batch of StreamFlow and StreamDiffusion, with the
solver in a table (`pipeline.schedule`) and not in code.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from pipeline.conditioning import Conditioning
from pipeline.denoiser import Denoiser
from pipeline.noise import ENTRY, noise_bank
from pipeline.schedule import FlowSchedule
from presets.errors import StreamError

RING = 4
"""Pinned blocks that go round, so that the host never writes one that a GPU is still fetching."""

# Columns of the block that goes up once a step. Of each denoiser row: the latent it reads, its conditioning, its
# timestep and scale. Of each slot: the latent it reads and writes, its output rows, their weights, its coefficients.
LATENT, EMBEDS, TIMESTEP, SCALE, READ, WRITE, COND, UNCOND, W_COND, W_UNCOND, A, B, C = range(13)


class Finished(NamedTuple):
    """A picture that is done."""

    latent: torch.Tensor
    """``[C, h, w]``; a view of its slot, valid until the next `StreamPipeline.admit`."""
    ticket: object
    """What it was admitted with."""


class _Slot:
    """The host's side of one picture in flight."""

    __slots__ = ("guidance", "row", "schedule", "seed", "ticket")

    def __init__(self, schedule: FlowSchedule, guidance: float, seed: int, ticket: object) -> None:
        self.schedule = schedule
        self.guidance = float(np.float32(guidance))  # so that 1 − guidance is exact in the float32 block
        self.seed = seed
        self.ticket = ticket
        self.row = 0

    @property
    def done(self) -> bool:
        return self.row == len(self.schedule)


class _Batch(NamedTuple):
    """The static inputs of one prepared batch size, so that compiled graphs see the same memory every time."""

    latents: torch.Tensor
    timesteps: torch.Tensor
    embeds: torch.Tensor


class StreamPipeline:
    """Latents in, latents out, up to `slots` of them in flight at once.

    All that the device holds a slot is allocated here, once. Slots never move; one spare slot past the last takes the
    writes of slots that do not step, so shapes stay the same whatever is in flight.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        *,
        slots: int,
        latent_shape: tuple[int, int, int],
        embeds_shape: tuple[int, int],
        sizes: Sequence[int],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """
        Args:
            denoiser: The network.
            slots: How many pictures may be in flight, 1 or more.
            latent_shape: ``(C, h, w)`` of one latent.
            embeds_shape: ``(L, D)`` of one text's conditioning.
            sizes: The batch sizes that the denoiser is prepared for; the largest must hold every slot guided.
            device: Where latents live.
            dtype: float32, float64 or a half type; coefficients stay float32, timesteps float32 or float64.

        Raises:
            StreamError: no slot, or prepared sizes that can't hold all slots with guidance.
        """
        if slots < 1:
            raise StreamError(f"slots is {slots}; a stream needs 1 or more.")
        self._sizes = tuple(sorted(set(sizes)))
        if not self._sizes or self._sizes[0] < 1 or self._sizes[-1] < 2 * slots:
            raise StreamError(
                f"The prepared batch sizes are {self._sizes}; {slots} slots with guidance need {2 * slots} rows."
            )
        self.slots = slots
        self._denoiser = denoiser
        self._latent_shape = latent_shape
        self._embeds_shape = embeds_shape
        self._device = torch.device(device)
        self._dtype = dtype
        self._noise_of = noise_bank(latent_shape, self._device, dtype)

        self._in_use: list[_Slot | None] = [None] * slots
        self._vacant = list(range(slots - 1, -1, -1))
        self._order: deque[int] = deque()

        def zeros(*shape: int, dtype: torch.dtype = dtype) -> torch.Tensor:
            return torch.zeros(shape, dtype=dtype, device=self._device)

        precise = torch.float64 if dtype == torch.float64 else torch.float32
        self._latents = zeros(slots + 1, *latent_shape)
        self._noise = zeros(slots + 1, *latent_shape)
        self._embeds = zeros(2 * (slots + 1), *embeds_shape)  # two rows a slot: the text, and what to steer away from
        self._held: list[Conditioning | None] = [None] * slots
        self._cond = zeros(slots, *latent_shape)
        self._uncond = zeros(slots, *latent_shape)
        self._next = zeros(slots, *latent_shape)
        self._fresh = zeros(slots, *latent_shape)
        self._batches = {
            size: _Batch(zeros(size, *latent_shape), zeros(size, dtype=precise), zeros(size, *embeds_shape))
            for size in self._sizes
        }
        width = max(self._sizes[-1], slots)
        pinned = self._device.type == "cuda"
        self._blocks = [torch.zeros(C + 1, width, dtype=torch.float32, pin_memory=pinned) for _ in range(RING)]
        self._blocks_np = [block.numpy() for block in self._blocks]
        self._turn = 0
        self._block = zeros(C + 1, width, dtype=torch.float32)
        self._index = zeros(C + 1, width, dtype=torch.int64)
        # Coefficients are never held in half precision; a float64 stream works on their float64 copies.
        self._coefficients = self._block if precise == torch.float32 else zeros(C + 1, width, dtype=precise)

    @property
    def in_flight(self) -> int:
        """How many pictures were admitted and have not come out."""
        return len(self._order)

    @property
    def free(self) -> int:
        """How many pictures can be admitted now."""
        return len(self._vacant)

    @torch.inference_mode()
    def admit(
        self,
        latent: torch.Tensor | None,
        schedule: FlowSchedule,
        conditioning: Conditioning,
        *,
        guidance: float = 1.0,
        seed: int = 0,
        ticket: object = None,
    ) -> None:
        """Puts a picture in flight; the next `step` is its first.

        Args:
            latent: The clean latent ``[C, h, w]``, copied; None starts from noise, where the schedule does (p = 0).
            schedule: Its own; any mix of schedules may be in flight.
            conditioning: Its text, copied.
            guidance: Classifier-free guidance; exactly 1 is off and costs half.
            seed: Chooses its noise, 0 to 2³¹ − 1.
            ticket: Given back with the finished latent, never looked at.

        Raises:
            StreamError: no free slot, or something that does not fit the stream; nothing has changed then.
        """
        self._check(latent, schedule, conditioning, guidance, seed)
        slot = self._vacant.pop()
        noise = self._noise_of(seed, ENTRY)
        self._noise[slot].copy_(noise)
        torch.mul(noise, schedule.q, out=self._latents[slot])
        if latent is not None:
            self._latents[slot].add_(latent, alpha=schedule.p)
        if self._held[slot] is not conditioning:  # a look that stands still costs no copy
            self._embeds[2 * slot].copy_(conditioning.embeds)
            self._embeds[2 * slot + 1].copy_(conditioning.negative)
            self._held[slot] = conditioning
        self._in_use[slot] = _Slot(schedule, guidance, seed, ticket)
        self._order.append(slot)

    @torch.inference_mode()
    def step(self) -> list[Finished]:
        """Advances every picture in flight by one row, in one denoiser call, and returns those whose turn it is.

        A picture that is done before its elder waits in its slot, so a step may return none or several.
        """
        stepping = [(slot, held) for slot in self._order if (held := self._in_use[slot]) is not None and not held.done]
        if stepping:
            self._advance(self._lay_out(stepping))
            for _, held in stepping:
                held.row += 1
        finished: list[Finished] = []
        while self._order and (held := self._in_use[self._order[0]]) is not None and held.done:
            slot = self._order.popleft()
            finished.append(Finished(self._latents[slot], held.ticket))
            self._in_use[slot] = None
            self._vacant.append(slot)
        return finished

    def clear(self) -> None:
        """Drops every picture in flight."""
        self._order.clear()
        self._in_use = [None] * self.slots
        self._vacant = list(range(self.slots - 1, -1, -1))

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Calls the denoiser once at every prepared batch size; pictures in flight are not touched."""
        for batch in self._batches.values():
            self._denoiser(*batch)

    def _lay_out(self, stepping: list[tuple[int, _Slot]]) -> int:
        """Writes the step's block, sends it up, and returns the prepared batch size that it runs at."""
        self._turn = (self._turn + 1) % RING
        block = self._blocks_np[self._turn]
        block[READ : C + 1] = 0.0
        block[(READ, WRITE), :] = self.slots  # the spare slot
        rows = 0
        for lane, (slot, held) in enumerate(stepping):
            row = held.schedule.rows[held.row]
            guided = held.guidance != 1.0
            for uncond in (0, 1) if guided else (0,):
                block[LATENT, rows + uncond] = slot
                block[EMBEDS, rows + uncond] = 2 * slot + uncond
                block[TIMESTEP : SCALE + 1, rows + uncond] = row[:2]
            block[READ : W_UNCOND + 1, lane] = (
                slot,
                slot,
                rows,
                rows + guided,
                held.guidance if guided else 1.0,
                1.0 - held.guidance if guided else 0.0,
            )
            block[A : C + 1, lane] = row[2:]
            if row[4]:
                self._noise[slot].copy_(self._noise_of(held.seed, held.row + 1))
            rows += 1 + guided
        size = next(prepared for prepared in self._sizes if prepared >= rows)
        block[: SCALE + 1, rows:size] = block[: SCALE + 1, :1]  # spare rows repeat a live one
        self._block.copy_(self._blocks[self._turn], non_blocking=True)
        return size

    def _advance(self, size: int) -> None:
        """The device's whole step at one batch size: static shapes, static memory, nothing read back."""
        self._index.copy_(self._block)
        if self._coefficients is not self._block:
            self._coefficients.copy_(self._block)
        index, lanes = self._index, self.slots
        scale, w_cond, w_uncond, a, b, c = (
            self._coefficients[column, :count].view(count, 1, 1, 1)
            for column, count in ((SCALE, size), (W_COND, lanes), (W_UNCOND, lanes), (A, lanes), (B, lanes), (C, lanes))
        )
        batch = self._batches[size]
        torch.index_select(self._latents, 0, index[LATENT, :size], out=batch.latents)
        batch.latents.mul_(scale)
        batch.timesteps.copy_(self._block[TIMESTEP, :size])
        torch.index_select(self._embeds, 0, index[EMBEDS, :size], out=batch.embeds)

        out = self._denoiser(*batch)
        if out.shape != batch.latents.shape or out.dtype != self._dtype:
            raise StreamError(
                f"The denoiser answered {out.dtype} {tuple(out.shape)}; the stream needs"
                f" {self._dtype} {tuple(batch.latents.shape)}."
            )

        torch.index_select(out, 0, index[COND, :lanes], out=self._cond)
        torch.index_select(out, 0, index[UNCOND, :lanes], out=self._uncond)
        self._cond.mul_(w_cond).addcmul_(self._uncond, w_uncond)
        torch.index_select(self._latents, 0, index[READ, :lanes], out=self._next)
        torch.index_select(self._noise, 0, index[READ, :lanes], out=self._fresh)
        self._next.mul_(a).addcmul_(self._cond, b).addcmul_(self._fresh, c)
        self._latents.index_copy_(0, index[WRITE, :lanes], self._next)

    def _check(
        self,
        latent: torch.Tensor | None,
        schedule: FlowSchedule,
        conditioning: Conditioning,
        guidance: float,
        seed: int,
    ) -> None:
        if not self._vacant:
            raise StreamError(f"All {self.slots} slots are in use; step until one is free before admitting a picture.")
        if latent is None:
            if schedule.p != 0.0:
                raise StreamError(
                    f"A schedule of strength {schedule.strength} needs a picture to start from;"
                    " without one use strength 1."
                )
        elif tuple(latent.shape) != self._latent_shape or not latent.dtype.is_floating_point:
            raise StreamError(
                f"The latent is {latent.dtype} {tuple(latent.shape)};"
                f" this stream takes {self._dtype} {self._latent_shape}."
            )
        for name, embeds in (("embeds", conditioning.embeds), ("negative", conditioning.negative)):
            if tuple(embeds.shape) != self._embeds_shape:
                raise StreamError(
                    f"The conditioning's {name} have shape {tuple(embeds.shape)};"
                    f" this stream takes {self._embeds_shape}."
                )
        if not math.isfinite(guidance):
            raise StreamError(f"guidance is {guidance}; it must be a finite number, 1 for none.")
        if not 0 <= seed < 2**31:
            raise StreamError(f"seed is {seed}; it must be from 0 to {2**31 - 1}.")
