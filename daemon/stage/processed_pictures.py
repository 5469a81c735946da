"""`ProcessedPictures`: drawn pictures, as processors change them on their way to the output.

Without a processor they pass as they are, on the thread that brings them. With one they are changed on a thread of
their own, in order.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from daemon.processors.processor_chain import ProcessorChain
from daemon.processors.processor_folder import ProcessorFolder
from daemon.shared.clock import Clock
from daemon.shared.threads import restart_on_crash
from io_bridges.frames import RenderedFrame
from presets.parameters import Parameters

WAITING = 8
"""Most pictures that wait. The oldest of more is dropped."""

IDLE = 0.25
"""Seconds between two looks at processes while no picture comes."""

Show = Callable[[RenderedFrame, int, int], None]
"""Takes a picture, its place from 0 among those of one network call, and their number."""


class ProcessedPictures:
    """Changes each picture and hands it on. Any thread may put one."""

    def __init__(self, folder: ProcessorFolder, parameters: Callable[[], Parameters], clock: Clock, show: Show) -> None:
        """`parameters` returns the parameters at this moment, `show` takes the pictures."""
        self.chain = ProcessorChain("after", clock)
        self._folder = folder
        self._parameters = parameters
        self._show = show
        self._condition = threading.Condition()
        self._waiting: deque[tuple[RenderedFrame, int, int]] = deque(maxlen=WAITING)
        self._is_on = self._is_busy = self._is_called = self._stopping = False
        self.dropped = 0
        """Pictures that were dropped because the processors are slower than the renderer."""
        work = restart_on_crash("the processors of pictures", self._work, lambda: self._stopping)
        self._thread = threading.Thread(target=work, name="processors-after", daemon=True)

    def start(self) -> None:
        """Start the thread, which sleeps until `look` finds a processor."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and end the processes."""
        self._stopping = True
        self._call()
        if self._thread.is_alive():
            self._thread.join(2.0)
        self.chain.end()

    def look(self) -> None:
        """Wake the thread if processors are named now, or none any more. For the main thread."""
        if self._is_on != self.chain.is_wanted(self._parameters().processor, self._folder.files):
            self._call()

    def put(self, frame: RenderedFrame, place: int = 0, of: int = 1) -> None:
        """Take picture number `place`, from 0, of the `of` pictures of one call."""
        with self._condition:
            # A picture never overtakes those that are still with a processor.
            if self._is_on or self._is_busy or self._waiting:
                self.dropped += len(self._waiting) == WAITING
                self._waiting.append((frame, place, of))
                self._condition.notify()
                return
        self._show(frame, place, of)

    def _call(self) -> None:
        with self._condition:
            self._is_called = True
            self._condition.notify()

    def _work(self) -> None:
        while not self._stopping:
            with self._condition:
                self._is_busy = False
                self._condition.wait_for(lambda: self._waiting or self._is_called, IDLE if self._is_on else None)
                self._is_called = False
                picture = self._waiting.popleft() if self._waiting else None
                self._is_busy = picture is not None
            places, files = self._parameters().processor, self._folder.files
            is_on = self.chain.is_wanted(places, files)
            self.chain.tend(places if is_on else (), files)
            if picture is not None:
                frame, place, of = picture
                changed = self.chain.run(frame.host_pixels(), places) if is_on else frame.host_pixels()
                self._show(frame if changed is frame.host_pixels() else replace(frame, pixels=changed), place, of)
            with self._condition:
                self._is_on = is_on
