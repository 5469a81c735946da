"""A stream's step as CUDA graphs: gathering, the network, guidance and the affine step, launched by the host as one.

Recorded once for each batch size and set of terms, with `pipeline.device_state`'s static memory, and replayed from
then on: a
network of a thousand small kernels costs the host one call. Written after PyTorch's own rules for `torch.cuda.graph`
(a side stream, warmed up first); not run on hardware yet.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch

from pipeline.step_block import StepTerms
from presets.errors import AcceleratorUnavailable, MemoryShort

WARM_UPS = 3
"""Calls before a recording: libraries choose their kernels and take their memory in the first ones."""

Recorder = Callable[[Callable[[], None]], Callable[[], Any]]
"""Records what a function launches, without running it, and answers what replays it."""


class CapturedSteps(Protocol):
    """What it needs of `pipeline.device_state.StreamState`."""

    def rest(self) -> None: ...
    def advance(self, size: int, terms: StepTerms) -> None: ...


class CapturedStep:
    """`advance` of a `StreamState`, replayed where it was recorded."""

    def __init__(self, state: CapturedSteps, record: Recorder) -> None:
        self._state = state
        self._record = record
        self._replays: dict[tuple[int, StepTerms], Callable[[], Any]] = {}

    def prepare(self, sizes: Iterable[int], terms: Iterable[StepTerms]) -> None:
        """Records every one of `sizes` with every one of `terms`, the largest first, so that its memory serves all.

        No picture is touched: what runs to warm up is a step without any.

        Raises:
            AcceleratorUnavailable: something in the step can't be recorded.
            MemoryShort: there is no memory for it.
        """
        every = list(terms)
        for size in sorted(sizes, reverse=True):
            for one in every:
                self._state.rest()
                self._add(size, one)

    def advance(self, size: int, terms: StepTerms) -> None:
        """As `StreamState.advance`. Terms that no recording has are played by the one with the fewest beside them.

        The block gives the terms that no picture has the weight 0, so that they change nothing: pictures of several
        kinds of guidance go in one recorded step. Terms that are in no recording run plainly: to record them now would
        hold the show up.
        """
        replay = self._replays.get((size, terms))
        if replay is None and (wider := self._wider(size, terms)) is not None:
            replay = self._replays[size, terms] = self._replays[size, wider]
        if replay is None:
            self._state.advance(size, terms)
        else:
            replay()

    def _wider(self, size: int, terms: StepTerms) -> StepTerms | None:
        """The recorded terms of this size that hold all of `terms` and the fewest others; None where none do."""
        recorded = (one for prepared, one in self._replays if prepared == size)
        holding = (one for one in recorded if all(has >= wants for has, wants in zip(one, terms, strict=True)))
        return min(holding, key=sum, default=None)

    def _add(self, size: int, terms: StepTerms) -> None:
        try:
            for _ in range(WARM_UPS):
                self._state.advance(size, terms)
            self._replays[size, terms] = self._record(lambda: self._state.advance(size, terms))
        except torch.OutOfMemoryError as error:
            raise MemoryShort(f"There is too little memory to record a step of {size} rows.") from error
        except RuntimeError as error:  # torch's own for all else that a capture may meet
            raise AcceleratorUnavailable(
                f"A step of {size} rows can't be recorded as a CUDA graph: {error}. Take accelerator eager or compile."
            ) from error


def cuda_recorder() -> Recorder:
    """Records on the current GPU; all recordings share one pool of memory."""
    pool = torch.cuda.graph_pool_handle()

    def record(work: Callable[[], None]) -> Callable[[], Any]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            work()
        return graph.replay

    return record
