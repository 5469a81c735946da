"""Hosts, origins and silent connections: who may use the web server, and for how long."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_client import ask, open_socket, port_of, receive
from web_show_control import WebShow, serving
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from io_bridges.web import connections
from io_bridges.web.security import Hosts
from io_bridges.web.server import WebControl


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[WebControl, WebShow]]:
    show = WebShow()
    with serving(WebControl(port=0), show) as control:
        yield control, show


@pytest.fixture
def show(server: tuple[WebControl, WebShow]) -> WebShow:
    server[1].reset()
    return server[1]


@pytest.fixture
def control(server: tuple[WebControl, WebShow], show: WebShow) -> WebControl:
    return server[0]


def test_foreign_hosts_are_forbidden(control: WebControl, show: WebShow) -> None:
    port, forbidden = port_of(control), control.status()["forbidden"]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", f"LOCALHOST:{port}"):
        assert ask(control, "GET", "/", headers={"Host": host})[0] == 200, host
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        f"127.0.0.1:{port + 1}",
        f"localhost.evil:{port}",
    ):
        status, content, _ = ask(control, "GET", "/api/values", headers={"Host": host})
        assert status == 403, host
        assert "name" in json.loads(content)["error"]
    assert len(show.refusals) == 5
    assert control.status()["forbidden"] == forbidden + 5


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"])
def test_foreign_origins_are_forbidden(control: WebControl, show: WebShow, origin: str) -> None:
    assert ask(control, "PUT", "/api/values", {"/strength": 0.1}, {"Origin": origin})[0] == 403
    assert ask(control, "POST", "/api/actions/panic", headers={"Origin": origin})[0] == 403
    for path in ("/ws", "/ws/picture"):
        with pytest.raises(InvalidStatus, match="403"):
            open_socket(control, path, origin=origin)
    assert show.calls == []


def test_own_page_is_allowed(control: WebControl, show: WebShow) -> None:
    own = control.url.rstrip("/")
    assert ask(control, "PUT", "/api/values", {"/strength": 0.1}, {"Origin": own})[0] == 200
    assert show.values()["/strength"] == 0.1
    with open_socket(control, origin=own) as client:
        assert receive(client, "declaration")


def test_rebinding_on_websocket(control: WebControl) -> None:
    evil = f"ws://evil.example:{port_of(control)}/ws"
    with (
        socket.create_connection(("127.0.0.1", port_of(control))) as plain,
        pytest.raises(InvalidStatus, match="403"),
    ):
        connect(evil, sock=plain)


def test_host_names_on_network() -> None:
    hosts = Hosts("0.0.0.0", 8090)
    assert hosts.includes("192.168.1.20:8090")
    assert hosts.includes("[fe80::1]:8090")
    assert hosts.includes(f"{socket.gethostname()}:8090")
    assert not hosts.includes("evil.example:8090")
    assert not hosts.includes("192.168.1.20")
    assert not Hosts("127.0.0.1", 8090).includes("192.168.1.20:8090")
    assert Hosts("127.0.0.1", 80).includes("localhost")


@given(st.text())
def test_any_host_header(header: str) -> None:
    assert not Hosts("127.0.0.1", 8090).includes(header)


def test_security_headers(control: WebControl) -> None:
    for path in ("/", "/app.js", "/api/values", "/nothing"):
        headers = ask(control, "GET", path, headers={"Origin": control.url.rstrip("/")})[2]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in headers if name.lower().startswith("access-control")]


def test_answers_do_not_wait_for_acknowledgements(control: WebControl) -> None:
    """Nagle's algorithm would hold the second half of an answer for the 40 ms of a delayed acknowledgement."""
    with open_socket(control):
        assert control._server is not None
        transports = [each.transport for each in control._server.server_state.connections]
        sockets = [transport.get_extra_info("socket") for transport in transports]
        assert sockets
        assert all(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in sockets)


def test_silent_connections_are_bounded(show: WebShow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_TIMEOUT", 1.5)
    with serving(WebControl(port=0), show) as control, contextlib.ExitStack() as open_sockets:
        place = ("127.0.0.1", port_of(control))
        silent = [
            open_sockets.enter_context(socket.create_connection(place, timeout=20))
            for _ in range(connections.MOST_CONNECTIONS)
        ]
        silent[0].sendall(b"GET / HTTP/1.1\r\nHost:")  # half a request
        too_many = open_sockets.enter_context(socket.create_connection(place, timeout=20))
        with contextlib.suppress(ConnectionResetError):
            assert too_many.recv(1) == b""
        for connection in silent:
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        assert ask(control, "GET", "/api/values")[0] == 200


HEAD = b"PUT /api/values HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 40000\r\n\r\n"


def test_unfinished_requests_are_ended(show: WebShow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request has one deadline: the second one of a connection too, and one that drips, or was answered early."""
    monkeypatch.setattr(connections, "REQUEST_TIMEOUT", 1.0)
    with serving(WebControl(port=0), show) as control, contextlib.ExitStack() as open_sockets:
        host = f"127.0.0.1:{port_of(control)}".encode()
        whole, head = b"GET /api/values HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", HEAD % host
        starts = [
            head + b"{",
            whole + b"GET / HT",
            whole + head,
            HEAD % b"evil.example",
            head.replace(b"values", b"no"),
        ]
        attackers = [
            open_sockets.enter_context(socket.create_connection(("127.0.0.1", port_of(control)), timeout=20))
            for _ in range(connections.MOST_CONNECTIONS - 8)
        ]
        for number, attacker in enumerate(attackers):
            attacker.sendall(starts[number % len(starts)])
        assert ask(control, "GET", "/api/values")[0] == 200
        left, until = attackers, time.monotonic() + 20
        while left and time.monotonic() < until:
            left = [attacker for attacker in left if drips(attacker)]
            time.sleep(0.1)
        assert left == []
        assert ask(control, "PUT", "/api/values", {"/strength": 0.25})[0] == 200


def drips(attacker: socket.socket) -> bool:
    """Send one more byte. Return False once the server has ended the connection."""
    attacker.settimeout(0.001)
    try:
        while attacker.recv(65_536):
            pass
    except TimeoutError:
        pass
    except OSError:
        return False
    else:
        return False
    try:
        attacker.sendall(b"x")
    except OSError:
        return False
    return True


def open_page(control: WebControl, monkeypatch: pytest.MonkeyPatch) -> ClientConnection:
    """Connect with the shortest timeout of requests in which this machine makes a WebSocket."""
    for seconds in (0.2, 1.0, 5.0):
        monkeypatch.setattr(connections, "REQUEST_TIMEOUT", seconds)
        with contextlib.suppress(ConnectionClosed, InvalidMessage, OSError):
            return connect(f"ws://127.0.0.1:{port_of(control)}/ws")
    raise AssertionError("No WebSocket was made within 5 s.")


def test_open_page_is_not_timed_out(show: WebShow, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(WebControl(port=0), show) as control, open_page(control, monkeypatch) as page:
        time.sleep(connections.REQUEST_TIMEOUT + 0.3)
        page.send(json.dumps({"set": "/seed", "value": 5}))
        while "answer" not in (message := json.loads(page.recv(20))):
            pass
        assert message["answer"]["accepted"]
