"""Reader of a show's ZeroMQ sink. It keeps the time and header of each frame, not the pixels."""

import json
import threading
import time
from collections.abc import Callable

import zmq

from benchmarks.report.findings import NotMeasured
from benchmarks.show.received_frames import ReceivedFrame

SAMPLE = 1009
"""Bytes from one to the next that tell a black frame. A prime number meets every channel."""


class SinkReader(threading.Thread):
    """A thread that receives frames into `frames` until it is stopped. It may start before the show."""

    def __init__(self, address: str) -> None:
        super().__init__(name=f"reader of {address}", daemon=True)
        self.frames: list[ReceivedFrame] = []
        """Received frames, oldest first. The thread appends to the list; callers only read it."""
        self._address = address
        self._stopping = threading.Event()

    def run(self) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.linger = 0
            socket.rcvhwm = 8
            socket.rcvtimeo = 100
            socket.setsockopt(zmq.RECONNECT_IVL, 5)  # ms, short so that the first frames of a show are received
            socket.subscribe(b"")
            socket.connect(self._address)
            while not self._stopping.is_set():
                try:
                    header, pixels = socket.recv_multipart(copy=False)
                except zmq.Again:
                    continue
                at = time.monotonic_ns()
                meta = json.loads(header.bytes)
                self.frames.append(
                    ReceivedFrame(
                        at,
                        meta["tick"],
                        meta["index"],
                        meta["source_index"],
                        meta["captured_at"],
                        meta["revision"],
                        int.from_bytes(pixels.buffer[:8], "little"),
                        any(pixels.buffer[::SAMPLE]),
                    )
                )

    def stop(self) -> None:
        """Stop the thread."""
        self._stopping.set()
        if self.is_alive():
            self.join(2.0)

    def since(self, begin: int) -> list[ReceivedFrame]:
        """Return the frames received at `begin` (ns) or later."""
        place = len(self.frames)
        while place and self.frames[place - 1].at >= begin:
            place -= 1
        return self.frames[place:]

    def take(self) -> list[ReceivedFrame]:
        """Return the frames received since the last call, and forget them."""
        taken = self.frames[:]
        del self.frames[: len(taken)]
        return taken

    def wait_for(
        self, wanted: Callable[[ReceivedFrame], bool], seconds: float, what: str, since: int = 0
    ) -> ReceivedFrame:
        """Return the first wanted frame received at `since` or later.

        Raises:
            NotMeasured: none came within `seconds`. The message names `what`.
        """
        deadline = time.monotonic() + seconds
        place = len(self.frames) - len(self.since(since))
        while True:
            while place < len(self.frames):
                if wanted(self.frames[place]):
                    return self.frames[place]
                place += 1
            if time.monotonic() > deadline:
                raise NotMeasured(f"{what} did not come within {seconds:g} s")
            time.sleep(0.01)
