"""The token of a page that is open to a network: who gets in, with what, and how often one may guess."""

import http.client
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_client import ask, open_socket, port_of, receive
from web_show_control import WebShow, serving
from websockets.exceptions import InvalidStatus

from io_bridges.web import token_gate
from io_bridges.web.server import WebControl
from io_bridges.web.token_gate import MOST_ADDRESSES, MOST_WRONG, WRONG_SECONDS, WrongTokens
from presets.parameter_table import PARAMETERS

TOKEN = "correct-horse.battery_staple~1"
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[WebControl, WebShow]]:
    show = WebShow()
    with serving(WebControl(port=0, token=TOKEN, osc_hears=lambda address: False), show) as control:
        yield control, show


@pytest.fixture
def control(server: tuple[WebControl, WebShow], monkeypatch: pytest.MonkeyPatch) -> WebControl:
    monkeypatch.setattr(token_gate, "MOST_WRONG", 1_000_000)
    server[1].reset()
    return server[0]


def cookie_of(control: WebControl) -> str:
    status, _, headers = ask(control, "GET", f"/?token={TOKEN}", headers=HTML)
    assert (status, headers["location"]) == (303, "/"), "the token stays in no history"
    cookie = headers["set-cookie"]
    assert f"streamflow_{port_of(control)}=" in cookie
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert TOKEN not in cookie
    return cookie.partition(";")[0]


def test_nothing_is_open_without_token(control: WebControl, server: tuple[WebControl, WebShow]) -> None:
    for path in ("/", "/app.js", "/api/values", "/api/status", "/output.jpg", "/looks/fire.jpg", "/metrics", "/seed"):
        status, content, headers = ask(control, "GET", path)
        assert status == 401, path
        assert "?token=" in json.loads(content)["error"]
        assert headers["x-content-type-options"] == "nosniff"
    assert ask(control, "GET", "/?HOST_INFO")[0] == 401
    assert ask(control, "PUT", "/api/values", {"/strength": 0.1})[0] == 401
    assert ask(control, "POST", "/api/actions/panic")[0] == 401
    for path in ("/", "/ws", "/ws/picture", "/ws/input", "/ws/webrtc"):
        with pytest.raises(InvalidStatus, match="403"):
            open_socket(control, path)
    assert server[1].calls == []


def test_first_visit_gives_a_cookie(control: WebControl) -> None:
    cookie = {"Cookie": f"other=1; {cookie_of(control)}"}
    assert ask(control, "GET", "/", headers=cookie | HTML)[0] == 200
    assert ask(control, "PUT", "/api/values", {"/strength": 0.1}, cookie)[0] == 200
    with open_socket(control, additional_headers=cookie) as page:
        assert receive(page, "declaration")
    foreign = cookie | {"Origin": "http://evil.example"}
    assert ask(control, "PUT", "/api/values", {"/strength": 0.1}, foreign)[0] == 403, "the cookie is not enough"
    assert ask(control, "GET", "/", headers=cookie | {"Host": "evil.example"})[0] == 403


def test_programs_send_the_token(control: WebControl) -> None:
    assert ask(control, "GET", f"/api/values?token={TOKEN}")[0] == 200
    assert ask(control, "GET", "/api/values", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
    asked = ask(control, "GET", f"/strength?VALUE&token={TOKEN}")[1]
    assert json.loads(asked) == {"VALUE": [PARAMETERS["/strength"].default]}
    assert ask(control, "GET", f"/?HOST_INFO=&token={TOKEN}")[0] == 200
    with open_socket(control, f"/ws?token={TOKEN}") as page:
        assert receive(page, "declaration")


@pytest.mark.parametrize(
    "wrong", ["x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "%00", "a" * 20_000, "%C3%BC", f"x&token={TOKEN}"]
)
def test_wrong_tokens(control: WebControl, wrong: str) -> None:
    assert ask(control, "GET", f"/api/values?token={wrong}")[0] == 401
    bearer = {"Authorization": f"Bearer {wrong}"}
    assert ask(control, "GET", "/api/values", headers=bearer)[0] == 401
    cookie = {"Cookie": f"streamflow_{port_of(control)}={wrong.partition('&')[0]}"}
    assert ask(control, "GET", "/api/values", headers=cookie)[0] == 401


def test_empty_token_is_none(control: WebControl) -> None:
    for headers in ({"Authorization": "Bearer "}, {"Cookie": f"streamflow_{port_of(control)}="}, {"Cookie": "=;=\xff"}):
        assert ask(control, "GET", "/api/values?token=", headers=headers)[0] == 401


def test_osc_clients_need_no_token(server: tuple[WebControl, WebShow]) -> None:
    """An OSCQuery client can send none. Where OSC hears it, it gets the tree and the listening, not the page."""
    with serving(WebControl(port=0, token=TOKEN), WebShow()) as control:
        assert ask(control, "GET", "/?HOST_INFO")[0] == 200
        assert ask(control, "GET", "/strength?VALUE")[0] == 200
        assert "CONTENTS" in json.loads(ask(control, "GET", "/")[1])
        open_socket(control, "/").close()
        assert ask(control, "GET", "/", headers=HTML)[0] == 401
        assert ask(control, "GET", "/api/values")[0] == 401
        assert ask(control, "PUT", "/strength", 0.5)[0] == 401


def test_guesses_are_bounded(server: tuple[WebControl, WebShow]) -> None:
    with serving(WebControl(port=0, token=TOKEN), WebShow()) as control:
        for _ in range(MOST_WRONG):
            assert ask(control, "GET", "/api/values?token=guess")[0] == 401
        assert ask(control, "GET", f"/api/values?token={TOKEN}")[0] == 429, "the right one tells nothing now"
        with pytest.raises(InvalidStatus, match="403"):
            open_socket(control, f"/ws?token={TOKEN}")
        assert control.status()["forbidden"] == MOST_WRONG + 2


def test_wrong_tokens_are_forgotten() -> None:
    now = [0.0]
    wrong = WrongTokens(lambda: now[0])
    for _ in range(MOST_WRONG):
        assert not wrong.are_many("fd00::1")
        wrong.count("fd00::1")
    assert wrong.are_many("fd00::2"), "one subscriber of IPv6 has many addresses"
    assert not wrong.are_many("192.168.1.2")
    now[0] = WRONG_SECONDS
    assert not wrong.are_many("fd00::1")
    for number in range(3 * MOST_ADDRESSES):
        wrong.count(f"10.0.{number // 256}.{number % 256}")
    assert len(wrong._counts) == MOST_ADDRESSES


@given(st.text(max_size=60))
def test_any_address_is_counted(address: str) -> None:
    wrong = WrongTokens()
    wrong.count(address)
    assert not wrong.are_many(address)


def test_pipelined_requests_are_each_checked(control: WebControl) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(control), timeout=20)
    for token, status in ((TOKEN, 200), ("wrong", 401), (TOKEN, 200)):
        connection.request("GET", f"/api/values?token={token}")
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()
