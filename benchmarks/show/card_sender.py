"""Sender of test cards over ZeroMQ. Each frame carries the time it was sent."""

import json
import random
import threading
import time
from collections.abc import Sequence

import zmq

from io_bridges.card import draw_card

CARDS = 30


class CardSender(threading.Thread):
    """A thread that sends test cards to one or several receivers until it is stopped.

    Each receiver gets `fps` frames per second, and no two get one at the same moment. Every frame is late by a random
    part of `jitter` seconds. Without it sender and output clock, which both keep absolute deadlines, would keep one
    phase for the whole run.
    """

    def __init__(self, addresses: Sequence[str], width: int, height: int, fps: float, jitter: float) -> None:
        super().__init__(name="card sender", daemon=True)
        self._addresses = addresses
        self._shape = [height, width, 3]
        self._cards = [draw_card(index, width, height) for index in range(CARDS)]
        self._period = 1.0 / (fps * len(addresses))
        self._jitter = jitter
        self._stopping = threading.Event()

    def run(self) -> None:
        random_delay = random.Random(1)
        with zmq.Context() as context:
            sockets = [context.socket(zmq.PUB) for _ in self._addresses]
            for socket, address in zip(sockets, self._addresses, strict=True):
                socket.linger = 0
                socket.sndhwm = 4
                socket.connect(address)
            due = time.monotonic()
            number = 0
            while not self._stopping.wait(max(0.0, due + random_delay.random() * self._jitter - time.monotonic())):
                header = {"dtype": "uint8", "shape": self._shape, "index": number}
                header["captured_at"] = time.monotonic_ns()
                parts: list[bytes | memoryview] = [json.dumps(header).encode(), self._cards[number % CARDS].data]
                sockets[number % len(sockets)].send_multipart(parts, copy=False)
                number += 1
                due = max(due + self._period, time.monotonic() - self._period)
            for socket in sockets:
                socket.close()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopping.set()
        self.join(2.0)
