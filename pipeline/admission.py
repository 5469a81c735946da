"""Checks of a frame before it is admitted to a stream, so that a misfit is refused before anything is written."""

import math
from collections.abc import Sequence
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

    def check_numbers(self, numbers: Sequence[float]) -> None:
        """Raise `StreamError` for more or fewer numbers of extra inputs than the network takes, or one out of range."""
        if len(numbers) != self.numbers or not all(math.isfinite(each) for each in numbers):
            raise StreamError(f"The extra inputs are {[*numbers]}; this stream takes {self.numbers} finite numbers.")

    def check_text(self, conditioning: Conditioning) -> None:
        """Raise `StreamError` if a text has another shape than the stream's."""
        for name, text in (("positive", conditioning.positive), ("negative", conditioning.negative)):
            if text.shape != self.conditioning:
                raise StreamError(f"The {name} text has {text.shape}; this stream takes {self.conditioning}.")
