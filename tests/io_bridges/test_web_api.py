"""Plain HTTP of the web server: the routes, opening and closing."""

import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from web_client import ask, closing_code, decoded, open_socket, port_of, receive
from web_show_control import PRESETS, WebShow, flat, serving

from io_bridges.web import json_messages
from io_bridges.web.page_content import PageFeeds
from io_bridges.web.security import Hosts
from io_bridges.web.server import WebControl
from presets.errors import BridgeUnavailable
from presets.parameter_table import PARAMETERS


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


# ---- routes ----


def test_parameters_route(control: WebControl) -> None:
    declared = json.loads(ask(control, "GET", "/api/parameters")[1])
    assert [entry["address"] for entry in declared["declaration"]] == list(PARAMETERS)
    strength = next(entry for entry in declared["declaration"] if entry["address"] == "/strength")
    assert (strength["kind"], strength["minimum"], strength["maximum"]) == ("float", 0, 1)
    assert strength["description"]
    assert "/panic" in {action["address"] for action in declared["actions"]}


def test_put_values(control: WebControl, show: WebShow) -> None:
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
    assert values == show.values()


def test_post_action(control: WebControl, show: WebShow) -> None:
    show.apply("/freeze", (True,), "test")
    assert ask(control, "POST", "/api/actions/panic")[0] == 200
    assert show.values()["/freeze"] is False
    assert ask(control, "POST", "/api/actions/prompt", {"value": "a red moon"})[0] == 200
    assert show.values()["/prompt/1/text"] == "a red moon"
    assert ask(control, "POST", "/api/actions/sink/add", {"value": "png:frames"})[0] == 200
    assert show.calls[-1][:2] == ("/sink/add", ("png:frames",))
    for unknown in ("explode", "sink", "sink/", "sink/add/more", "/panic"):
        status, content, _ = ask(control, "POST", f"/api/actions/{unknown}")
        assert status == 404
        assert "panic" in json.loads(content)["error"]
    assert ask(control, "GET", "/api/actions/sink/add")[0] == 405
    status, content, _ = ask(control, "POST", "/api/actions/strength", {"value": 0.5})
    assert status == 404
    assert "PUT /api/values" in json.loads(content)["error"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"[1]", b'"text"', b"null", b'{"/strength": NaN}', b'{"/strength": -Infinity}', b"\xff\xfe{", b"[" * 60_000],
)
def test_malformed_body(control: WebControl, show: WebShow, body: bytes) -> None:
    status, content, _ = ask(control, "PUT", "/api/values", body)
    assert status == 400
    assert "JSON" in json.loads(content)["error"]
    assert len(show.refusals) == 1
    assert show.calls == []
    assert ask(control, "GET", "/api/values")[0] == 200


def test_number_above_float_range(control: WebControl, show: WebShow) -> None:
    body = b'{"/seed": 1' + b"0" * 400 + b', "/strength": 1' + b"0" * 400 + b', "/fade": 1e999}'
    assert ask(control, "PUT", "/api/values", body)[0] == 422
    assert show.values()["/seed"] == 2**31 - 1
    assert show.values()["/strength"] == 0.9


def test_other_content_type(control: WebControl, show: WebShow) -> None:
    form = {"Content-Type": "text/plain"}
    assert ask(control, "PUT", "/api/values", {"/strength": 0.1}, form)[0] == 415
    assert show.calls == []


def test_oversized_body(control: WebControl, show: WebShow) -> None:
    long = json.dumps({"/prompt/1/text": "x" * json_messages.LONGEST_MESSAGE}).encode()
    assert ask(control, "PUT", "/api/values", long)[0] == 413
    connection = http.client.HTTPConnection("127.0.0.1", port_of(control), timeout=20)
    chunks = iter([b'{"/prompt/1/text": "'] + [b"x" * 1024] * 80)
    headers = {"Content-Type": "application/json"}
    connection.request("PUT", "/api/values", chunks, headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    assert show.calls == []


def test_wrong_method_or_path(control: WebControl) -> None:
    for method, path, expected in [("GET", "/nothing", 404), ("DELETE", "/api/values", 405), ("POST", "/", 405)]:
        status, content, _ = ask(control, method, path)
        assert status == expected
        assert json.loads(content)["error"]
    for path in ("/../server.py", "/%2e%2e/server.py", "/page/../app.py"):
        assert ask(control, "GET", path)[0] == 404


def test_status_is_valid_json(control: WebControl, show: WebShow) -> None:
    show.state = {"latency_ms": float("nan"), "uri": Hosts, "sizes": (1, 2), "on_air": {"index": 3}}
    status = json.loads(ask(control, "GET", "/api/status")[1], parse_constant=pytest.fail)
    assert status["latency_ms"] is None
    assert status["sizes"] == [1, 2]
    assert status["on_air"] == {"index": 3}
    assert status["presets"] == list(PRESETS)


def test_metrics_route(control: WebControl, show: WebShow) -> None:
    status, content, _ = ask(control, "GET", "/metrics")
    assert status == 404
    assert "metrics" in json.loads(content)["error"]
    with serving(WebControl(port=0, feeds=PageFeeds(metrics=lambda: b"frames_total 7\n")), show) as other:
        status, content, headers = ask(other, "GET", "/metrics")
    assert (status, content) == (200, b"frames_total 7\n")
    assert headers["content-type"].startswith("text/plain; version=")


def test_picture_route() -> None:
    with serving(WebControl(port=0), WebShow()) as control:
        check_picture_route(control)


def check_picture_route(control: WebControl) -> None:
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


def test_taken_port(control: WebControl, show: WebShow) -> None:
    port = port_of(control)
    with pytest.raises(BridgeUnavailable, match=f"Port {port} .* in use.*--web {port + 1}"):
        WebControl(port=port).open(show)


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("203.0.113.7", 0), ("127.0.0.1", 70_000)])
def test_foreign_address(show: WebShow, host: str, port: int) -> None:
    with pytest.raises(BridgeUnavailable, match=host if port == 0 else str(port)):
        WebControl(host, port).open(show)


def test_reopen_on_same_port() -> None:
    control, show = WebControl(port=0), WebShow()
    with serving(control, show):
        url, client, viewer = control.url, open_socket(control), open_socket(control, "/ws/picture")
        receive(client, "values")
    assert closing_code(client) == closing_code(viewer) == 1012
    assert show.subscriptions == []
    control.close()
    with serving(control, show):
        assert control.url == url
        assert ask(control, "GET", "/api/values")[0] == 200


def test_stop_before_serve() -> None:
    control, show = WebControl(port=0), WebShow()
    control.stop()
    control.close()
    control.open(show)
    port = port_of(control)
    control.close()
    other = WebControl(port=port)
    other.open(show)
    other.stop()
    thread = threading.Thread(target=other.serve)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    other.close()
