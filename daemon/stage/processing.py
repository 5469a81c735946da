"""`Processing`: the processors of a show, their folder, and what the performer is told about them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from daemon.processors.processor_folder import ProcessorFolder
from daemon.shared.clock import Clock
from daemon.stage.frame_mixer import FrameMixer
from daemon.stage.notices import Notice
from daemon.stage.processed_frames import ProcessedFrames
from daemon.stage.processed_pictures import ProcessedPictures, Show
from presets.parameters import Parameters


class Processing:
    """Both ways of pictures through processors. The main thread starts, looks and stops."""

    def __init__(
        self,
        folder: Path | None,
        clock: Clock,
        parameters: Callable[[], Parameters],
        ring: Callable[[], None],
        show: Show,
    ) -> None:
        """
        Args:
            folder: Folder of the processors; None takes the user's.
            clock: The clock of the show.
            parameters: Returns the parameters at this moment.
            ring: Called when there is another frame for the renderer.
            show: Takes drawn pictures, changed or not.
        """
        self.folder = ProcessorFolder(folder)
        self._clock = clock
        self._parameters = parameters
        self._ring = ring
        self._pictures = ProcessedPictures(self.folder, parameters, clock, show)
        self.put = self._pictures.put
        self._frames: ProcessedFrames | None = None

    def frames(
        self, mixer: FrameMixer, parameters: Callable[[], Parameters], size: Callable[[], tuple[int, int]]
    ) -> ProcessedFrames:
        """Return the frames of `mixer` as processors change them, at the size that the renderer asks for."""
        self._frames = ProcessedFrames(mixer, self.folder, parameters, size, self._clock, self._ring)
        return self._frames

    def frame_came(self) -> None:
        """Wake the processors for a frame that came, or the link if there are none. Any thread may call it."""
        if self._frames is None or not self._frames.takes_frame():
            self._ring()

    def start(self) -> None:
        """Read the folder and start the threads."""
        self.folder.look()
        for each in self._ways():
            each.start()
            each.look()

    def look(self) -> None:
        """Read files that were saved, and wake the threads if other processors are named."""
        self.folder.look()
        for each in self._ways():
            each.look()

    def stop(self) -> None:
        """Stop the threads and end every process."""
        for each in self._ways():
            each.stop()

    def status(self) -> dict[str, Any]:
        """Return the processors that there are with their numbers, and those that are in use, ready for JSON."""
        files = self.folder.files
        known = {
            name: {
                "description": files[name].description,
                "moments": list(files[name].functions),
                "numbers": [
                    {"name": each.name, "minimum": each.minimum, "maximum": each.maximum, "about": each.description}
                    for each in files[name].numbers
                ],
            }
            for name in sorted(files)
        }
        used = [state for way in self._ways() for state in way.chain.status()]
        return {"known": known, "used": used, "dropped": self._pictures.dropped}

    def missing(self, name: str) -> str:
        """Return why the processor of this name can't be used; empty if it can."""
        return self.folder.missing(name) if name and name not in self.folder.files else ""

    def remark(self, address: str) -> str:
        """Return why the processor can't be used whose name was set at `address`; empty for another address."""
        _, _, place, field = address.split("/")
        places = self._parameters().processor if field == "name" else ()
        return self.missing(places[int(place) - 1].name) if int(place) <= len(places) else ""

    def notices(self) -> list[Notice]:
        """Return a notice for each processor that is missing, refused or bypassed."""
        found = []
        places = self._parameters().processor
        for number, place in enumerate(places, 1):
            if problem := self.missing(place.name):
                found.append(Notice(f"processor {number} missing", "warning", f"Processor {number}: {problem}."))
            elif problem := self.folder.problems.get(place.name, ""):
                text = f"Processor {number}: {problem}; the file before it plays on."
                found.append(Notice(f"processor {number} refused {problem}", "warning", text))
        for lane in (lane for way in self._ways() for lane in way.chain.lanes):
            if trouble := lane.trouble:
                text = f"Processor {lane.place} ({lane.moment}): {trouble} ({lane.bypassed} so far)."
                found.append(Notice(f"processor {lane.place} {lane.moment} {trouble}", "warning", text))
        return found

    def _ways(self) -> list[ProcessedFrames | ProcessedPictures]:
        return [self._pictures] if self._frames is None else [self._frames, self._pictures]
