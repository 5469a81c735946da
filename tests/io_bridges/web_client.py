"""Clients of the web server for its tests: one request, one page's channel."""

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
    return int(control.url.rstrip("/").rpartition(":")[2])


def ask(
    control: WebControl,
    method: str,
    path: str,
    body: object = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """One request; a body that is no bytes goes as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(control), timeout=20)
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, raw, {"Content-Type": "application/json", **(headers or {})})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, answer.headers


def page(control: WebControl, path: str = "/ws", **options: object) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port_of(control)}{path}", compression=None, **options)


def hear(client: ClientConnection, kind: str) -> object:
    """The next message of this kind; status and values that come between are passed over."""
    while True:
        message = json.loads(client.recv(timeout=20))
        if kind in message:
            return message[kind]


def tell(client: ClientConnection, message: object) -> dict[str, object]:
    client.send(json.dumps(message))
    answer = hear(client, "answer")
    assert isinstance(answer, dict)
    return answer


def closing_code(client: ClientConnection) -> int | None:
    """What the server says when it closes, after all that it said before."""
    while True:
        try:
            client.recv(timeout=20)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


def eventually(condition: Callable[[], bool]) -> None:
    ended = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ended, "it did not come to pass"
        time.sleep(0.01)


def decoded(jpeg: str | bytes) -> np.ndarray:
    assert isinstance(jpeg, bytes)
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
