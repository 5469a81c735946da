"""The choice of each network call: compute the whole network, or reuse the deep features of an earlier call.

Row k of one picture stands at the same timestep as row k of the picture before it did one call earlier. So the features
that the last whole call kept, in the order of its batch, are those of an earlier picture at the same row, as long as
the rows of both calls agree in everything but the source.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.encoded_text import Conditioning
from pipeline.slots import Slot


class KeptRow(NamedTuple):
    """A picture of the last whole call: all that its deep features depend on."""

    slot: Slot
    row: int
    texts: tuple[Conditioning | None, ...]
    """Conditioning of each row up to this one: a prompt may change while a picture is in flight."""

    def serves(self, slot: Slot, text: Conditioning | None) -> bool:
        """Return True if the features fit another picture at the row that it stands on."""
        mine, its = self.slot, slot
        return (
            self.row == its.row
            and mine.schedule is its.schedule
            and self.texts == (*its.texts, text)
            and mine.guidance == its.guidance
            and mine.noise == its.noise
            and mine.has_source == its.has_source
            and mine.reuse.settings == its.reuse.settings
            and abs(its.reuse.path - mine.reuse.path) <= its.reuse.change
            and np.array_equal(mine.numbers, its.numbers)
        )


class ReuseDecision:
    """The kept rows of one stream. Nothing here knows the features themselves."""

    def __init__(self, possible: bool) -> None:
        """`possible` is True if the network keeps features."""
        self._possible = possible
        self._rows: list[KeptRow] = []
        self._in_a_row = 0
        self.reused = 0
        """Network calls so far that reused features."""

    def reuses(self, stepping: Sequence[tuple[int, Slot]], texts: Sequence[Conditioning | None]) -> bool:
        """Return True if the next call can reuse the kept features. If not, they are given up.

        Args:
            stepping: Number and slot of each picture of the call, in the order of the batch.
            texts: Conditioning of every slot, by number.
        """
        fits = (
            self._possible
            and len(stepping) == len(self._rows)
            and all(
                self._in_a_row < slot.reuse.longest and kept.serves(slot, texts[number])
                for kept, (number, slot) in zip(self._rows, stepping, strict=True)
            )
        )
        if not fits:
            self.forget()
        return fits

    def record(self, reused: bool, stepping: Sequence[tuple[int, Slot]], texts: Sequence[Conditioning | None]) -> None:
        """Record a call that has succeeded, before its slots advance. Arguments are those of `reuses`."""
        if not self._possible:
            return
        for number, slot in stepping:
            slot.texts += (texts[number],)
        if reused:
            self._in_a_row += 1
            self.reused += 1
        else:
            self._in_a_row = 0
            self._rows = [KeptRow(slot, slot.row, slot.texts) for _, slot in stepping]

    def forget(self) -> None:
        """Give up the kept features: the next call is a whole one."""
        self._rows = []
