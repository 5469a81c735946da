"""Bounds of the requests and messages of one client of the page. Panic is never held back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from web_client import ask, open_socket, receive, send
from web_show_control import WebShow, serving

from io_bridges import web
from io_bridges.allowances import Allowances, client_network
from io_bridges.web import rate_gate
from io_bridges.web.server import WebControl

BURST = 12


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[WebControl, WebShow]]:
    """A server that takes a few requests and then next to none."""
    monkeypatch.setattr(rate_gate, "BURST", BURST)
    monkeypatch.setattr(rate_gate, "RATE", 0.01)
    show = WebShow()
    with serving(WebControl(port=0), show) as control:
        yield control, show


def test_requests_are_bounded(server: tuple[WebControl, WebShow]) -> None:
    control, show = server
    host = {"Host": "evil.example"}
    assert all(ask(control, "GET", "/api/values", headers=host)[0] == 403 for _ in range(BURST)), "they take nothing"
    assert all(ask(control, "GET", "/api/values")[0] == 200 for _ in range(BURST))
    for method, path, body in (
        ("GET", "/", None),
        ("GET", "/seed?VALUE", None),
        ("PUT", "/api/values", {"/strength": 0.1, "/blackout": True}),
        ("POST", "/api/actions/next", None),
    ):
        status, content, headers = ask(control, method, path, body)
        assert status == 429, path
        assert int(headers["retry-after"]) > 50
        assert "Too many requests" in json.loads(content)["error"]
        assert headers["x-content-type-options"] == "nosniff"
    assert control.status()["limited"] == len(show.refusals) - BURST == 4
    assert ask(control, "POST", "/api/actions/panic")[0] == 200
    assert ask(control, "PUT", "/api/values", {"/blackout": True, "/freeze": True})[0] == 200
    assert show.values()["/blackout"] is show.values()["/freeze"] is True
    assert show.calls[0][0] == "/panic"


def test_paced_messages_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is lost: they are read later. Panic, blackout and freeze are not."""
    monkeypatch.setattr(rate_gate, "MESSAGE_BURST", 2)
    monkeypatch.setattr(rate_gate, "MESSAGE_RATE", 0.01)
    show = WebShow()
    with serving(WebControl(port=0), show) as control, open_socket(control) as client, open_socket(control) as other:
        assert send(client, {"set": "/strength", "value": 0.1})["accepted"]
        assert send(other, {"set": "/strength", "value": 0.2})["accepted"]
        assert send(client, {"set": "/blackout", "value": True})["accepted"]
        assert send(client, {"do": "/panic"})["accepted"]
        client.send(json.dumps({"set": "/strength", "value": 0.9}))
        assert receive(client, "status")
        assert show.values()["/strength"] == 0.2
        assert send(other, {"set": "/freeze", "value": True})["accepted"]


def test_allowances_refill() -> None:
    now = [0.0]
    allowed = Allowances(10, 5.0, 3, lambda: now[0])
    assert [allowed.take("a") for _ in range(10)] == [0.0] * 10
    assert allowed.take("a") == allowed.take("a") == pytest.approx(0.2)
    assert allowed.take("b") == 0
    now[0] = 1.0
    assert [allowed.take("a") for _ in range(6)] == [0.0] * 5 + [pytest.approx(0.2)]
    now[0] = 100.0
    assert [allowed.borrow("a") for _ in range(13)] == pytest.approx([0.0] * 10 + [0.2, 0.4, 0.6])
    for client in "cdef":
        allowed.take(client)
    assert allowed.take("a") == 0, "the oldest client is forgotten"
    assert client_network("fe80::1%eth0") == client_network("fe80::2") == "fe80::/64"
    assert client_network("10.0.0.1") != client_network("10.0.0.2")


def test_page_is_far_from_the_bound() -> None:
    """Ten pages may load at once, each with its files and a small picture of every shipped preset."""
    root = Path(web.__file__).parents[2]
    files = len(list((root / "io_bridges" / "web" / "page").iterdir()))
    looks = len(list((root / "presets" / "looks").glob("*.yaml")))
    assert 10 * (files + looks) < rate_gate.BURST
