"""A sender of damaged messages in a process of its own, ``python -m benchmarks.show.hostile_sender``."""

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import zmq

from benchmarks.child_process import answer_requests
from benchmarks.show.hostile_messages import HostileMessages
from benchmarks.show.osc_sender import OscSender

_PATIENCE = 2.0
"""Seconds for an answer of the page. One without an answer hangs."""


def osc(port: int, count: int, rate: float, seed: int) -> dict[str, Any]:
    """Send damaged OSC datagrams."""
    messages = HostileMessages(seed)
    with OscSender(port) as sender:
        _paced(count, rate, lambda: sender.send_datagram(messages.datagram()))
    return {"sent": count}


def zeromq(control_port: int, source_address: str, count: int, rate: float, seed: int) -> dict[str, Any]:
    """Send damaged requests to the control port and damaged pictures to a source, in turns."""
    messages = HostileMessages(seed)
    with zmq.Context() as context, context.socket(zmq.DEALER) as control, context.socket(zmq.PUB) as source:
        control.linger = source.linger = 0
        control.connect(f"tcp://127.0.0.1:{control_port}")
        source.connect(source_address)
        time.sleep(0.5)  # a publisher drops what it sends before its receiver has subscribed
        answers = 0

        def send() -> None:
            nonlocal answers
            with contextlib.suppress(zmq.Again):
                control.send_multipart(messages.control_request(), zmq.NOBLOCK)
            source.send_multipart(messages.picture())
            while control.poll(0):
                answers += bool(control.recv_multipart())

        _paced(count // 2, rate / 2, send)
        time.sleep(0.5)
    return {"sent": count // 2 * 2, "answers": answers}


def web(port: int, count: int, rate: float, seed: int) -> dict[str, Any]:
    """Send damaged requests to the page, each on a connection of its own. Return the answers by their status."""
    messages = HostileMessages(seed, port)
    answers: Counter[str] = Counter()
    _paced(count, rate, lambda: answers.update([_answer(port, messages.request())]))
    return {"sent": count, "answers": dict(answers)}


def _answer(port: int, request: bytes) -> str:
    """Return the status of the answer to a request: ``none`` without one, ``hangs`` if the connection stays open."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), _PATIENCE) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while len(received) < 1 << 20 and (part := connection.recv(1 << 16)):
                received += part
        except TimeoutError:
            return "hangs"
        except OSError:  # it was ended, which is an answer
            pass
    return received[9:12].decode("latin-1") if received.startswith(b"HTTP/") else "none"


def _paced(count: int, rate: float, send: Callable[[], None]) -> None:
    began = time.monotonic()
    for number in range(count):
        if (early := began + number / rate - time.monotonic()) > 0:
            time.sleep(early)
        send()


if __name__ == "__main__":
    answer_requests({"osc": osc, "zeromq": zeromq, "web": web})
