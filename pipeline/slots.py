"""Slots of a stream on the host: one frame in flight each, in order of admission."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from pipeline.encoded_text import Conditioning
from pipeline.guidance import Guidance
from pipeline.schedule import FlowSchedule
from presets.frame_parameters import NoiseWeight


class PictureReuse(NamedTuple):
    """Limits of reuse for one picture, and what its source is known by."""

    longest: int = 0
    """Most calls in a row that reuse features; 0 reuses none."""
    change: float = 0.0
    """Most change of the source that features may be reused for, in percent of full scale."""
    path: float = 0.0
    """Sum of all changes of the source up to this picture, in percent. Two pictures differ by no more than their
    places on this path."""
    settings: object = None
    """Everything else that the latents of the picture depend on, compared by ``==``."""


class Slot:
    """One frame in flight."""

    __slots__ = (
        "fresh_index",
        "guidance",
        "has_source",
        "noise",
        "numbers",
        "reuse",
        "row",
        "schedule",
        "texts",
        "ticket",
    )

    def __init__(
        self,
        schedule: FlowSchedule,
        guidance: Guidance,
        noise: tuple[NoiseWeight, ...],
        ticket: object,
        has_source: bool,
        numbers: Sequence[float] = (),
        reuse: PictureReuse = PictureReuse(),
    ) -> None:
        self.schedule = schedule
        self.guidance = guidance
        self.noise = noise
        self.ticket = ticket
        self.has_source = has_source
        """True if the network sees a source, False if the frame has none or the network sees none."""
        self.numbers = np.asarray(numbers, np.float32)[:, None]
        """Numbers of the extra inputs, ``[N, 1]``, the same at every row."""
        self.reuse = reuse
        self.texts: tuple[Conditioning | None, ...] = ()
        """Conditioning of each row so far, in a stream that reuses features."""
        self.row = 0
        self.fresh_index = 1
        """Index of the noise tensor for the next fresh noise, 0 or 1. The other one is the noise on the path."""

    @property
    def done(self) -> bool:
        """True after the last row of the schedule."""
        return self.row == len(self.schedule)

    @property
    def adds_noise(self) -> bool:
        """True if the current row adds fresh noise."""
        return bool(self.schedule.c[self.row])

    def advance(self) -> None:
        """Move to the next row. Fresh noise that was added becomes the noise on the path."""
        self.fresh_index ^= self.adds_noise
        self.row += 1


class FinishedLatent(NamedTuple):
    """A frame after its last step."""

    latent: torch.Tensor
    """Clean latent ``[C, h, w]``. A view of its slot, valid until the next `StreamPipeline.admit`."""
    ticket: object
    """The ticket that the frame was admitted with."""


class SlotTable:
    """Assignment of frames to slot numbers. A frame keeps its number until it is retired."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._occupied: dict[int, Slot] = {}  # by number, in order of admission
        self._vacant: list[int] = []
        self.clear()

    def __len__(self) -> int:
        """Return the number of frames in flight."""
        return len(self._occupied)

    @property
    def vacant(self) -> int:
        """Number of free slots."""
        return len(self._vacant)

    @property
    def numbers(self) -> list[int]:
        """Slot numbers in use, in order of admission."""
        return list(self._occupied)

    @property
    def next_number(self) -> int:
        """Number of the slot that `occupy` will use. There must be a free one."""
        return self._vacant[-1]

    def occupy(self, slot: Slot) -> None:
        """Put a frame into the slot `next_number`."""
        self._occupied[self._vacant.pop()] = slot

    def unfinished(self) -> list[tuple[int, Slot]]:
        """Return number and slot of every frame with rows left, in order of admission."""
        return [(number, slot) for number, slot in self._occupied.items() if not slot.done]

    def retire(self) -> list[tuple[int, Slot]]:
        """Free the slots of finished frames, up to the first unfinished one, and return them in order of admission."""
        retired: list[tuple[int, Slot]] = []
        for number, slot in self._occupied.items():
            if not slot.done:
                break
            retired.append((number, slot))
        for number, _ in retired:
            del self._occupied[number]
            self._vacant.append(number)
        return retired

    def clear(self) -> None:
        """Drop every frame in flight."""
        self._occupied.clear()
        self._vacant = list(range(self.count - 1, -1, -1))
