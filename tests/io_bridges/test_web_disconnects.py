"""Clients that vanish: whatever they leave half done, the log stays clean and the server goes on."""

import asyncio
import base64
import logging
import os
import socket
import struct
import time
from collections.abc import Iterator

import numpy as np
import pytest
from web_client import ask, eventually, port_of
from web_show_control import WebShow, flat, serving

from io_bridges.frames import RenderedFrame, Tick
from io_bridges.web import connections
from io_bridges.web.preview import WebPreview
from io_bridges.web.server import WebControl

JSON = b"Content-Type: application/json\r\n"
CUT_BODIES = {
    "length": JSON + b'Content-Length: 100\r\n\r\n{"/strength": 0.',
    "chunked": JSON + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"/st\r\n40\r\nrength',
    "bad chunk": JSON + b'Transfer-Encoding: chunked\r\n\r\nzz\r\n{"/st',
    "too long": JSON + b"Content-Length: 1000000\r\n\r\n" + b"x" * 70_000,
}


@pytest.fixture(scope="module")
def show() -> WebShow:
    return WebShow()


@pytest.fixture(scope="module")
def control(show: WebShow) -> Iterator[WebControl]:
    with serving(WebControl(port=0), show) as control:
        yield control


@pytest.fixture(autouse=True)
def clean_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test that leaves a warning, an error or a traceback in the log."""
    caplog.set_level(logging.WARNING)
    yield
    records = caplog.get_records("call")
    assert [(record.name, record.getMessage(), record.exc_info) for record in records] == []


def connect(control: WebControl) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port_of(control)), timeout=20)


def request(control: WebControl, line: str) -> bytes:
    return f"{line} HTTP/1.1\r\nHost: 127.0.0.1:{port_of(control)}\r\n".encode()


def upgrade(control: WebControl, path: str) -> bytes:
    key = base64.b64encode(os.urandom(16))
    return (
        request(control, f"GET {path}")
        + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        + key
        + b"\r\n\r\n"
    )


def frame(opcode: int, payload: bytes, *, length: int | None = None, final: bool = True) -> bytes:
    """Return a masked WebSocket frame. A `length` above that of the payload makes it incomplete."""
    size = len(payload) if length is None else length
    header = bytes([0x80 * final | opcode, 0x80 | min(size, 126)]) + (struct.pack("!H", size) if size > 125 else b"")
    return header + bytes(4) + payload  # the mask is zero


def cut(client: socket.socket, reset: bool) -> None:
    """Close the socket with FIN, or with RST."""
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("line", ["PUT /api/values", "POST /api/actions/panic"])
@pytest.mark.parametrize("body", CUT_BODIES)
def test_cut_in_request_body(control: WebControl, show: WebShow, line: str, body: str, reset: bool) -> None:
    client = connect(control)
    client.sendall(request(control, line) + CUT_BODIES[body])
    time.sleep(0.02)  # the route reads the body now
    cut(client, reset)
    assert ask(control, "GET", "/api/values")[0] == 200
    assert show.calls == []


FRAMES = {
    "half": frame(1, b'{"set"', length=50),
    "large": frame(1, b"x" * 5000, length=60_000),
    "fragment": frame(1, b'{"set"', final=False),
    "not utf-8": frame(1, b"\xff\xfe"),
    "fragments not utf-8": frame(1, b"\xc3", final=False) + frame(0, b"\x28"),
    "reserved bits": b"\xff\xff\xff",
    "not masked": b"\x81\x02{}",
    "continuation": frame(0, b"x"),
    "bad close": frame(8, b"\x01"),
    "after close": frame(8, b"\x03\xe8") + frame(1, b"{}"),
    "unread replies": frame(1, b'{"set": "/nothing", "value": 1}') * 200,
}


@pytest.mark.parametrize("path", ["/ws", "/ws/picture"])
@pytest.mark.parametrize("frames", FRAMES)
def test_cut_websocket(control: WebControl, path: str, frames: str) -> None:
    for reset in (False, True):
        client = connect(control)
        client.sendall(upgrade(control, path))
        assert b"101" in client.recv(1000)
        client.sendall(FRAMES[frames])
        control.preview.write(*flat(1, 90 + 60 * reset))
        time.sleep(0.02)
        cut(client, reset)
    eventually(lambda: control.status()["pages"] == control.status()["viewers"] == 0)


@pytest.mark.parametrize("path", ["/ws", "/ws/picture", "/nothing"])
def test_cut_handshake(control: WebControl, path: str) -> None:
    whole = upgrade(control, path)
    for sent in (whole, whole[:-2], whole.replace(b"Key: ", b"Key: x"), whole.replace(b"Sec-WebSocket-Key", b"X-Key")):
        for reset in (False, True):
            client = connect(control)
            client.sendall(sent)
            cut(client, reset)
    assert ask(control, "GET", "/api/values")[0] == 200
    eventually(lambda: control.status()["pages"] == control.status()["viewers"] == 0)


def test_stop_with_unfinished_clients() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2000, 3000, 3), dtype=np.uint8)
    control = WebControl(port=0, preview=WebPreview(longest=3000))
    control.preview.write(RenderedFrame(noise, 1, -1, 0, 0), Tick(1, 1, False))
    with serving(control, WebShow()):
        sends = [request(control, "PUT /api/values") + body for body in CUT_BODIES.values()]
        sends += [request(control, "GET /output.jpg") + b"\r\n", upgrade(control, "/ws/picture")]
        clients = [connect(control) for _ in sends]
        for client, sent in zip(clients, sends, strict=True):
            client.sendall(sent)  # none of them reads
        time.sleep(0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    for client in clients:
        client.close()


@pytest.mark.parametrize("path", ["/output.jpg", "/ws/picture"])
def test_stop_with_unsent_rest(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """The rest of an answer that waits in the transport, below the size that pauses writing, holds no connection."""
    accept = connections.BoundedConnection.connection_made

    def accept_unpaused(connection: connections.BoundedConnection, transport: asyncio.Transport) -> None:
        accept(connection, transport)
        transport.set_write_buffer_limits(high=1 << 30)

    monkeypatch.setattr(connections.BoundedConnection, "connection_made", accept_unpaused)
    noise = np.random.default_rng(0).integers(0, 255, (4000, 4000, 3), dtype=np.uint8)
    control = WebControl(port=0, preview=WebPreview(longest=4000))
    control.preview.write(RenderedFrame(noise, 1, -1, 0, 0), Tick(1, 1, False))
    with serving(control, WebShow()):
        client = connect(control)
        client.sendall(upgrade(control, path) if path.startswith("/ws") else request(control, f"GET {path}") + b"\r\n")
        client.recv(1)
        time.sleep(0.1)
    client.close()


def test_half_body_is_timed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_TIMEOUT", 0.2)
    with serving(WebControl(port=0), WebShow()) as control, connect(control) as client:
        client.sendall(request(control, "PUT /api/values") + CUT_BODIES["length"])
        assert client.recv(1) == b""
