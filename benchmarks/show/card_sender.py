"""`CardSender`: test cards sent over ZeroMQ, by turns to one or several receivers, stamped with when they were sent."""

import json
import random
import threading
import time
from collections.abc import Sequence

import zmq

from io_bridges.card import draw_card

CARDS = 30


class CardSender(threading.Thread):
    """Sends until it is stopped. Each receiver gets `fps` pictures a second, none two at the same moment.

    Each sending is late by a random part of `jitter` seconds: sender and output clock both keep absolute deadlines,
    and would otherwise stay in one phase for the whole run, by luck a good or a bad one.
    """

    def __init__(self, addresses: Sequence[str], width: int, height: int, fps: float, jitter: float) -> None:
        super().__init__(name="pusher", daemon=True)
        self._addresses = addresses
        self._shape = [height, width, 3]
        self._cards = [draw_card(index, width, height) for index in range(CARDS)]
        self._period = 1.0 / (fps * len(addresses))
        self._jitter = jitter
        self._stopping = threading.Event()

    def run(self) -> None:
        chance = random.Random(1)
        with zmq.Context() as context:
            sockets = [context.socket(zmq.PUB) for _ in self._addresses]
            for socket, address in zip(sockets, self._addresses, strict=True):
                socket.linger = 0
                socket.sndhwm = 4
                socket.connect(address)
            due = time.monotonic()
            number = 0
            while not self._stopping.wait(max(0.0, due + chance.random() * self._jitter - time.monotonic())):
                header = {"dtype": "uint8", "shape": self._shape, "index": number}
                header["captured_at"] = time.monotonic_ns()
                parts: list[bytes | memoryview] = [json.dumps(header).encode(), self._cards[number % CARDS].data]
                sockets[number % len(sockets)].send_multipart(parts, copy=False)
                number += 1
                due = max(due + self._period, time.monotonic() - self._period)
            for socket in sockets:
                socket.close()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self.join(2.0)
