"""A soak from its options to its verdict: a scripted show, a fault every few seconds, and every frame looked at."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks.report.document import Results
from benchmarks.report.findings import NotMeasured
from benchmarks.soak.faults import FAULTS, ShowFault
from benchmarks.soak.observer import FaultWindow, SoakObserver
from benchmarks.soak.rig import FPS, SoakRig
from benchmarks.soak.verdict import fault_rows, findings

NAME = "soak"
_LOOK = 0.25
"""Seconds between two looks at what the sink has got."""
_MEMORY = 5.0
"""Seconds between two readings of the memory."""
_SETTLE = 3.0
_LONGEST_WAIT = 180.0
"""Seconds for which a fault waits for an understudy. A busy machine takes more than one minute to load one."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SoakOptions:
    """Options of ``streamflow-live soak`` as given on the command line."""

    hours: float
    every: float
    """Seconds from one fault to the next."""
    seed: int
    faults: Sequence[str] = tuple(FAULTS)
    model: str = ""
    """Model in place of the shipped one."""
    times: int = 0
    """Number of times that each fault is made; 0 makes them until the hours are over."""

    @property
    def longest(self) -> float:
        """Seconds after which it ends in any case."""
        return self.times * len(self.faults) * (self.every + _LONGEST_WAIT) if self.times else self.hours * 3600


class Soak:
    """One soak. `run` blocks until it is over."""

    def __init__(self, options: SoakOptions, folder: Path, results: Results, tell: Tell) -> None:
        """`folder` is for the show's files. `tell` gets a line for each fault."""
        self._options = options
        self._results = results
        self._tell = tell
        self._observer = SoakObserver(FPS)
        self._rig = SoakRig(folder, options.longest, options.seed, options.model)
        self._read_at = 0.0

    def run(self, progress: Callable[[int, float], None]) -> None:
        """Play and break the show. `progress` gets the number of faults and the seconds so far.

        Raises:
            NotMeasured: the show did not start, or has ended by itself.
        """
        with self._rig as rig:
            rig.show.first_frame()
            time.sleep(_SETTLE)
            rig.show.reader.take()
            before = rig.show.status()
            rig.metronome.ask({"do": "start", "fps": FPS}, 30.0)
            rig.perform()
            began = time.monotonic()
            until = began + self._options.longest
            for made, fault in enumerate(self._faults()):
                if time.monotonic() > until - 1.0:
                    break
                self._break(FAULTS[fault], until)
                progress(made + 1, time.monotonic() - began)
            after = rig.show.status()
            self._look()
            beside = {"configuration": f"bare metronome at {FPS} Hz, in the same run"}
            self._results.add(NAME, beside | rig.metronome.ask({"do": "stop"}, 30.0))
        hours = (time.monotonic() - began) / 3600
        for finding in findings(self._observer, before, after, hours, rig.show.log):
            self._results.add(NAME, finding)
        self._results.finish(NAME)

    def _faults(self) -> Iterator[str]:
        """Yield all faults in a random order, again and again."""
        rounds = range(self._options.times) if self._options.times else count()
        for _ in rounds:
            yield from self._rig.random.sample(self._options.faults, len(self._options.faults))

    def _break(self, fault: ShowFault, until: float) -> None:
        """Make one fault happen, and watch the show until the next one is due."""
        if fault.loses_renderer:
            self._wait_for_understudy(until)
        self._look()
        window = self._observer.begin_fault(fault.name)
        next_at = min(time.monotonic() + self._options.every, until)
        window.note = fault.act(self._rig)
        while time.monotonic() < next_at:
            time.sleep(_LOOK)
            self._look()
        window.is_over = True
        for row in fault_rows(self._observer):
            self._results.add(NAME, row)
        self._tell(_line(window))

    def _wait_for_understudy(self, until: float) -> None:
        give_up = min(time.monotonic() + _LONGEST_WAIT, until)
        while self._rig.show.status()["renderer"]["understudy"]["state"] != "ready":
            if time.monotonic() > give_up:
                raise NotMeasured(f"no understudy was ready within {_LONGEST_WAIT:g} s")
            time.sleep(_LOOK)
            self._look()

    def _look(self) -> None:
        self._observer.add(self._rig.show.reader.take())
        if time.monotonic() - self._read_at > _MEMORY:
            self._read_at = time.monotonic()
            self._observer.read_memory(self._rig.show.memory_mib()[0])


def _line(window: FaultWindow) -> str:
    """Return a fault and what came of it as one line."""
    parts = [window.note, f"longest gap {window.longest_gap_ms:.0f} ms"]
    if FAULTS[window.fault].loses_renderer:
        after = window.new_picture_after_s
        parts.append("no new picture" if after is None else f"new pictures after {after:.2f} s")
    if window.black:
        parts.append(f"{window.black} black frames")
    return f"{window.fault}: {', '.join(filter(None, parts))}"
