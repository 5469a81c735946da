"""`Feed`: a source of a show that a test controls."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import cv2
import numpy as np
import zmq
from numpy.typing import NDArray
from show import free_port

Picture = NDArray[np.uint8]


class Feed:
    """A ZeroMQ sender of frames: one still frame, which a test can move."""

    def __init__(self, side: int) -> None:
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.still: Picture = np.zeros((side, side, 3), dtype=np.uint8)
        part = side / 128
        cv2.circle(self.still, (int(40 * part), int(50 * part)), int(25 * part), (250, 200, 40), -1)
        corners = (int(75 * part), int(10 * part)), (int(120 * part), int(115 * part))
        cv2.rectangle(self.still, *corners, (30, 60, 200), -1)
        self._socket = zmq.Context.instance().socket(zmq.PUB)
        self._socket.linger = 0
        self._socket.connect(self.address)
        self._numbers = count()

    def push(self, pixels: Picture) -> None:
        header = {"dtype": "uint8", "shape": pixels.shape, "index": next(self._numbers)}
        self._socket.send_json(header, zmq.SNDMORE)
        self._socket.send(pixels.tobytes())

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Send sixty slightly different frames per second, and the still frame at the end."""
        over = threading.Event()

        def move() -> None:
            for number in count():
                if over.wait(1 / 60):
                    return
                self.push(np.roll(self.still, number % 3, axis=1))

        thread = threading.Thread(target=move)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.push(self.still)

    def close(self) -> None:
        self._socket.close()
