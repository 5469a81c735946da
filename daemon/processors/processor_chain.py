"""`ProcessorChain`: the processors of one moment, one after another."""

from collections.abc import Mapping, Sequence
from typing import Any

from daemon.processors.picture_segments import Picture
from daemon.processors.processor_file import Moment, ProcessorFile
from daemon.processors.processor_lane import PATIENCE, ProcessorLane
from daemon.shared.clock import Clock
from presets.processor_parameters import ProcessorPlace


class ProcessorChain:
    """Lanes of the places whose processors have a function for the moment. One thread uses it; any may read."""

    def __init__(self, moment: Moment, clock: Clock, patience: float = PATIENCE, memory: int = 0) -> None:
        """The arguments are as in `ProcessorLane`."""
        self.moment: Moment = moment
        self.lanes: tuple[ProcessorLane, ...] = ()
        """Lanes in the order of their places."""
        self.has_missed = False
        """True if a processor did not change the last picture, although it should."""
        self._clock = clock
        self._patience = patience
        self._memory = memory

    def is_wanted(self, places: Sequence[ProcessorPlace], files: Mapping[str, ProcessorFile]) -> bool:
        """Return True if a place names a processor with a function for the moment."""
        return any(place.name in files and self.moment in files[place.name].functions for place in places)

    def tend(self, places: Sequence[ProcessorPlace], files: Mapping[str, ProcessorFile]) -> None:
        """Make and end lanes, and start and stop their processes."""
        known = {lane.place: lane for lane in self.lanes}
        kept: list[ProcessorLane] = []
        for number, place in enumerate(places, 1):
            file = files.get(place.name)
            if file is None or self.moment not in file.functions:
                continue
            lane = known.get(number)
            if lane is None or lane.name != place.name:
                lane = ProcessorLane(number, place.name, self.moment, self._clock, self._patience, self._memory)
            lane.tend(file)
            kept.append(lane)
        for lane in self.lanes:
            if lane not in kept:
                lane.end()
        self.lanes = tuple(kept)

    def run(self, picture: Picture, places: Sequence[ProcessorPlace]) -> Picture:
        """Return the picture as the processors change it; the same object if none does."""
        self.has_missed = False
        for lane in self.lanes:
            if lane.place <= len(places) and (place := places[lane.place - 1]).active:
                before, picture = picture, lane.process(picture, place.values)
                self.has_missed = self.has_missed or picture is before
        return picture

    def end(self) -> None:
        """End every process."""
        for lane in self.lanes:
            lane.end()
        self.lanes = ()

    def status(self) -> list[dict[str, Any]]:
        """Return the counters of each lane, ready for JSON."""
        return [lane.status() for lane in self.lanes]
