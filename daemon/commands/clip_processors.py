"""`ClipProcessors`: the processors of ``render``. Every picture is changed, or the clip ends with the reason."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from daemon.processors.memory_limit import most_memory
from daemon.processors.processor_file import Moment
from daemon.processors.processor_folder import ProcessorFolder
from daemon.processors.processor_process import ProcessorProcess
from daemon.shared.clock import SystemClock
from presets.errors import ProcessorError
from presets.parameters import Parameters
from presets.processor_parameters import ProcessorPlace

PATIENCE = 60.0
"""Seconds for a file to run, and for each picture."""

Picture = NDArray[np.uint8]
"""RGB ``[H, W, 3]``."""


class ClipProcessors:
    """One process for each function of each place, from its first picture to the end of the clip."""

    def __init__(self, folder: Path | None) -> None:
        """Read the processors of a folder, by default the user's."""
        self._folder = ProcessorFolder(folder)
        self._folder.look()
        self._clock = SystemClock()
        self._processes: dict[tuple[Moment, int, str], ProcessorProcess] = {}

    def __enter__(self) -> "ClipProcessors":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.end()

    def check(self, presets: Iterable[Parameters]) -> None:
        """Raise `ProcessorError` if a preset names a processor that the folder lacks or that is refused."""
        for parameters in presets:
            for place in parameters.processor:
                if place.name and (place.name not in self._folder.files or place.name in self._folder.problems):
                    raise ProcessorError(self._folder.missing(place.name))

    def changed(
        self, moment: Moment, pictures: Iterable[Picture], places: Iterable[Sequence[ProcessorPlace]]
    ) -> Iterator[Picture]:
        """Yield each picture as the processors of its places change it. Raises `ProcessorError` for one that fails."""
        for picture, of_picture in zip(pictures, places, strict=False):
            changed = picture
            for number, place in enumerate(of_picture, 1):
                if place.name and place.active:
                    changed = self._change(moment, changed, number, place)
            yield changed

    def _change(self, moment: Moment, picture: Picture, number: int, place: ProcessorPlace) -> Picture:
        file = self._folder.files.get(place.name)
        if file is None:
            raise ProcessorError(self._folder.missing(place.name))
        if moment not in file.functions:
            return picture
        process = self._processes.get((moment, number, place.name))
        if process is None:
            process = ProcessorProcess(file, moment, self._clock, most_memory())
            self._processes[(moment, number, place.name)] = process
            self._wait_until_ready(process)
        process.give(picture, file.arguments(moment, place.values))
        answer = process.answer(PATIENCE)
        if answer is None:
            where = process.where(1.0) or file.path.name
            raise ProcessorError(f"{where}: no answer for {PATIENCE:g} s")
        if answer.picture is None:
            raise ProcessorError(answer.problem)
        return answer.picture

    def _wait_until_ready(self, process: ProcessorProcess) -> None:
        until = time.monotonic() + PATIENCE
        while not process.is_ready:
            if problem := process.ending():
                raise ProcessorError(problem)
            if time.monotonic() > until:
                raise ProcessorError(f"{process.file.path.name}: it has not run to its end for {PATIENCE:g} s")
            time.sleep(0.01)
