"""Clients of the web server for its tests: single requests and WebSockets."""

import http.client
import json
import time
from collections.abc import Callable

import cv2
import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from io_bridges.web.server import WebControl


def port_of(control: WebControl) -> int:
    """Return the port of the server."""
    return int(control.url.rstrip("/").rpartition(":")[2])


def ask(
    control: WebControl,
    method: str,
    path: str,
    body: object = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """Send one request and return status, body and headers. A body other than bytes is sent as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(control), timeout=20)
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, raw, {"Content-Type": "application/json", **(headers or {})})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, content, response.headers


def open_socket(control: WebControl, path: str = "/ws", **options: object) -> ClientConnection:
    """Open one of the page's WebSockets."""
    return connect(f"ws://127.0.0.1:{port_of(control)}{path}", compression=None, **options)


def receive(client: ClientConnection, kind: str) -> object:
    """Return the content of the next message of this kind and skip all others."""
    while True:
        message = json.loads(client.recv(timeout=20))
        if kind in message:
            return message[kind]


def send(client: ClientConnection, message: object) -> dict[str, object]:
    """Send a message and return its answer."""
    client.send(json.dumps(message))
    answer = receive(client, "answer")
    assert isinstance(answer, dict)
    return answer


def closing_code(client: ClientConnection) -> int | None:
    """Read until the server closes the socket and return the close code."""
    while True:
        try:
            client.recv(timeout=20)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold within 60 s"
        time.sleep(0.01)


def decoded(jpeg: str | bytes) -> np.ndarray:
    """Return the pixels of a JPEG, uint8 [H, W, 3], RGB."""
    assert isinstance(jpeg, bytes)
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
