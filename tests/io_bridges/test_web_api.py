"""The web server as programs see it: real sockets against the real server in its own thread."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_client import ask, closing_code, decoded, hear, page, port_of
from web_show_control import LOOKS, WebDesk, flat, serving
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from io_bridges.web import bounded_connection, json_messages
from io_bridges.web.security import Hosts
from io_bridges.web.server import WebControl
from presets.errors import BridgeUnavailable
from presets.parameter_table import PARAMETERS


@pytest.fixture
def desk() -> WebDesk:
    return WebDesk()


@pytest.fixture
def control(desk: WebDesk) -> Iterator[WebControl]:
    with serving(WebControl(port=0), desk) as control:
        yield control


# ---- who may speak ----


def test_the_page_is_served_under_its_own_names_only(control: WebControl, desk: WebDesk) -> None:
    port = port_of(control)
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
    assert len(desk.refusals) == 5
    assert control.status()["turned_away"] == 5


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"])
def test_other_sites_change_nothing(control: WebControl, desk: WebDesk, origin: str) -> None:
    assert ask(control, "PUT", "/api/values", {"/strength": 0.1}, {"Origin": origin})[0] == 403
    assert ask(control, "POST", "/api/actions/panic", headers={"Origin": origin})[0] == 403
    for path in ("/ws", "/ws/picture"):
        with pytest.raises(InvalidStatus, match="403"):
            page(control, path, origin=origin)
    assert desk.asked == []


def test_our_own_page_may_speak(control: WebControl, desk: WebDesk) -> None:
    own = control.url.rstrip("/")
    assert ask(control, "PUT", "/api/values", {"/strength": 0.1}, {"Origin": own})[0] == 200
    assert desk.values()["/strength"] == 0.1
    with page(control, origin=own) as client:
        assert hear(client, "declaration")


def test_rebinding_is_refused_on_the_websockets_too(control: WebControl) -> None:
    evil = f"ws://evil.example:{port_of(control)}/ws"
    with (
        socket.create_connection(("127.0.0.1", port_of(control))) as plain,
        pytest.raises(InvalidStatus, match="403"),
    ):
        connect(evil, sock=plain)


def test_a_server_open_to_the_network_goes_by_addresses_but_not_by_foreign_names() -> None:
    hosts = Hosts("0.0.0.0", 8090)
    assert hosts.knows("192.168.1.20:8090")
    assert hosts.knows("[fe80::1]:8090")
    assert hosts.knows(f"{socket.gethostname()}:8090")
    assert not hosts.knows("evil.example:8090")
    assert not hosts.knows("192.168.1.20")
    assert not Hosts("127.0.0.1", 8090).knows("192.168.1.20:8090")
    assert Hosts("127.0.0.1", 80).knows("localhost")


@given(st.text())
def test_no_host_header_raises(header: str) -> None:
    assert not Hosts("127.0.0.1", 8090).knows(header)


def test_every_answer_carries_the_security_headers(control: WebControl) -> None:
    for path in ("/", "/app.js", "/api/values", "/nothing"):
        headers = ask(control, "GET", path, headers={"Origin": control.url.rstrip("/")})[2]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in headers if name.lower().startswith("access-control")]


# ---- plain HTTP ----


def test_parameters_are_told_as_declared(control: WebControl) -> None:
    told = json.loads(ask(control, "GET", "/api/parameters")[1])
    assert [entry["address"] for entry in told["declaration"]] == list(PARAMETERS)
    strength = next(entry for entry in told["declaration"] if entry["address"] == "/strength")
    assert (strength["kind"], strength["minimum"], strength["maximum"]) == ("float", 0, 1)
    assert strength["description"]
    assert "/panic" in {action["address"] for action in told["actions"]}


def test_values_are_set_clamped_and_refused_each_by_itself(control: WebControl, desk: WebDesk) -> None:
    changes = {"/strength": 7, "/mode": "text", "/steps": [1], "/nothing": 1, "/seed": 12}
    status, content, _ = ask(control, "PUT", "/api/values", changes)
    answers = {answer["address"]: answer for answer in json.loads(content)["answers"]}
    assert status == 422
    assert [answers[address]["accepted"] for address in changes] == [True, True, False, False, True]
    assert answers["/strength"]["value"] == 1.0
    assert answers["/strength"]["note"]
    assert "/nothing" in answers["/nothing"]["note"]
    values = json.loads(ask(control, "GET", "/api/values")[1])
    assert (values["/strength"], values["/mode"], values["/seed"]) == (1.0, "text", 12)
    assert values == desk.values()


def test_actions_are_done_and_unknown_ones_named(control: WebControl, desk: WebDesk) -> None:
    desk.apply("/freeze", (True,), "test")
    assert ask(control, "POST", "/api/actions/panic")[0] == 200
    assert desk.values()["/freeze"] is False
    assert ask(control, "POST", "/api/actions/prompt", {"value": "a red moon"})[0] == 200
    assert desk.values()["/prompt/1/text"] == "a red moon"
    status, content, _ = ask(control, "POST", "/api/actions/explode")
    assert status == 404
    assert "panic" in json.loads(content)["error"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"[1]", b'"text"', b"null", b'{"/strength": NaN}', b'{"/strength": -Infinity}', b"\xff\xfe{", b"[" * 60_000],
)
def test_malformed_bodies_are_refused_and_counted(control: WebControl, desk: WebDesk, body: bytes) -> None:
    status, content, _ = ask(control, "PUT", "/api/values", body)
    assert status == 400
    assert "JSON" in json.loads(content)["error"]
    assert len(desk.refusals) == 1
    assert desk.asked == []
    assert ask(control, "GET", "/api/values")[0] == 200


def test_a_number_too_large_for_a_float_is_clamped_or_refused(control: WebControl, desk: WebDesk) -> None:
    body = b'{"/seed": 1' + b"0" * 400 + b', "/strength": 1' + b"0" * 400 + b', "/fade": 1e999}'
    assert ask(control, "PUT", "/api/values", body)[0] == 422
    assert desk.values()["/seed"] == 2**31 - 1
    assert desk.values()["/strength"] == 0.6


def test_only_json_is_taken(control: WebControl, desk: WebDesk) -> None:
    form = {"Content-Type": "text/plain"}
    assert ask(control, "PUT", "/api/values", {"/strength": 0.1}, form)[0] == 415
    assert desk.asked == []


def test_oversized_bodies_are_cut_off(control: WebControl, desk: WebDesk) -> None:
    long = json.dumps({"/prompt/1/text": "x" * json_messages.LONGEST_MESSAGE}).encode()
    assert ask(control, "PUT", "/api/values", long)[0] == 413
    connection = http.client.HTTPConnection("127.0.0.1", port_of(control), timeout=20)
    chunks = iter([b'{"/prompt/1/text": "'] + [b"x" * 1024] * 80)
    headers = {"Content-Type": "application/json"}
    connection.request("PUT", "/api/values", chunks, headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    assert desk.asked == []


def test_wrong_methods_and_paths_are_answered_in_json(control: WebControl) -> None:
    for method, path, expected in [("GET", "/nothing", 404), ("DELETE", "/api/values", 405), ("POST", "/", 405)]:
        status, content, _ = ask(control, method, path)
        assert status == expected
        assert json.loads(content)["error"]
    for path in ("/../server.py", "/%2e%2e/server.py", "/page/../app.py"):
        assert ask(control, "GET", path)[0] == 404


def test_status_is_valid_json_whatever_the_stage_says(control: WebControl, desk: WebDesk) -> None:
    desk.state = {"latency_ms": float("nan"), "uri": Hosts, "sizes": (1, 2), "on_air": {"index": 3}}
    told = json.loads(ask(control, "GET", "/api/status")[1], parse_constant=pytest.fail)
    assert told["latency_ms"] is None
    assert told["sizes"] == [1, 2]
    assert told["on_air"] == {"index": 3}
    assert told["looks"] == list(LOOKS)


def test_metrics_come_from_the_callable(control: WebControl, desk: WebDesk) -> None:
    status, content, _ = ask(control, "GET", "/metrics")
    assert status == 404
    assert "metrics" in json.loads(content)["error"]
    with serving(WebControl(port=0, metrics=lambda: b"frames_total 7\n"), desk) as other:
        status, content, headers = ask(other, "GET", "/metrics")
    assert (status, content) == (200, b"frames_total 7\n")
    assert headers["content-type"].startswith("text/plain; version=")


def test_the_newest_picture_in_full_resolution(control: WebControl) -> None:
    status, content, _ = ask(control, "GET", "/output.jpg")
    assert status == 503
    assert "picture" in json.loads(content)["error"]
    pixels = np.zeros((1080, 1920, 3), np.uint8)
    pixels[:, :960] = (250, 20, 20)
    frame, tick = flat(1, 0)
    control.preview.write(replace(frame, pixels=pixels), tick)
    status, content, headers = ask(control, "GET", "/output.jpg")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    picture = decoded(content)
    assert picture.shape == (1080, 1920, 3)
    assert np.abs(picture[500, 400].astype(int) - (250, 20, 20)).max() < 12
    assert picture[500, 1500].max() < 12


# ---- opening and closing ----


def test_a_taken_port_is_named(control: WebControl, desk: WebDesk) -> None:
    port = port_of(control)
    with pytest.raises(BridgeUnavailable, match=f"port {port} .* in use.*--web {port + 1}"):
        WebControl(port=port).open(desk)


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("203.0.113.7", 0), ("127.0.0.1", 70_000)])
def test_an_address_that_is_not_ours_is_named(desk: WebDesk, host: str, port: int) -> None:
    with pytest.raises(BridgeUnavailable, match=host if port == 0 else str(port)):
        WebControl(host, port).open(desk)


def test_it_ends_with_pages_open_and_opens_again_on_the_same_port(desk: WebDesk) -> None:
    control = WebControl(port=0)
    with serving(control, desk):
        url, client, viewer = control.url, page(control), page(control, "/ws/picture")
        hear(client, "values")
    assert closing_code(client) == closing_code(viewer) == 1012
    assert desk.subscriptions == []
    control.close()
    with serving(control, desk):
        assert control.url == url
        assert ask(control, "GET", "/api/values")[0] == 200


def test_stop_before_serve_and_close_without_serve(desk: WebDesk) -> None:
    control = WebControl(port=0)
    control.stop()
    control.close()
    control.open(desk)
    port = port_of(control)
    control.close()
    other = WebControl(port=port)
    other.open(desk)
    other.stop()
    thread = threading.Thread(target=other.serve)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    other.close()


# ---- JSON ----

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(_JSON)
def test_what_leaves_is_always_valid_json(value: object) -> None:
    json.loads(json_messages.encode(value), parse_constant=pytest.fail)


@given(st.text() | st.binary() | _JSON.map(json.dumps))
def test_what_comes_is_an_object_or_malformed(text: str | bytes) -> None:
    try:
        value = json_messages.decode(text)
    except json_messages.Malformed as error:
        value, text = {}, str(error)
    assert isinstance(value, dict)


def test_connections_that_ask_nothing_are_bounded_and_do_not_keep_the_page_out_for_long(
    desk: WebDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_connection, "PATIENCE", 1.5)
    with serving(WebControl(port=0), desk) as control, contextlib.ExitStack() as open_sockets:
        place = ("127.0.0.1", port_of(control))
        silent = [
            open_sockets.enter_context(socket.create_connection(place, timeout=20))
            for _ in range(bounded_connection.MOST_CONNECTIONS)
        ]
        silent[0].sendall(b"GET / HTTP/1.1\r\nHost:")  # half a request is none
        too_many = open_sockets.enter_context(socket.create_connection(place, timeout=20))
        with contextlib.suppress(ConnectionResetError):
            assert too_many.recv(1) == b""
        for connection in silent:
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        assert ask(control, "GET", "/api/values")[0] == 200


def test_a_page_stays_longer_than_a_connection_may_be_silent(desk: WebDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_connection, "PATIENCE", 0.2)
    with serving(WebControl(port=0), desk) as control, connect(f"ws://127.0.0.1:{port_of(control)}/ws") as page:
        time.sleep(0.5)
        page.send(json.dumps({"set": "/seed", "value": 5}))
        while "answer" not in (message := json.loads(page.recv(20))):
            pass
        assert message["answer"]["accepted"]
