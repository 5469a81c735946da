"""Checks of a frame before it is admitted to a stream, so that a misfit is refused before anything is written."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch

from pipeline.conditioning import Conditioning, ConditioningShape
from pipeline.guidance import Guidance, predicted_clean
from pipeline.noise import unit_variance_weights
from pipeline.schedule import FlowSchedule
from presets.errors import StreamError
from presets.frame_parameters import NoiseWeight

MAX_SEED = 2**31 - 1


class FrameRequirements(NamedTuple):
    """Shapes that a frame must have to fit a stream."""

    latent_shape: tuple[int, int, int]
    """``(C, h, w)`` of one latent."""
    conditioning: ConditioningShape
    """Shape of one text."""
    dtype: torch.dtype
    """Dtype of the stream, for messages. A latent may have any floating point dtype."""
    sees_source: bool
    """True if the network sees the source of a frame."""
    numbers: int = 0
    """Numbers of the network's extra inputs, a row."""
    tensors: Mapping[str, tuple[int, ...]] = MappingProxyType({})
    """Shape of the tensor of each extra input that has one, by name."""

    def check(
        self,
        latent: torch.Tensor | None,
        source: torch.Tensor | None,
        schedule: FlowSchedule,
        conditioning: Conditioning,
        guidance: Guidance,
        noise: tuple[NoiseWeight, ...],
    ) -> None:
        """Raise `StreamError` if a frame with these arguments of `StreamPipeline.admit` can't be admitted."""
        if latent is None and schedule.strength != 1.0:
            raise StreamError(f"A schedule of strength {schedule.strength} needs a source; without one use 1.")
        if source is not None and not self.sees_source:
            raise StreamError("This frame has a source latent, which the network of this stream has no input for.")
        for name, tensor in (("latent", latent), ("source", source)):
            if tensor is not None and (tuple(tensor.shape) != self.latent_shape or not tensor.dtype.is_floating_point):
                raise StreamError(
                    f"The {name} is {tensor.dtype} {tuple(tensor.shape)};"
                    f" this stream takes {self.dtype} {self.latent_shape}."
                )
        self.check_text(conditioning)
        if guidance.kind == "onetime_negative" and guidance.scale != 1.0 and len(schedule):
            predicted_clean(schedule.rows[0])
        unit_variance_weights(noise)
        for seed, _, _ in noise:
            if not 0 <= seed <= MAX_SEED:
                raise StreamError(f"seed is {seed}; it must be from 0 to {MAX_SEED}.")

    def check_extra(self, numbers: Sequence[float], tensors: Mapping[str, torch.Tensor]) -> None:
        """Raise `StreamError` for numbers or tensors of extra inputs that the network does not take."""
        if len(numbers) != self.numbers or not all(math.isfinite(each) for each in numbers):
            raise StreamError(f"The extra inputs are {[*numbers]}; this stream takes {self.numbers} finite numbers.")
        for name, tensor in tensors.items():
            if tuple(tensor.shape) != self.tensors.get(name) or not tensor.dtype.is_floating_point:
                raise StreamError(
                    f"The extra input {name!r} is {tensor.dtype} {tuple(tensor.shape)}; this stream takes"
                    f" {self.tensors.get(name, 'none of this name')}."
                )

    def check_text(self, conditioning: Conditioning) -> None:
        """Raise `StreamError` if a text has another shape than the stream's."""
        for name, text in (("positive", conditioning.positive), ("negative", conditioning.negative)):
            if text.shape != self.conditioning:
                raise StreamError(f"The {name} text has {text.shape}; this stream takes {self.conditioning}.")


def check_sizes(sizes: Sequence[int], slots: int, rows_a_slot: int) -> tuple[int, ...]:
    """Return the prepared batch sizes in rising order. Raise `StreamError` if they can't hold all slots."""
    if slots < 1:
        raise StreamError(f"slots is {slots}; a stream needs 1 or more.")
    rising, rows = tuple(sorted(set(sizes))), slots * rows_a_slot
    if not rising or rising[0] < 1 or rising[-1] < rows:
        raise StreamError(f"The prepared batch sizes are {rising}; {slots} slots with guidance need {rows} rows.")
    return rising
