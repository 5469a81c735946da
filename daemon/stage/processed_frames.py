"""`ProcessedFrames`: frames for the renderer, as processors change them before they are drawn.

Without a processor they pass as they are, on the thread that asks. With one they are changed on a thread of their own,
so that the link never waits.
"""

import threading
from collections.abc import Callable
from dataclasses import replace

from daemon.processors.processor_chain import ProcessorChain
from daemon.processors.processor_folder import ProcessorFolder
from daemon.shared.clock import Clock
from daemon.shared.threads import restart_on_crash
from daemon.stage.frame_mixer import FrameMixer
from daemon.stage.source_thread import READ_SECONDS, fitted
from io_bridges.frames import Frame
from presets.parameters import Parameters


class ProcessedFrames:
    """The newest frame of a `FrameMixer`, changed. The link's thread peeks."""

    def __init__(
        self,
        frames: FrameMixer,
        folder: ProcessorFolder,
        parameters: Callable[[], Parameters],
        size: Callable[[], tuple[int, int]],
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        """
        Args:
            frames: The frames as they come.
            folder: The processors.
            parameters: Returns the parameters at this moment.
            size: Returns the width and height that the renderer asked for last.
            clock: The clock of the show.
            wake: Called when there is another frame.
        """
        self.chain = ProcessorChain("before", clock)
        self._frames = frames
        self._folder = folder
        self._parameters = parameters
        self._size = size
        self._wake = wake
        self._peeking = threading.Lock()
        self._arrived = threading.Event()
        self._stopping = False
        self._is_on = False
        self._newest: tuple[Frame, int] | None = None
        """The newest changed frame and its number; None while frames pass as they are."""
        self._changes = 0
        self._made_from: object = None
        self._given: object = None
        self._serial = 0
        work = restart_on_crash("the processors of frames", self._work, lambda: self._stopping)
        self._thread = threading.Thread(target=work, name="processors-before", daemon=True)

    def start(self) -> None:
        """Start the thread, which sleeps until `look` finds a processor."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and end the processes."""
        self._stopping = True
        self._arrived.set()
        if self._thread.is_alive():
            self._thread.join(2.0)
        self.chain.end()

    def look(self) -> None:
        """Wake the thread if processors are named now, or none any more. For the main thread."""
        if self._is_on != self.chain.is_wanted(self._parameters().processor, self._folder.files):
            self._arrived.set()

    def takes_frame(self) -> bool:
        """Take note of a frame that came. Return False if nobody changes it, so that the link can have it at once."""
        if self._newest is not None:
            self._arrived.set()
        return self._newest is not None

    def peek(self) -> tuple[Frame | None, int]:
        """Return the newest frame and its serial number; (None, 0) while there is none."""
        newest = self._newest
        if newest is None:
            frame, number = self._next()
        else:
            frame, number = newest
        if frame is None:
            self._given = None
            return None, 0
        if self._given != (given := (newest is None, number)):
            self._given = given
            self._serial += 1
        return frame, self._serial

    def _next(self) -> tuple[Frame | None, int]:
        with self._peeking:
            return self._frames.peek()

    def _work(self) -> None:
        while not self._stopping:
            # The mixer and moving parameters are polled as often as a source is.
            self._arrived.wait(READ_SECONDS if self._is_on else None)
            self._arrived.clear()
            places, files = self._parameters().processor, self._folder.files
            self._is_on = self.chain.is_wanted(places, files)
            self.chain.tend(places if self._is_on else (), files)
            frame, number = self._next() if self._is_on else (None, 0)
            if frame is None:
                self._newest = self._made_from = None
            elif self._made_from != (made_from := (number, self._size(), places)):
                self._change(frame, number, made_from)

    def _change(self, frame: Frame, number: int, made_from: tuple[int, tuple[int, int], object]) -> None:
        sized = fitted(frame, *self._size())
        changed = self.chain.run(sized.pixels, self._parameters().processor)
        is_new = not isinstance(self._made_from, tuple) or self._made_from[0] != number
        # Nothing is sent again for a processor that is not ready yet. It gets the frame until it is.
        if is_new or changed is not sized.pixels:
            self._changes += 1
            # A frame that is shown again was captured long ago and is no measure of the delay.
            captured_at = frame.captured_at if is_new else 0
            self._newest = replace(sized, pixels=changed, captured_at=captured_at), self._changes
            self._wake()
        self._made_from = (number, None, None) if self.chain.has_missed else made_from
