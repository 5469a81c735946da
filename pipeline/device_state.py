"""Device memory of a stream, and the function that advances it by one step. Shapes and memory are static.

All tensors are allocated once. `DeviceState.advance` reads nothing back from the device and branches only on its host
arguments, so a compiler or a CUDA graph can take all of it, one for each prepared batch size and set of terms.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch

from pipeline import step_block as at
from pipeline.conditioning import IMAGE_TOKENS, Conditioning, ConditioningShape
from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.pinned_ring import PinnedRing
from pipeline.schedule import FlowSchedule
from pipeline.step_block import Block, StepTerms, write_block
from presets.errors import StreamError

RING_DEPTH = 4
"""Steps that the host may run ahead of a GPU."""


class Batch(NamedTuple):
    """Network inputs of one prepared batch size. They are static, so compiled graphs always see the same memory."""

    latents: torch.Tensor
    timesteps: torch.Tensor
    conditioning: ConditioningRows


class DeviceState:
    """Tensors of all slots. One spare slot past the last takes the writes of lanes without a frame."""

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
        sees_source: bool,
        empty_source: torch.Tensor | None,
        numbers: Sequence[tuple[str, int]],
        tensors: Sequence[tuple[str, tuple[int, ...]]],
        device: torch.device,
        dtype: torch.dtype,
        outer: Denoiser | None = None,
    ) -> None:
        """Allocate the tensors. The arguments are those of `pipeline.stream.StreamPipeline`, which checks them."""
        self._denoiser = denoiser
        self._outer = denoiser if outer is None else outer
        self._slots = slots
        self._dtype = dtype
        self._channels = latent_shape[0]
        precise = torch.float64 if dtype == torch.float64 else torch.float32

        def zeros(*shape: int, dtype: torch.dtype = dtype) -> torch.Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        self.latents = zeros(slots + 1, *latent_shape)
        """Latent of each slot, ``[slots + 1, C, h, w]``."""
        self.anchors = zeros(slots + 1, *latent_shape)
        """Clean latent that residual guidance steers away from, ``[slots + 1, C, h, w]``."""
        self.noise = zeros(2 * (slots + 1), *latent_shape)
        """Two noises a slot, ``[2·(slots + 1), C, h, w]``: one on the latent's path, one for the next fresh noise."""
        self.sources = zeros(slots + 1, *latent_shape) if sees_source else None
        """Source latent of each slot, ``[slots + 1, C, h, w]``. That of the spare slot is for rows without a source."""
        if self.sources is not None and empty_source is not None:
            self.sources[slots].copy_(empty_source)
        # Two rows a slot: the positive and the negative text.
        self._texts = _text_rows(2 * (slots + 1), conditioning, None, zeros).parts()
        first = at.COLUMNS
        self._numbers: dict[str, slice] = {}
        """Columns of each extra input in the block."""
        for name, count in numbers:
            self._numbers[name] = slice(first, first + count)
            first += count
        self._lanes = {name: zeros(slots, *latent_shape) for name in ("next", "cond", "uncond", "anchor", "noise")}
        self._tensors = {name: zeros(slots + 1, *shape) for name, shape in tensors}
        """Tensor of each slot for each extra input that has one, ``[slots + 1, …]``."""
        # Rows of the largest size, which all sizes share: pictures are large, and one size is called at a time.
        shared = {name: zeros(max(sizes), *shape) for name, shape in tensors}
        inputs = (2 * latent_shape[0] if sees_source else latent_shape[0], *latent_shape[1:])
        self.batches = {
            size: Batch(
                zeros(size, *inputs),
                zeros(size, 2, dtype=precise) if second_time else zeros(size, dtype=precise),
                _text_rows(size, conditioning, precise if embedded_guidance else None, zeros).with_extra(
                    {name: zeros(size, count, dtype=precise) for name, count in numbers}
                    | {name: rows[:size] for name, rows in shared.items()}
                ),
            )
            for size in sizes
        }
        width = max(*sizes, slots)
        self._ring = PinnedRing(RING_DEPTH, (first, width), precise, device)
        self._ring_np: list[Block] = [block.numpy() for block in self._ring.tensors]
        self._block = zeros(first, width, dtype=precise)
        self._index = zeros(at.INDICES, width, dtype=torch.int64)

    def next_block(self) -> Block:
        """Return the next host block to write, as `pipeline.step_block.write_block` takes it."""
        self._ring.take()
        return self._ring_np[self._ring.index]

    def send(self) -> None:
        """Start the copy of the last `next_block` to the device."""
        self._block.copy_(self._ring.tensors[self._ring.index], non_blocking=self._ring.is_pinned)
        self._ring.record_copy()

    def send_empty(self) -> None:
        """Send the block of a step without frames, for which `advance` reads and writes the spare slot only."""
        write_block(self.next_block(), [], self._slots, False)
        self.send()

    def copy_from(self, other: "DeviceState") -> None:
        """Copy everything that slots hold. Raises `RuntimeError` for other shapes."""
        self.latents.copy_(other.latents)
        self.anchors.copy_(other.anchors)
        self.noise.copy_(other.noise)
        if self.sources is not None and other.sources is not None:
            self.sources.copy_(other.sources)
        for name, texts in self._texts.items():
            texts.copy_(other._texts[name])
        for name, held in self._tensors.items():
            held.copy_(other._tensors[name])

    def write_latents(
        self, number: int, latent: torch.Tensor | None, source: torch.Tensor | None, schedule: FlowSchedule
    ) -> None:
        """Write the latents that slot `number` begins with. The noise on its path must be written already."""
        path, z, anchor = self.noise[2 * number], self.latents[number], self.anchors[number]
        if self.sources is not None and source is not None:
            self.sources[number].copy_(source)
        if latent is None:
            torch.mul(path, schedule.init_noise_sigma, out=z)
            anchor.zero_()
        else:
            p, q = schedule.entry
            anchor.copy_(latent)  # first, because `latent` may be a finished one in this slot
            torch.mul(path, q, out=z)
            z.add_(anchor, alpha=p)

    def write_tensors(self, number: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Copy the tensors of extra inputs of slot `number`, by name. The others stay."""
        for name, tensor in tensors.items():
            self._tensors[name][number].copy_(tensor)

    def write_text(self, number: int, conditioning: Conditioning) -> None:
        """Copy the positive and the negative text of slot `number`."""
        for place, text in ((2 * number, conditioning.positive), (2 * number + 1, conditioning.negative)):
            for name, part in text.parts().items():
                rows = self._texts[name]
                # Asynchronous from pinned memory. Texts are immutable, so the copy may happen late.
                pin = rows.is_cuda and not part.is_cuda
                rows[place].copy_(part.pin_memory() if pin else part, non_blocking=rows.is_cuda)

    def advance(self, size: int, terms: StepTerms, reuses: bool = False) -> None:
        """Run one step at one prepared batch size: gather, one denoiser call, affine step, scatter.

        Args:
            size: A prepared batch size.
            terms: Terms to compute. The last block sent must give all others the weight 0.
            reuses: True to call the outermost blocks alone, on the features that the denoiser kept.

        Raises:
            StreamError: the denoiser returned another shape or dtype.
        """
        self._index.copy_(self._block[: at.INDICES])
        self._gather_inputs(size)
        batch = self.batches[size]
        out = (self._outer if reuses else self._denoiser)(*batch)
        shape = (size, *self.latents.shape[1:])
        if out.shape != shape or out.dtype != self._dtype:
            raise StreamError(
                f"The denoiser returned {out.dtype} {tuple(out.shape)}; the stream needs {self._dtype} {shape}."
            )
        self._update_latents(out, size, terms)

    def _gather_inputs(self, size: int) -> None:
        """Fill the batch of `size` rows with scaled latents, sources, times and texts."""
        index, block, batch = self._index, self._block, self.batches[size]
        latents = batch.latents
        if self.sources is not None:
            torch.index_select(self.sources, 0, index[at.SOURCE, :size], out=latents[:, self._channels :])
            latents = latents[:, : self._channels]
        torch.index_select(self.latents, 0, index[at.LATENT, :size], out=latents)
        latents.mul_(block[at.INPUT_SCALE, :size].view(size, 1, 1, 1))
        if batch.timesteps.ndim == 2:
            batch.timesteps.copy_(block[at.TIMESTEP : at.SECOND_TIME + 1, :size].T)
        else:
            batch.timesteps.copy_(block[at.TIMESTEP, :size])
        for name, texts in self._texts.items():
            torch.index_select(texts, 0, index[at.TEXT, :size], out=batch.conditioning.part(name))
        if batch.conditioning.guidance is not None:
            batch.conditioning.guidance.copy_(block[at.EMBEDDED_GUIDANCE, :size])
        for name, columns in self._numbers.items():
            batch.conditioning.extra[name].copy_(block[columns, :size].T)
        for name, held in self._tensors.items():
            torch.index_select(held, 0, index[at.LATENT, :size], out=batch.conditioning.extra[name])

    def _update_latents(self, out: torch.Tensor, size: int, terms: StepTerms) -> None:
        """Take the step of `pipeline.guidance.StepCoefficients` in every lane by the network's output. Set anchors."""
        lanes = min(size, self._slots)  # each lane has at least one row, so a batch has at most `size` lanes
        index, block = self._index, self._block

        def gather(name: str, source: torch.Tensor, column: int) -> torch.Tensor:
            return torch.index_select(source, 0, index[column, :lanes], out=self._lanes[name][:lanes])

        def weight(column: int) -> torch.Tensor:
            return block[column, :lanes].view(lanes, 1, 1, 1)

        z = gather("next", self.latents, at.READ)
        uncond = gather("uncond", out, at.UNCOND) if terms.uncond else None
        anchor = gather("anchor", self.anchors, at.READ) if terms.residual or terms.new_anchor else None
        if terms.new_anchor and anchor is not None and uncond is not None:
            anchor.mul_(weight(at.ANCHOR_KEEP)).addcmul_(z, weight(at.ANCHOR_Z))
            anchor.addcmul_(uncond, weight(at.ANCHOR_OUT))
            self.anchors.index_copy_(0, index[at.WRITE, :lanes], anchor)
        z.mul_(weight(at.W_Z)).addcmul_(gather("cond", out, at.COND), weight(at.W_COND))
        if uncond is not None:
            z.addcmul_(uncond, weight(at.W_UNCOND))
        if terms.residual and anchor is not None:
            z.addcmul_(anchor, weight(at.W_ANCHOR))
            z.addcmul_(gather("noise", self.noise, at.PATH), weight(at.W_PATH))
        if terms.sourceless:
            z.addcmul_(gather("cond", out, at.SOURCELESS), weight(at.W_SOURCELESS))
        if terms.fresh:
            z.addcmul_(gather("noise", self.noise, at.FRESH), weight(at.W_FRESH))
        self.latents.index_copy_(0, index[at.WRITE, :lanes], z)


def _text_rows(
    count: int, shape: ConditioningShape, guidance: torch.dtype | None, zeros: Callable[..., torch.Tensor]
) -> ConditioningRows:
    """Allocate `count` texts, with their guidance scales if `guidance` is a dtype."""
    return ConditioningRows(
        zeros(count, *shape.embeds),
        zeros(count, shape.embeds[0]) if shape.masked else None,
        None if shape.pooled is None else zeros(count, shape.pooled),
        None if guidance is None else zeros(count, dtype=guidance),
        {} if shape.image is None else {IMAGE_TOKENS: zeros(count, *shape.image)},
    )
