"""The measurement behind `auto`: challengers take turns with what plays, and the faster one goes on playing.

A challenger is built beside the show for the batch sizes that it plays, then timed a pair of calls at a time between
two frames. One that wins is built for every size and takes over. One challenger is in memory at a time. The outcome is
kept on disk (`tuning_record`), and the next start takes it without measuring.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pipeline.accelerators.candidates import ROUNDS, Candidate, Choices
from pipeline.accelerators.comparison import MARGIN, PairedTiming, Timer
from pipeline.accelerators.engines import Together, one_after_another
from pipeline.accelerators.registry import ACCELERATORS, build_selection
from pipeline.accelerators.tuning_record import TuningRecord, write_record
from pipeline.image_stream import ImageStream
from pipeline.memory_check import check_challenger
from pipeline.models import model_of
from pipeline.prepared_engines import PreparedEngines, preparation_of
from presets.errors import StreamflowError

log = logging.getLogger("auto")

SETTLED = 24
"""Network calls of the show before anything is measured: its first frames are out by then, and its batch is full."""


FAILURES = (StreamflowError, RuntimeError, MemoryError, OSError)
"""Errors of a build or a call that leave a challenger out. Torch and OpenVINO raise `RuntimeError`."""


class Rehearsable(Protocol):
    """Engines that can be timed: `pipeline.prepared_engines.PreparedEngines`."""

    def rehearse(self, size: int) -> None: ...


class Tunable(Protocol):
    """A stream whose engines can be exchanged between two frames: `pipeline.image_stream.ImageStream`."""

    @property
    def prepared(self) -> Any: ...
    @property
    def hot_sizes(self) -> tuple[int, ...]: ...
    def exchange(self, prepared: Any) -> None: ...
    def explain(self, why: str) -> None: ...


@dataclass
class TuningTask:
    """Arguments of a tuner."""

    stream: Tunable
    choices: Choices
    playing: Candidate
    prepare: Callable[[Candidate, tuple[int, ...]], Rehearsable]
    """Builds a challenger for some batch sizes, or for every size if there are none, on any thread. Raises what a build
    raises."""
    keep: Callable[[TuningRecord], None]
    """Writes the outcome, on any thread."""
    timer: Timer
    together: Together
    """Runs work beside the caller."""


@dataclass
class _Challenge:
    """One challenger on its way: being built, then compared, then built for every size."""

    candidate: Candidate
    sizes: tuple[int, ...]
    """Batch sizes that it is compared at; empty once it has won."""
    answers: Iterator[Any]
    built: list[bool]
    comparison: PairedTiming | None = None
    ratio: float = 0.0
    """Speed of the winner over the engines it replaces; set when it has won."""


class EngineTuner:
    """One measurement. `advance` belongs to the thread of the stream."""

    def __init__(self, task: TuningTask) -> None:
        self._task = task
        self._best = task.playing
        self._slower: dict[Candidate, float] = {}
        self._round = 0
        self._waiting: list[Candidate] = task.choices.challengers(0, task.playing)
        self._challenge: _Challenge | None = None
        self._calls = 0
        self._writing: Iterator[Any] = iter(())
        self.done = False
        """True once the outcome is known and nothing is left to do."""

    def advance(self) -> bool:
        """Do a small part of the work, after a network call of the show. Return True if the description changed.

        Takes the time of two pictures at most. Raises what the engines that play raise; a challenger that fails is
        left out.
        """
        self._calls += 1
        if self.done or self._calls < SETTLED:
            return False
        challenge = self._challenge
        if challenge is None:
            return self._begin()
        if challenge.comparison is not None:
            self._compare(challenge, challenge.comparison)
        elif challenge.built:
            return self._receive(challenge)
        return False

    def finish(self) -> None:
        """Do all of the work now."""
        self._calls = SETTLED
        while not self.done:
            if self._challenge is not None and self._challenge.comparison is None:
                self._receive(self._challenge)
            else:
                self.advance()
        for _ in self._writing:
            pass

    def _begin(self) -> bool:
        """Begin with the next challenger; at the end of the last round tell and keep the outcome."""
        while not self._waiting and self._round < ROUNDS - 1:
            self._round += 1
            self._waiting = self._task.choices.challengers(self._round, self._best)
        if not self._waiting:
            return self._end()
        self._challenge = self._build(self._waiting.pop(0), tuple(self._task.stream.hot_sizes))
        return False

    def _build(self, candidate: Candidate, sizes: tuple[int, ...]) -> _Challenge:
        built: list[bool] = []

        def build() -> Rehearsable:
            try:
                return self._task.prepare(candidate, sizes)
            finally:
                built.append(True)

        return _Challenge(candidate, sizes, self._task.together([build]), built)

    def _receive(self, challenge: _Challenge) -> bool:
        """Compare the engines that were built, or let them play if they have won. Return True if they play."""
        try:
            prepared = next(challenge.answers)
        except FAILURES as error:
            self._leave_out(challenge, error)
            return False
        if challenge.sizes:
            stream = self._task.stream
            challenge.comparison = PairedTiming(
                stream.prepared.rehearse, prepared.rehearse, challenge.sizes, self._task.timer
            )
            return False
        self._challenge = None
        self._slower = {other: known * challenge.ratio for other, known in self._slower.items()}
        self._slower[self._best] = challenge.ratio
        self._best = challenge.candidate
        self._task.stream.exchange(prepared)
        self._task.stream.explain(TuningRecord(self._best, self._slower).why)
        return True

    def _compare(self, challenge: _Challenge, comparison: PairedTiming) -> None:
        try:
            comparison.time_pair()
        except FAILURES as error:
            self._leave_out(challenge, error)
            return
        if not comparison.done:
            return
        ratio = comparison.ratio
        log.debug("%s: %.3f × %s", challenge.candidate.words(), ratio, self._best.words())
        if ratio < MARGIN:
            self._slower[challenge.candidate] = 1 / ratio
            self._challenge = None
        else:
            self._challenge = self._build(challenge.candidate, ())
            self._challenge.ratio = ratio

    def _leave_out(self, challenge: _Challenge, error: BaseException) -> None:
        log.debug("%s is left out: %s", challenge.candidate.words(), error)
        self._challenge = None

    def _end(self) -> bool:
        self.done = True
        if not self._slower:  # nothing could be compared: the next start tries again
            return False
        record = TuningRecord(self._best, self._slower)
        self._task.stream.explain(record.why)
        self._writing = self._task.together([lambda: self._task.keep(record)])
        return True


def engine_tuner(stream: ImageStream, timer: Timer, together: Together) -> EngineTuner | None:
    """Return the measurement that a stream needs; None where it is made already or nothing is left to choose.

    Args:
        stream: The stream that plays.
        timer: Seconds from any start.
        together: Runs work beside the caller; with one that does not, only `EngineTuner.finish` gets on.
    """
    build, selection = stream.settings, stream.prepared.choice.selection
    if selection is None or selection.key is None:
        return None
    if build.gpu_share is not None and build.gpu_share < 1:
        return None  # the measurement would take more than the share
    key = selection.key
    preparation = preparation_of(build, lambda text, fraction: None, one_after_another)
    if not ACCELERATORS[selection.candidate.accelerator].is_kept(model_of(build), stream.shapes, preparation):
        return None  # the cache can't be written: challengers would be converted anew, and the outcome lost

    def prepare(candidate: Candidate, sizes: tuple[int, ...]) -> PreparedEngines:
        # A model of its own: accelerators that run torch's modules move and cast them in place.
        model = model_of(build)
        challenger = selection._replace(candidate=candidate, why="", key=None)
        a_slot = stream.shapes.rows_a_slot
        some = tuple(sorted({*sizes, a_slot})) if sizes else ()
        settings = replace(preparation, sizes=some)
        check_challenger(build, model, stream.shapes, candidate, settings)
        choice = build_selection(challenger, model, stream.shapes, settings)
        prepared = stream.prepare(choice, model, some[-1] // a_slot if some else None)
        prepared.warm_up()
        return prepared

    def keep(record: TuningRecord) -> None:
        write_record(build.cache, key, record)

    return EngineTuner(TuningTask(stream, selection.choices, selection.candidate, prepare, keep, timer, together))
