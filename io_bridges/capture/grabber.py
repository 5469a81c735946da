"""`FrameGrabber` reads a live input on a thread of its own and keeps the newest frame.

PyAV's calls wait for the device or the network: a driver that hangs stops this thread, and not the stage's.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import av
from av.container.input import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream as InputStream

from io_bridges.frames import LONGEST_SIDE
from presets.errors import BridgeError

_THREADS = 2
_JOIN_SECONDS = 1.0
_WAIT_SECONDS = 0.003
_BEHIND_SECONDS = 2.0
"""Seconds without a wait for a packet after which only key frames are decoded."""


@dataclass(frozen=True, slots=True)
class GrabbedFrame:
    """A decoded frame that is not RGB yet, so that a frame that nobody takes costs no conversion."""

    frame: VideoFrame
    captured_at: int
    """Nanoseconds, monotonic, when it was decoded."""


class FrameGrabber:
    """A thread that opens an input, decodes its first video stream and keeps the newest frame."""

    def __init__(
        self,
        name: str,
        open_input: Callable[[threading.Event], InputContainer],
        until_due: Callable[[VideoFrame, threading.Event], bool] = lambda frame, stopping: False,
    ) -> None:
        """Set the input. `name` is for error messages.

        `open_input` is called on the thread, with an event that is set when it shall give up. It raises `BridgeError`.
        `until_due` waits until a frame shall be shown, and returns True if it did.
        """
        self.dropped = 0
        """Number of frames that a newer one replaced before they were taken."""
        self.corrupt = 0
        """Number of packets that could not be decoded and were skipped."""
        self.declared_fps = 0.0
        """Frames a second that the input says it has; 0 before it is open, and for one that says nothing."""
        self.is_hurried = False
        """True while only key frames are decoded, because frames come faster than they can be decoded."""
        self._name = name
        self._open_input = open_input
        self._until_due = until_due
        self._changed = threading.Condition()
        self._newest: GrabbedFrame | None = None
        self._error: BridgeError | None = None
        self._is_open = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"grab {name}", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Return True until the thread has closed its input."""
        return self._thread.is_alive()

    def wait_until_open(self, timeout: float) -> None:
        """Wait for the input to open. Raises its `BridgeError`, and one if `timeout` seconds pass."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_open or self._error is not None, timeout)
            if self._error is not None:
                raise self._error
            if not self._is_open:
                raise BridgeError(f"{self._name} does not open within {timeout:.0f} s")

    def take(self, timeout: float) -> GrabbedFrame | None:
        """Wait at most `timeout` seconds for a frame. Return the newest one, once, or None.

        Raises the `BridgeError` that ended the thread.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._error is not None, timeout)
            newest, self._newest = self._newest, None
            if newest is None and self._error is not None:
                raise self._error
            return newest

    def stop(self) -> None:
        """Make the thread close its input, and wait for it for a second. A call that hangs keeps it running."""
        self._stopping.set()
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        try:
            with self._open_input(self._stopping) as container:
                stream = self._video_stream(container)
                self.declared_fps = float(stream.guessed_rate or stream.average_rate or 0)
                with self._changed:
                    self._is_open = True
                    self._changed.notify_all()
                self._decode(container, stream)
            raise BridgeError(f"{self._name} has ended")
        except BridgeError as error:
            self._fail(error)
        except (OSError, av.error.FFmpegError) as error:
            self._fail(BridgeError(f"{self._name}: {error.strerror}"))

    def _fail(self, error: BridgeError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _video_stream(self, container: InputContainer) -> InputStream:
        if not container.streams.video:
            raise BridgeError(f"{self._name} has no video")
        stream = container.streams.video[0]
        context = stream.codec_context
        context.thread_type = "SLICE"  # Decoding several frames at once would delay each of them.
        context.thread_count = _THREADS
        context.flags |= av.codec.context.Flags.low_delay
        context.options = {"max_pixels": str(LONGEST_SIDE * LONGEST_SIDE)}
        return stream

    def _decode(self, container: InputContainer, stream: InputStream) -> None:
        waited_at = asked_at = time.monotonic()
        for packet in container.demux(stream):
            if self._stopping.is_set():
                return
            now = time.monotonic()
            if now - asked_at > _WAIT_SECONDS:
                waited_at = now
            # Frames that never have to be waited for pile up before us, and are shown later and later.
            self._hurry(stream, now - waited_at > _BEHIND_SECONDS)
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                self.corrupt += 1
                frames = []
            for frame in frames:
                self._check_size(frame)
                if self._until_due(frame, self._stopping):
                    waited_at = time.monotonic()
                self._keep(GrabbedFrame(frame, time.monotonic_ns()))
            asked_at = time.monotonic()

    def _hurry(self, stream: InputStream, hurry: bool) -> None:
        if hurry != self.is_hurried:
            stream.codec_context.skip_frame = "NONKEY" if hurry else "DEFAULT"
            self.is_hurried = hurry

    def _check_size(self, frame: VideoFrame) -> None:
        if max(frame.width, frame.height) > LONGEST_SIDE:
            size = f"{frame.width}x{frame.height}"
            raise BridgeError(f"{self._name} has frames of {size}; the limit is {LONGEST_SIDE} pixels a side")

    def _keep(self, grabbed: GrabbedFrame) -> None:
        with self._changed:
            self.dropped += self._newest is not None
            self._newest = grabbed
            self._changed.notify_all()
