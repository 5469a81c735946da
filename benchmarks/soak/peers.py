"""A sender and a receiver of pictures to stop and to kill, ``python -m benchmarks.soak.peers``."""

import json
import threading
import time
from typing import Any

import zmq

from benchmarks.child_process import answer_requests
from benchmarks.show.card_sender import CardSender

_LIES: tuple[tuple[bytes, ...], ...] = (
    (b"",),
    (b"{", b"x"),
    (b"null", b"x"),
    (json.dumps({"dtype": "uint8", "shape": [256, 256, 3]}).encode(), b"short"),
    (json.dumps({"dtype": "uint8", "shape": [10**9, 10**9, 3]}).encode(), b"x"),
    (json.dumps({"dtype": "object", "shape": [2, 2, 3]}).encode(), b"x" * 12),
    (json.dumps({"dtype": "uint8", "shape": [-1, 2, 3], "captured_at": "now"}).encode(), b"x" * 6),
    (b"[" * 100_000, b"x"),
    tuple(b"part" for _ in range(50)),
)
"""Messages that are no frames, in the forms that a broken sender makes."""


def send(address: str, side: int, fps: float) -> dict[str, Any]:
    """Send test cards to a source from now on."""
    CardSender([address], side, side, fps, jitter=0.004).start()
    return {}


def lie(address: str, seconds: float) -> dict[str, Any]:
    """Send what is no frame to a source, for some seconds. Return the number of messages."""
    sent = 0
    until = time.monotonic() + seconds
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.linger = 0
        socket.connect(address)
        while time.monotonic() < until:
            socket.send_multipart(_LIES[sent % len(_LIES)])
            sent += 1
            time.sleep(0.002)
    return {"sent": sent}


def read(address: str) -> dict[str, Any]:
    """Receive what a sink sends, and drop it, from now on."""
    threading.Thread(target=_receive, args=(address,), daemon=True).start()
    return {}


def _receive(address: str) -> None:
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.subscribe(b"")
        socket.connect(address)
        while True:
            socket.recv_multipart(copy=False)


if __name__ == "__main__":
    answer_requests({"send": send, "lie": lie, "read": read})
