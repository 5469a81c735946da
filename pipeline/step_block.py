"""Step block: one small array that describes a step to the device, written by the host.

A denoiser row is one row of the network's batch: a slot with its positive or its negative text, and with its source or
without one. A lane is one slot that
takes part in the step. Columns of the block belong to one or the other, as listed below.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.guidance import Guidance, predicted_clean, step_coefficients
from pipeline.slots import Slot

# Integers first, which the device uses as indices.
# For each denoiser row: its latent, its text and its source. For each lane: the latents it reads and writes,
# its rows in the network's output, the noise on its path and the fresh noise.
LATENT, TEXT, SOURCE, READ, WRITE, COND, UNCOND, SOURCELESS, PATH, FRESH = range(10)
INDICES = 10
# For each denoiser row: times, input scale, embedded guidance. For each lane: the weights of `StepCoefficients`, and
# those of its new anchor: anchor' = anchor·ANCHOR_KEEP + z·ANCHOR_Z + uncond·ANCHOR_OUT.
(
    TIMESTEP,
    SECOND_TIME,
    INPUT_SCALE,
    EMBEDDED_GUIDANCE,
    W_Z,
    W_COND,
    W_UNCOND,
    W_ANCHOR,
    W_PATH,
    W_FRESH,
    W_SOURCELESS,
    ANCHOR_KEEP,
    ANCHOR_Z,
    ANCHOR_OUT,
) = range(INDICES, 24)
COLUMNS = 24
"""Columns of every stream. Those of the extra inputs of numbers follow, each a value of a denoiser row."""

Block = NDArray[np.float32] | NDArray[np.float64]


class StepTerms(NamedTuple):
    """Terms of the affine step that at least one frame of a step needs. The device may skip the others.

    A term that no frame needs changes nothing if it is computed: its weights in the block are 0, and `ANCHOR_KEEP` 1.
    """

    uncond: bool
    """The network's output for the negative prompt."""
    residual: bool
    """Anchor and path noise of residual guidance."""
    fresh: bool
    """Noise of a stochastic solver."""
    new_anchor: bool
    """A new anchor from the output, at the first row of onetime_negative guidance."""
    sourceless: bool = False
    """The network's output for the negative prompt without the source, of image guidance."""


NO_TERMS = StepTerms(uncond=False, residual=False, fresh=False, new_anchor=False)


class StepLayout(NamedTuple):
    """Size of one step."""

    rows: int
    """Denoiser rows in use."""
    terms: StepTerms


def write_block(block: Block, stepping: list[tuple[int, Slot]], spare: int, embedded: bool) -> StepLayout:
    """Write one step into `block` and return its size.

    Lanes without a frame read and write the spare slot, with all weights 0. Rows without a source read that of the
    spare slot, which is zero.

    Args:
        block: ``[COLUMNS + N, width]`` for N numbers of extra inputs a row, overwritten.
        stepping: Number and slot of each frame that takes part.
        spare: Number of the spare slot.
        embedded: True if guidance is an input of the network and never a second row.
    """
    block[READ:] = 0.0
    block[READ : WRITE + 1] = spare
    block[PATH : FRESH + 1] = 2 * spare
    rows = 0
    uncond = residual = fresh = new_anchor = sourceless = False
    for lane, (number, slot) in enumerate(stepping):
        row = slot.schedule.rows[slot.row]
        guidance = Guidance() if embedded else slot.guidance
        negative, bare = guidance.calls_negative(slot.row), guidance.calls_sourceless
        source, end = number if slot.has_source else spare, rows + 1 + negative + bare
        block[LATENT : SOURCE + 1, rows] = number, 2 * number, source
        if negative:
            block[LATENT : SOURCE + 1, rows + 1] = number, 2 * number + 1, source
        if bare:
            block[LATENT : SOURCE + 1, end - 1] = number, 2 * number + 1, spare
        block[TIMESTEP : INPUT_SCALE + 1, rows:end] = row[:3, None]
        block[EMBEDDED_GUIDANCE, rows:end] = slot.guidance.scale
        block[COLUMNS:, rows:end] = slot.numbers
        path, fresh_noise = 2 * number + 1 - slot.fresh_index, 2 * number + slot.fresh_index
        block[READ : FRESH + 1, lane] = number, number, rows, rows + negative, end - 1, path, fresh_noise
        weights = step_coefficients(row, guidance, slot.row)
        block[W_Z : W_SOURCELESS + 1, lane] = weights
        block[ANCHOR_KEEP, lane] = 1.0
        if negative and guidance.kind == "onetime_negative":
            block[ANCHOR_KEEP : ANCHOR_OUT + 1, lane] = 0.0, *predicted_clean(row)
            new_anchor = True
        uncond |= negative
        sourceless |= bare
        residual |= weights.anchor != 0.0 or weights.path != 0.0
        fresh |= weights.fresh != 0.0
        rows = end
    return StepLayout(rows, StepTerms(uncond, residual, fresh, new_anchor, sourceless))


def pad_rows(block: Block, rows: int, size: int) -> None:
    """Fill the denoiser rows from `rows` to `size` with copies of row 0. Their outputs are not used."""
    block[LATENT : SOURCE + 1, rows:size] = block[LATENT : SOURCE + 1, :1]
    block[TIMESTEP : EMBEDDED_GUIDANCE + 1, rows:size] = block[TIMESTEP : EMBEDDED_GUIDANCE + 1, :1]
    block[COLUMNS:, rows:size] = block[COLUMNS:, :1]
