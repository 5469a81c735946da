"""Stream batch: many frames in flight, each at its own row of its own schedule, with one network call a step.

`StreamPipeline` is exact (a frame comes out as it would alone), ordered (frames come out in order of admission, each
once) and calls the denoiser once a step. It follows the stream batch of StreamDiffusion (Kodaira et al. 2023) and
StreamFlow, with the solver in a table (`pipeline.schedule`).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch

from pipeline.admission import FrameRequirements, check_sizes
from pipeline.conditioning import Conditioning, ConditioningShape
from pipeline.denoiser import Denoiser, HostTimesteps
from pipeline.device_state import DeviceState
from pipeline.graph_capture import CapturedStep, Recorder, needed_terms
from pipeline.guidance import Guidance
from pipeline.noise import ENTRY, noise_mixer
from pipeline.reuse.reuse_decision import ReuseDecision
from pipeline.schedule import FlowSchedule
from pipeline.slots import FinishedLatent, PictureReuse, Slot, SlotTable
from pipeline.step_block import NO_TERMS, TIMESTEP, pad_rows, write_block
from presets.errors import StreamError
from presets.frame_parameters import NoiseWeight


class StreamPipeline:
    """Latents in, latents out, with up to `slots` frames in flight. The device side is `pipeline.device_state`."""

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
        sees_source: bool = False,
        empty_source: torch.Tensor | None = None,
        numbers: Sequence[tuple[str, int]] = (),
        tensors: Sequence[tuple[str, tuple[int, ...]]] = (),
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        recorder: Recorder | None = None,
        outer: Denoiser | None = None,
    ) -> None:
        """
        Args:
            denoiser: The network.
            slots: Most frames in flight, 1 or more.
            latent_shape: ``(C, h, w)`` of one latent.
            conditioning: Shape of one text.
            sizes: Batch sizes that the denoiser is prepared for. The largest must hold every slot: twice, three times
                if it sees the source, once if guidance is embedded.
            second_time: Call the network with timesteps ``[B, 2]``, a schedule's `timestep` and `second_time`.
            embedded_guidance: The network takes the guidance scale as an input, and no frame has a second row.
            sees_source: The network takes ``[B, 2C, h, w]``, with the source of each frame (`pipeline.denoiser`).
            empty_source: Source latent ``[C, h, w]`` of a frame without one. None means zeros.
            numbers: Extra inputs of numbers (`pipeline.extra_inputs`): the name of each, and its numbers a row.
            tensors: Extra inputs of one tensor a frame: the name of each, and the tensor's shape.
            device: Device of the latents.
            dtype: float32, float64 or a half type. Coefficients and timesteps are float32, or float64 for float64.
            recorder: Captures whole steps as CUDA graphs (`pipeline.graph_capture`). None runs them uncaptured.
            outer: Outermost blocks of `denoiser`, on the deep features that it kept at its last call of the same size
                (`pipeline.reuse`). None if it keeps none.

        Raises:
            StreamError: `slots` is below 1, or the prepared sizes can't hold all slots.
        """
        self._sizes = check_sizes(sizes, slots, 1 if embedded_guidance else 3 if sees_source else 2)
        self.slots = slots
        self._networks = (denoiser,) if outer is None else (denoiser, outer)
        self._announce = denoiser.announce_timesteps if isinstance(denoiser, HostTimesteps) else None
        count = sum(each for _, each in numbers)
        self._requirements = FrameRequirements(latent_shape, conditioning, dtype, sees_source, count, dict(tensors))
        self._embedded_guidance = embedded_guidance
        self._mix_noise = noise_mixer(latent_shape, torch.device(device), dtype)
        self._table = SlotTable(slots)
        self._written: list[Conditioning | None] = [None] * slots
        """Conditioning that each slot holds on the device."""
        self._state = DeviceState(
            denoiser,
            slots=slots,
            latent_shape=latent_shape,
            conditioning=conditioning,
            sizes=self._sizes,
            second_time=second_time,
            embedded_guidance=embedded_guidance,
            sees_source=sees_source,
            empty_source=empty_source,
            numbers=numbers,
            tensors=tensors,
            device=torch.device(device),
            dtype=dtype,
            outer=outer,
        )
        self.reuse = ReuseDecision(outer is not None)
        self.captured = None if recorder is None else CapturedStep(self._state, recorder)
        self._advance = self._state.advance if self.captured is None else self.captured.advance
        self.calls = dict.fromkeys(self._sizes, 0)
        """Network calls so far, by batch size."""

    @property
    def in_flight(self) -> int:
        """Number of frames that were admitted and are not finished."""
        return len(self._table)

    @property
    def free(self) -> int:
        """Number of frames that can be admitted now."""
        return self._table.vacant

    @torch.inference_mode()
    def admit(
        self,
        latent: torch.Tensor | None,
        schedule: FlowSchedule,
        conditioning: Conditioning,
        *,
        guidance: Guidance = Guidance(),
        noise: tuple[NoiseWeight, ...] = (NoiseWeight(0),),
        source: torch.Tensor | None = None,
        numbers: Sequence[float] = (),
        tensors: Mapping[str, torch.Tensor] = MappingProxyType({}),
        reuse: PictureReuse = PictureReuse(),
        ticket: object = None,
    ) -> None:
        """Put a frame in flight, at row 0 of its schedule.

        Args:
            latent: Clean latent ``[C, h, w]`` that the frame enters with, copied. None enters as noise, at strength 1.
            schedule: Schedule of the frame. Frames with any schedules can be in flight together.
            conditioning: Texts of the frame, copied.
            guidance: Guidance of the frame. The residual kinds steer away from `latent`, or without one from zero, the
                mean of all latents. Image guidance needs a `source`.
            noise: Weights of the initial noise, scaled to unit variance. Seeds are 0 to 2³¹ − 1.
            source: Source latent ``[C, h, w]`` that the network sees at every row, copied. None is no source.
            numbers: Numbers of all extra inputs, one input after the other, kept.
            tensors: Tensor of each extra input that has one, by name, copied. One that is left out is that of an
                earlier frame, which numbers must switch off.
            reuse: Limits of reuse, which count if the stream has outermost blocks.
            ticket: Returned with the finished latent.

        Raises:
            StreamError: no slot is free, or an argument does not fit the stream. Nothing has changed then.
        """
        guidance = guidance.validated()
        if source is None:
            guidance = guidance._replace(image_scale=1.0)
        if not self.free:
            raise StreamError(f"All {self.slots} slots are in use. Step until one is free, then admit the frame.")
        self._requirements.check(latent, source, schedule, conditioning, guidance, noise)
        self._requirements.check_extra(numbers, tensors)
        number = self._table.next_number  # occupied only at the end, so a failed write leaves the slot free
        self._mix_noise(noise, ENTRY, self._state.noise[2 * number])
        self._state.write_latents(number, latent, source, schedule)
        self._state.write_tensors(number, tensors)
        self._write_text(number, conditioning)
        self._table.occupy(Slot(schedule, guidance, noise, ticket, source is not None, numbers, reuse))

    @torch.inference_mode()
    def recondition(self, conditioning: Conditioning) -> None:
        """Replace the texts of every frame in flight, from its next row on.

        Raises:
            StreamError: a text has another shape. Nothing has changed then.
        """
        self._requirements.check_text(conditioning)
        for number in self._table.numbers:
            self._write_text(number, conditioning)

    @torch.inference_mode()
    def step(self) -> list[FinishedLatent]:
        """Advance every frame in flight by one row, in one denoiser call, and return the finished frames.

        Frames come out in order of admission. A frame that is finished before an older one waits in its slot, so a step
        may return none or several. If the denoiser raises, no frame has advanced and the step can be repeated.
        """
        if stepping := self._table.unfinished():
            block = self._state.next_block()
            rows, terms = write_block(block, stepping, self.slots, self._embedded_guidance)
            size = next(prepared for prepared in self._sizes if prepared >= rows)
            pad_rows(block, rows, size)
            if terms.fresh:
                self._write_fresh_noise(stepping)
            self._state.send()
            if self._announce is not None:
                self._announce(block[TIMESTEP, :size].tolist())
            reuses = self.reuse.reuses(stepping, self._written)
            self._advance(size, terms, reuses)
            self.reuse.record(reuses, stepping, self._written)
            self.calls[size] += 1
            for _, slot in stepping:
                slot.advance()
        return [FinishedLatent(self._state.latents[number], slot.ticket) for number, slot in self._table.retire()]

    def clear(self) -> None:
        """Drop every frame in flight."""
        self._table.clear()

    @torch.inference_mode()
    def warm_up(self, fresh: bool = False, sizes: tuple[int, ...] | None = None) -> None:
        """Call the denoiser once at every prepared batch size. Frames in flight do not change.

        With a recorder, capture the steps of all sizes with `needed_terms`.

        Args:
            fresh: True if the frames' schedules add noise.
            sizes: Batch sizes to call the denoiser at. None is all.
        """
        for size in self._sizes if sizes is None else sizes:
            for network in self._networks:
                network(*self._state.batches[size])
        if self.captured is not None:
            terms = needed_terms(fresh, self._embedded_guidance, self._requirements.sees_source)
            self.captured.prepare(self._sizes, terms, (False, True)[: len(self._networks)])
        self.reuse.forget()  # the features of another call are in their place now

    @torch.inference_mode()
    def idle_step(self, size: int) -> None:
        """Run a step of the smallest prepared batch that holds `size` rows. Frames in flight do not change.

        The device may still be working when this returns.
        """
        self._state.send_empty()
        self._advance(next(prepared for prepared in self._sizes if prepared >= size), NO_TERMS, False)
        self.reuse.forget()

    @torch.inference_mode()
    def take_over(self, other: "StreamPipeline") -> None:
        """Continue every frame of another stream with the same slots and shapes, on any device, and clear it."""
        self._state.copy_from(other._state)
        self._table, other._table = other._table, self._table
        self._written = list(other._written)
        self.calls = dict.fromkeys(self._sizes, 0)
        other.clear()

    def _write_fresh_noise(self, stepping: list[tuple[int, Slot]]) -> None:
        for number, slot in stepping:
            if slot.adds_noise:
                self._mix_noise(slot.noise, slot.row + 1, self._state.noise[2 * number + slot.fresh_index])

    def _write_text(self, number: int, conditioning: Conditioning) -> None:
        if self._written[number] is not conditioning:
            self._written[number] = None  # in case the copy fails
            self._state.write_text(number, conditioning)
            self._written[number] = conditioning
