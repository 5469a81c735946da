"""CUDA graphs of a whole step: gather, network, guidance and affine step, launched by the host in one call.

A step is captured once for each batch size and set of terms, in the static memory of `pipeline.device_state`, and
replayed from then on, so that a network of a thousand small kernels costs the host one launch. Captures follow
PyTorch's rules for `torch.cuda.graph` (side stream, warm-up first).
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch

from pipeline.step_block import StepTerms
from presets.errors import AcceleratorUnavailable, MemoryShort, StreamflowError

log = logging.getLogger("accelerators")

WARM_UPS = 3
"""Calls before a capture, in which libraries choose their kernels and allocate their memory."""


def needed_terms(fresh: bool, embedded_guidance: bool, sees_source: bool) -> list[StepTerms]:
    """Return the terms to capture: without guidance, with each kind, and with the terms of all kinds.

    Frames with different kinds share the last. Embedded guidance needs no terms.

    Args:
        fresh: True if the frames' schedules add noise.
        embedded_guidance: True if guidance is an input of the network.
        sees_source: True if the network sees its source, so that frames may have image guidance.
    """
    plain = StepTerms(uncond=False, residual=False, fresh=fresh, new_anchor=False)
    if embedded_guidance:
        return [plain]
    full, residual = plain._replace(uncond=True), plain._replace(residual=True)
    image = [full._replace(sourceless=True)] if sees_source else []
    return [plain, full, residual, *image, StepTerms(True, True, fresh, True, sees_source)]


Recorder = Callable[[Callable[[], None]], Callable[[], Any]]
"""Captures the kernels that a function launches, without running them, and returns a function that replays them."""


class CapturableState(Protocol):
    """The part of `pipeline.device_state.DeviceState` that `CapturedStep` uses."""

    def send_empty(self) -> None: ...
    def advance(self, size: int, terms: StepTerms, reuses: bool = False) -> None: ...


class CapturedStep:
    """`DeviceState.advance`, replayed where it was captured."""

    def __init__(self, state: CapturableState, record: Recorder) -> None:
        self._state = state
        self._record = record
        self._replays: dict[tuple[int, StepTerms, bool], Callable[[], Any]] = {}
        self.problem = ""
        """Why steps are not captured, as a clause; empty if nothing failed."""

    def prepare(self, sizes: Iterable[int], terms: Iterable[StepTerms], kinds: Iterable[bool] = (False,)) -> None:
        """Capture each of `sizes` with each of `terms`, the largest size first so that the others reuse its memory.

        Frames in flight do not change: the warm-up steps have no frame. After a capture that fails nothing more is
        captured, which `problem` and the log tell. Steps without a capture run all the same.

        Args:
            sizes: Batch sizes.
            terms: Terms of the steps.
            kinds: False for steps of the whole network, True for those that reuse its deep features.

        Raises:
            AcceleratorUnavailable: a step can't be run at all.
            MemoryShort: there is too little memory.
        """
        every_terms = list(terms)
        every_step = [(one, reuses) for reuses in kinds for one in every_terms]
        for size in sorted(sizes, reverse=True):
            for one, reuses in every_step:
                self._state.send_empty()
                self._warm_up(size, one, reuses)
                if not self.problem:
                    self._capture(size, one, reuses)

    def advance(self, size: int, terms: StepTerms, reuses: bool = False) -> None:
        """Run one step, as `DeviceState.advance`.

        Terms without a capture use the capture that has them and the fewest others, which the block gives the weight
        0. So frames with different kinds of guidance share one captured step. Terms that no capture has run uncaptured,
        because a capture during the show would stall it.
        """
        replay = self._replays.get((size, terms, reuses))
        if replay is None and (wider := self._narrowest_superset(size, terms, reuses)) is not None:
            replay = self._replays[size, terms, reuses] = self._replays[size, wider, reuses]
        if replay is None:
            self._state.advance(size, terms, reuses)
        else:
            replay()

    def _narrowest_superset(self, size: int, terms: StepTerms, reuses: bool) -> StepTerms | None:
        """Return the captured terms of this size that include `terms` and the fewest others, None if there are none."""
        captured = (one for prepared, one, kind in self._replays if (prepared, kind) == (size, reuses))
        supersets = (one for one in captured if all(has >= needs for has, needs in zip(one, terms, strict=True)))
        return min(supersets, key=sum, default=None)

    def _warm_up(self, size: int, terms: StepTerms, reuses: bool) -> None:
        try:
            for _ in range(WARM_UPS):
                self._state.advance(size, terms, reuses)
        except torch.OutOfMemoryError as error:
            raise MemoryShort(f"There is too little GPU memory for a step of {size} rows.") from error
        except RuntimeError as error:
            raise AcceleratorUnavailable(f"A step of {size} rows can't be run: {error}.") from error

    def _capture(self, size: int, terms: StepTerms, reuses: bool) -> None:
        try:
            self._replays[size, terms, reuses] = self._record(lambda: self._state.advance(size, terms, reuses))
        except torch.OutOfMemoryError as error:
            raise MemoryShort(f"There is too little GPU memory to capture a step of {size} rows.") from error
        except (RuntimeError, StreamflowError) as error:  # torch raises the first for any failure of a capture
            self.problem = failed_capture(f"a step of {size} rows", error)


def failed_capture(what: str, error: Exception) -> str:
    """Log that something is not captured as a CUDA graph, in one sentence, and return it as a clause."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    problem = f"{what} is launched kernel by kernel, because it can't be captured as a CUDA graph ({reason})"
    log.warning("%s.", problem)
    return problem


def cuda_recorder() -> Recorder:
    """Return a recorder for the current GPU. All its captures share one memory pool."""
    pool = torch.cuda.graph_pool_handle()

    def record(work: Callable[[], None]) -> Callable[[], Any]:
        graph = torch.cuda.CUDAGraph()
        before = torch.cuda.current_stream()
        try:
            # A capture beside a show: calls of the thread that plays must not end it, nor it them.
            with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
                work()
        finally:
            torch.cuda.set_stream(before)  # torch stays on the stream of a capture that fails
        return graph.replay

    return record
