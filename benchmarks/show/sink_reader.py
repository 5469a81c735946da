"""`SinkReader`: the far end of a show's ZeroMQ sink. It keeps when each picture came, not the picture."""

import json
import threading
import time
from collections.abc import Callable

import zmq

from benchmarks.report.findings import NotMeasured
from benchmarks.show.received_frames import ReceivedFrame


class SinkReader(threading.Thread):
    """Reads until it is stopped; what came is in `arrivals`. It may be started before the show is."""

    def __init__(self, address: str) -> None:
        super().__init__(name=f"reader of {address}", daemon=True)
        self.arrivals: list[ReceivedFrame] = []
        """Appended to while the thread runs; index and slice it, don't change it."""
        self._address = address
        self._stopping = threading.Event()

    def run(self) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.linger = 0
            socket.rcvhwm = 8
            socket.rcvtimeo = 100
            socket.setsockopt(zmq.RECONNECT_IVL, 5)  # ms: a show that is measured from its start must not be missed
            socket.subscribe(b"")
            socket.connect(self._address)
            while not self._stopping.is_set():
                try:
                    header, pixels = socket.recv_multipart(copy=False)
                except zmq.Again:
                    continue
                at = time.monotonic_ns()
                meta = json.loads(header.bytes)
                self.arrivals.append(
                    ReceivedFrame(
                        at,
                        meta["tick"],
                        meta["index"],
                        meta["source_index"],
                        meta["captured_at"],
                        meta["revision"],
                        int.from_bytes(pixels.buffer[:8], "little"),
                    )
                )

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self.is_alive():
            self.join(2.0)

    def since(self, moment: int) -> list[ReceivedFrame]:
        """What came at `moment` (ns) or later."""
        place = len(self.arrivals)
        while place and self.arrivals[place - 1].at >= moment:
            place -= 1
        return self.arrivals[place:]

    def wait_for(
        self, wanted: Callable[[ReceivedFrame], bool], seconds: float, what: str, since: int = 0
    ) -> ReceivedFrame:
        """The first arrival that is wanted. Raises `NotMeasured` naming `what` if none comes in time."""
        deadline = time.monotonic() + seconds
        place = len(self.arrivals) - len(self.since(since))
        while True:
            while place < len(self.arrivals):
                if wanted(self.arrivals[place]):
                    return self.arrivals[place]
                place += 1
            if time.monotonic() > deadline:
                raise NotMeasured(f"{what} did not come within {seconds:.0f} s")
            time.sleep(0.01)
