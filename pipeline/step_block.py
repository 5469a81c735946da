"""The host's side of a stream: which picture is in which slot, and the block that tells the device of one step."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.guidance import Guidance, coefficients, seen_from
from pipeline.schedule import FlowSchedule
from presets.frame_parameters import NoiseWeight

# Columns of the block. Whole numbers first: they become indices on the device. Of each denoiser row: the latent and
# the text that it reads. Of each lane, a slot that steps: the latent it reads and writes, its rows in the network's
# answer, the noise on its path and the fresh one.
LATENT, TEXT, READ, WRITE, COND, UNCOND, PATH, FRESH = range(8)
INDICES = 8
# Of each denoiser row: times, input scale, embedded guidance. Of each lane: the coefficients of `Coefficients`, and
# the weights with which it finds its anchor.
(TIMESTEP, SECOND, SCALE, EMBEDDED, W_Z, W_COND, W_UNCOND, W_ANCHOR, W_PATH, W_FRESH, KEEP, SEEN_Z, SEEN_OUT) = range(
    INDICES, 21
)
COLUMNS = 21

Block = NDArray[np.float32] | NDArray[np.float64]


class Slot:
    """One picture in flight."""

    __slots__ = ("fresh_place", "guidance", "noise", "row", "schedule", "ticket")

    def __init__(
        self, schedule: FlowSchedule, guidance: Guidance, noise: tuple[NoiseWeight, ...], ticket: object
    ) -> None:
        self.schedule = schedule
        self.guidance = guidance
        self.noise = noise
        self.ticket = ticket
        self.row = 0
        self.fresh_place = 1
        """Which of the slot's two noises the next fresh one goes to; the other is the one on its path."""

    @property
    def done(self) -> bool:
        """True once every row is behind."""
        return self.row == len(self.schedule)

    @property
    def adds_noise(self) -> bool:
        """Whether the row that it stands on adds fresh noise."""
        return bool(self.schedule.c[self.row])


class StepTerms(NamedTuple):
    """Which terms of the affine step any picture of this step needs: the rest may be left out of the device's work.

    Left in they change nothing: their weights in the block are 0, and `KEEP` 1.
    """

    uncond: bool
    residual: bool
    fresh: bool
    anchoring: bool
    """Whether a picture finds its anchor in this step."""


class StepLayout(NamedTuple):
    """What a step runs."""

    rows: int
    """Denoiser rows that are wanted."""
    terms: StepTerms


def lay_out(block: Block, stepping: list[tuple[int, Slot]], spare: int, embedded: bool) -> StepLayout:
    """Writes one step of the pictures `stepping` (slot number and slot) into `block` ``[COLUMNS, width]``.

    Lanes without a picture read and write the slot `spare`, with every weight 0.

    Args:
        embedded: Guidance is an input of the network, and not a second row.
    """
    block[READ:] = 0.0
    block[READ : WRITE + 1] = spare
    block[PATH : FRESH + 1] = 2 * spare
    rows = 0
    uncond = residual = fresh = anchoring = False
    for lane, (number, slot) in enumerate(stepping):
        row = slot.schedule.rows[slot.row]
        guidance = Guidance() if embedded else slot.guidance
        twice = guidance.asks_twice(slot.row)
        for negative in (0, 1) if twice else (0,):
            block[LATENT : TEXT + 1, rows + negative] = number, 2 * number + negative
            block[TIMESTEP : SCALE + 1, rows + negative] = row[:3]
            block[EMBEDDED, rows + negative] = slot.guidance.scale
        places = 2 * number + 1 - slot.fresh_place, 2 * number + slot.fresh_place
        block[READ : FRESH + 1, lane] = number, number, rows, rows + twice, *places
        weights = coefficients(row, guidance, slot.row)
        block[W_Z : W_FRESH + 1, lane] = weights
        block[KEEP, lane] = 1.0
        if twice and guidance.kind == "onetime_negative":
            block[KEEP : SEEN_OUT + 1, lane] = 0.0, *seen_from(row)
            anchoring = True
        uncond |= twice
        residual |= weights.anchor != 0.0 or weights.path != 0.0
        fresh |= weights.fresh != 0.0
        rows += 1 + twice
    return StepLayout(rows, StepTerms(uncond, residual, fresh, anchoring))


def repeat_first_row(block: Block, rows: int, size: int) -> None:
    """Fills the spare rows of a batch: they repeat a live one, and their answers are never read."""
    block[LATENT : TEXT + 1, rows:size] = block[LATENT : TEXT + 1, :1]
    block[TIMESTEP : EMBEDDED + 1, rows:size] = block[TIMESTEP : EMBEDDED + 1, :1]
