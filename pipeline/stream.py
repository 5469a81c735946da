"""The stream: many pictures in flight, each at its own row of its own schedule, one network call a step.

`StreamPipeline` is exact (a picture comes out as it would alone), ordered (pictures come out as they went in, each
once) and calls the denoiser once a step. It follows the stream batch of StreamFlow and StreamDiffusion, with the
solver in a table (`pipeline.schedule`) and not in code.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import torch

from pipeline.conditioning import Conditioning, ConditioningShape
from pipeline.denoiser import Denoiser, Foreseeing
from pipeline.device_state import DeviceState
from pipeline.graph_capture import CapturedStep, Recorder
from pipeline.guidance import Guidance, seen_from
from pipeline.noise import ENTRY, noise_bank, unit_weights
from pipeline.schedule import FlowSchedule
from pipeline.step_block import TIMESTEP, Slot, StepTerms, lay_out, repeat_first_row
from presets.errors import StreamError
from presets.frame_parameters import NoiseWeight


class FinishedLatent(NamedTuple):
    """A picture that is done."""

    latent: torch.Tensor
    """``[C, h, w]``; a view of its slot, valid until the next `StreamPipeline.admit`."""
    ticket: object
    """What it was admitted with."""


class StreamPipeline:
    """Latents in, latents out, up to `slots` of them in flight at once.

    Here is the host's side: who is in which slot. What the device holds and does is in `pipeline.device_state`.
    Slots never
    move.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        *,
        slots: int,
        latent_shape: tuple[int, int, int],
        conditioning: ConditioningShape,
        sizes: Sequence[int],
        second_time: bool = False,
        embedded_guidance: bool = False,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        recorder: Recorder | None = None,
    ) -> None:
        """
        Args:
            denoiser: The network.
            slots: How many pictures may be in flight, 1 or more.
            latent_shape: ``(C, h, w)`` of one latent.
            conditioning: The shape of one text.
            sizes: The batch sizes that the denoiser is prepared for; the largest must hold every slot, twice where
                guidance is a second row.
            second_time: The network is given timesteps ``[B, 2]``, a schedule's `timestep` and `second`.
            embedded_guidance: The network takes the guidance scale as an input; no picture has a second row then.
            device: Where latents live.
            dtype: float32, float64 or a half type; coefficients and timesteps stay float32 or float64.
            recorder: Records whole steps, to be replayed (`pipeline.graph_capture`); None runs them as they are.

        Raises:
            StreamError: no slot, or prepared sizes that can't hold all slots with guidance.
        """
        if slots < 1:
            raise StreamError(f"slots is {slots}; a stream needs 1 or more.")
        self._sizes = tuple(sorted(set(sizes)))
        rows = slots if embedded_guidance else 2 * slots
        if not self._sizes or self._sizes[0] < 1 or self._sizes[-1] < rows:
            raise StreamError(
                f"The prepared batch sizes are {self._sizes}; {slots} slots with guidance need {rows} rows."
            )
        self.slots = slots
        self._denoiser = denoiser
        self._foresee = denoiser.foresee if isinstance(denoiser, Foreseeing) else None
        self._latent_shape = latent_shape
        self._conditioning = conditioning
        self._embedded_guidance = embedded_guidance
        self._dtype = dtype
        self._write_noise = noise_bank(latent_shape, torch.device(device), dtype)

        self._in_use: list[Slot | None] = [None] * slots
        self._vacant = list(range(slots - 1, -1, -1))
        self._order: deque[int] = deque()
        self._held: list[Conditioning | None] = [None] * slots

        self._state = DeviceState(
            denoiser,
            slots=slots,
            latent_shape=latent_shape,
            conditioning=conditioning,
            sizes=self._sizes,
            second_time=second_time,
            embedded_guidance=embedded_guidance,
            device=torch.device(device),
            dtype=dtype,
        )
        self._recorded = None if recorder is None else CapturedStep(self._state, recorder)
        self._advance = self._state.advance if self._recorded is None else self._recorded.advance

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
        guidance: Guidance = Guidance(),
        noise: tuple[NoiseWeight, ...] = (NoiseWeight(0),),
        ticket: object = None,
    ) -> None:
        """Puts a picture in flight; the next `step` is its first.

        Args:
            latent: The clean latent ``[C, h, w]``, copied; None starts from noise alone, at strength 1.
            schedule: Its own; any mix of schedules may be in flight.
            conditioning: Its text, copied.
            guidance: Its own kind and scale. The residual kinds lead away from `latent`, and without one from zero,
                the mean of all latents.
            noise: What it grows from, scaled to unit variance; seeds 0 to 2³¹ − 1.
            ticket: Given back with the finished latent, never looked at.

        Raises:
            StreamError: no free slot, or something that does not fit the stream; nothing has changed then.
        """
        guidance = guidance.checked()
        self._check(latent, schedule, conditioning, guidance, noise)
        number = self._vacant[-1]  # taken at the end: whatever can't be written leaves the slot free
        path, here, anchor = self._state.noise[2 * number], self._state.latents[number], self._state.anchors[number]
        self._write_noise(noise, ENTRY, path)
        if latent is None:
            torch.mul(path, schedule.start, out=here)
            anchor.zero_()
        else:
            p, q = schedule.entry
            anchor.copy_(latent)  # first, for the latent may be a finished one, in this very slot
            torch.mul(path, q, out=here)
            here.add_(anchor, alpha=p)
        self._write_text(number, conditioning)
        self._vacant.pop()
        self._in_use[number] = Slot(schedule, guidance, noise, ticket)
        self._order.append(number)

    @torch.inference_mode()
    def recondition(self, conditioning: Conditioning) -> None:
        """Gives every picture in flight another text, from its next row on.

        Raises:
            StreamError: a text of another shape; nothing has changed then.
        """
        self._check_text(conditioning)
        for number in self._order:
            self._write_text(number, conditioning)

    @torch.inference_mode()
    def step(self) -> list[FinishedLatent]:
        """Advances every picture in flight by one row, in one denoiser call, and returns those whose turn it is.

        A picture that is done before its elder waits in its slot, so a step may return none or several.
        """
        stepping = [(number, slot) for number in self._order if (slot := self._in_use[number]) and not slot.done]
        if stepping:
            block = self._state.next_block()
            rows, terms = lay_out(block, stepping, self.slots, self._embedded_guidance)
            size = next(prepared for prepared in self._sizes if prepared >= rows)
            repeat_first_row(block, rows, size)
            if terms.fresh:
                self._freshen(stepping)
            self._state.send()
            if self._foresee is not None:
                self._foresee(block[TIMESTEP, :size].tolist())
            self._advance(size, terms)
            # Only now, so that a step whose network call failed can be taken again.
            for _, slot in stepping:
                slot.fresh_place ^= slot.adds_noise
                slot.row += 1
        finished: list[FinishedLatent] = []
        while self._order and (slot := self._in_use[self._order[0]]) is not None and slot.done:
            number = self._order.popleft()
            finished.append(FinishedLatent(self._state.latents[number], slot.ticket))
            self._in_use[number] = None
            self._vacant.append(number)
        return finished

    def clear(self) -> None:
        """Drops every picture in flight."""
        self._order.clear()
        self._in_use = [None] * self.slots
        self._vacant = list(range(self.slots - 1, -1, -1))

    @torch.inference_mode()
    def warm_up(self, fresh: bool = False) -> None:
        """Calls the denoiser once at every prepared batch size; pictures in flight are not touched.

        With a recorder the steps of all sizes are recorded, for none and for every kind of guidance, the last with all
        that any kind needs, so that pictures of several kinds go in one recorded step too.

        Args:
            fresh: Whether the pictures' schedules add noise.
        """
        for batch in self._state.batches.values():
            self._denoiser(*batch)
        if self._recorded is not None:
            # None, full, a residual kind, and onetime_negative with pictures on all their rows.
            kinds = [(False, False, False), (True, False, False), (False, True, False), (True, True, True)]
            wanted = kinds[:1] if self._embedded_guidance else kinds
            terms = [StepTerms(uncond, residual, fresh, anchoring) for uncond, residual, anchoring in wanted]
            self._recorded.prepare(self._sizes, terms)

    def _freshen(self, stepping: list[tuple[int, Slot]]) -> None:
        """Lays out the noise that stochastic rows add. From the next row on it is the noise on the picture's path."""
        for number, slot in stepping:
            if slot.adds_noise:
                self._write_noise(slot.noise, slot.row + 1, self._state.noise[2 * number + slot.fresh_place])

    def _write_text(self, number: int, conditioning: Conditioning) -> None:
        if self._held[number] is not conditioning:  # a look that stands still costs no copy
            self._held[number] = None  # until all of it is written
            self._state.write_text(number, conditioning)
            self._held[number] = conditioning

    def _check(
        self,
        latent: torch.Tensor | None,
        schedule: FlowSchedule,
        conditioning: Conditioning,
        guidance: Guidance,
        noise: tuple[NoiseWeight, ...],
    ) -> None:
        if not self._vacant:
            raise StreamError(f"All {self.slots} slots are in use; step until one is free before admitting a picture.")
        if latent is None:
            if schedule.strength != 1.0:
                raise StreamError(
                    f"A schedule of strength {schedule.strength} needs a picture to start from;"
                    " without one use strength 1."
                )
        elif tuple(latent.shape) != self._latent_shape or not latent.dtype.is_floating_point:
            raise StreamError(
                f"The latent is {latent.dtype} {tuple(latent.shape)};"
                f" this stream takes {self._dtype} {self._latent_shape}."
            )
        self._check_text(conditioning)
        if guidance.kind == "onetime_negative" and guidance.scale != 1.0 and len(schedule):
            seen_from(schedule.rows[0])
        unit_weights(noise)
        for share in noise:
            if not 0 <= share.seed < 2**31:
                raise StreamError(f"seed is {share.seed}; it must be from 0 to {2**31 - 1}.")

    def _check_text(self, conditioning: Conditioning) -> None:
        for name, text in (("positive", conditioning.positive), ("negative", conditioning.negative)):
            if text.shape != self._conditioning:
                raise StreamError(f"The {name} text has {text.shape}; this stream takes {self._conditioning}.")
