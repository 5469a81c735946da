"""The page's two WebSockets: values and status, the live picture, limits."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from web_client import closing_code, decoded, eventually, open_socket, receive, send
from web_show_control import PRESETS, WebShow, flat, serving
from websockets.exceptions import InvalidStatus

from io_bridges.web import json_messages
from io_bridges.web.app import MOST_SOCKETS
from io_bridges.web.preview import WebPreview
from io_bridges.web.preview_pace import FASTEST, SHARE, SLOWEST, PreviewPace
from io_bridges.web.server import WebControl
from presets.parameter_table import PARAMETERS


@pytest.fixture
def show() -> WebShow:
    return WebShow()


@pytest.fixture
def control(show: WebShow) -> Iterator[WebControl]:
    with serving(WebControl(port=0), show) as control:
        yield control


# ---- values, actions and status ----


def test_two_pages(control: WebControl, show: WebShow) -> None:
    with open_socket(control) as one, open_socket(control) as two:
        for client in (one, two):
            declaration = receive(client, "declaration")
            assert isinstance(declaration, list)
            assert len(declaration) == len(PARAMETERS)
            assert receive(client, "values") == show.values()
        answer = send(one, {"set": "/strength", "value": "0.25"})
        assert answer == {"address": "/strength", "accepted": True, "value": 0.25, "note": "taken as 0.25"}
        assert receive(two, "values") == {"/strength": 0.25}
        # The next values for `one` are those that `two` sets, not its own.
        send(two, {"set": "/seed", "value": 99})
        assert receive(one, "values") == {"/seed": 99}
        show.apply("/guidance", (3,), "osc:127.0.0.1:9000")
        assert receive(one, "values") == {"/guidance": 3.0}
        assert receive(two, "values") == {"/guidance": 3.0}
    eventually(lambda: show.subscriptions == [])


def test_own_preset_sends_values(control: WebControl) -> None:
    with open_socket(control) as client:
        receive(client, "values")
        assert send(client, {"set": "/preset", "value": "embers"})["accepted"]
        assert receive(client, "values") == {"/prompt/1/text": "embers in the wind", "/strength": 0.4}
        # The values come without waiting for a status: there are fewer statuses than presets.
        statuses = 0
        for name in ["deep-sea", "embers"] * 8:
            client.send(json.dumps({"set": "/preset", "value": name}))
            while "values" not in (message := json.loads(client.recv(timeout=20))):
                statuses += "status" in message
        assert statuses < 16


def test_actions(control: WebControl, show: WebShow) -> None:
    with open_socket(control) as client:
        receive(client, "values")
        send(client, {"set": "/freeze", "value": True})
        assert send(client, {"do": "/panic"})["accepted"]
        assert receive(client, "values") == {"/freeze": False}
        send(client, {"do": "/prompt", "value": "a red moon"})
        assert show.values()["/prompt/1/text"] == "a red moon"
        assert show.calls[1][:2] == ("/panic", ())


def test_status_is_pushed(control: WebControl, show: WebShow) -> None:
    with open_socket(control) as client:
        assert receive(client, "status") == {"presets": list(PRESETS), "fps": 24.3, "latency_ms": None}
        show.state = {"fps": 12.5}
        eventually(lambda: receive(client, "status")["fps"] == 12.5)


@pytest.mark.parametrize(
    "message",
    ["", "{", "[]", "17", '{"set": "/strength"}', '{"set": 3, "value": 1}', '{"do": null}', "[" * 60_000, b"\x80\x04."],
)
def test_malformed_message(control: WebControl, show: WebShow, message: str | bytes) -> None:
    with open_socket(control) as client:
        client.send(message)
        assert "expected" in str(receive(client, "refused"))
        assert len(show.refusals) == 1
        assert send(client, {"set": "/strength", "value": 0.5})["accepted"]


def test_refusal_has_reason(control: WebControl) -> None:
    with open_socket(control) as client:
        answer = send(client, {"set": "/nothing", "value": 1})
        assert (answer["accepted"], answer["value"]) == (False, None)
        assert "/nothing" in str(answer["note"])
        assert "number" in str(send(client, {"set": "/strength", "value": {"a": 1}})["note"])


def test_oversized_message(control: WebControl, show: WebShow) -> None:
    with open_socket(control) as good, open_socket(control) as bad:
        bad.send(json.dumps({"set": "/prompt/1/text", "value": "x" * json_messages.LONGEST_MESSAGE}))
        assert closing_code(bad) == 1009
        assert send(good, {"set": "/strength", "value": 0.5})["accepted"]
    assert [entry[0] for entry in show.calls] == ["/strength"]


def test_flood_is_coalesced(control: WebControl, show: WebShow) -> None:
    with open_socket(control) as client:
        receive(client, "values")
        began = time.monotonic()
        for seed in range(1, 5001):
            show.apply("/seed", (seed,), "osc:1")
        received = [receive(client, "values")]
        while received[-1] != {"/seed": 5000}:
            received.append(receive(client, "values"))
    assert len(received) < 5 + 31 * (time.monotonic() - began)


def test_limit_of_pages(control: WebControl) -> None:
    clients = [open_socket(control) for _ in range(MOST_SOCKETS)]
    with pytest.raises(InvalidStatus, match="403"):
        open_socket(control)
    for client in clients:
        client.close()
    eventually(lambda: control.status()["pages"] == 0)
    open_socket(control).close()


# ---- the live picture ----


def level(jpeg: str | bytes) -> int:
    return round(float(decoded(jpeg).mean()))


def test_slow_page_gets_newest_picture(control: WebControl) -> None:
    preview = control.preview
    with open_socket(control, "/ws/picture") as slow, open_socket(control, "/ws/picture") as quick:
        preview.write(*flat(1, 10))
        assert abs(level(slow.recv(timeout=20)) - 10) < 3
        assert abs(level(quick.recv(timeout=20)) - 10) < 3
        for index, grey in enumerate((60, 90, 120, 150, 200)):
            quick.send("next")
            preview.write(*flat(2 + index, grey))
            assert abs(level(quick.recv(timeout=20)) - grey) < 3
        slow.send("next")  # only the last of five pictures is left
        assert abs(level(slow.recv(timeout=20)) - 200) < 3
        slow.send("next")
        preview.write(*flat(9, 30))
        assert abs(level(slow.recv(timeout=20)) - 30) < 3


def test_nothing_encoded_without_viewers(control: WebControl) -> None:
    for index in range(20):
        control.preview.write(*flat(index, index))
    assert control.preview.status() == {"kind": "web", "written": 20, "encoded": 0, "viewers": 0}
    with open_socket(control, "/ws/picture") as viewer:
        assert abs(level(viewer.recv(timeout=20)) - 19) < 3
    eventually(lambda: control.preview.status()["viewers"] == 0)


def test_viewers_share_one_encoding(control: WebControl) -> None:
    preview = control.preview
    with open_socket(control, "/ws/picture") as one, open_socket(control, "/ws/picture") as two:
        held = flat(1, 90)
        preview.write(*held)
        for viewer in (one, two):
            assert abs(level(viewer.recv(timeout=20)) - 90) < 3
            viewer.send("next")
        for _ in range(10):
            preview.write(*held)
        live = preview.live()
        assert live is not None
        assert live.version == 1
        preview.write(*flat(1, 140))  # a fade keeps the index
        for viewer in (one, two):
            assert abs(level(viewer.recv(timeout=20)) - 140) < 3
        assert preview.status()["encoded"] == 2


def test_dear_pictures_come_less_often() -> None:
    """Until a picture is due all viewers get the one before, and a dear one makes the next wait within bounds."""
    preview = WebPreview()
    preview.write(*flat(1, 50))
    first = preview.paced()
    assert first is not None
    for _ in range(20):
        preview.pace.encoded(1.0)
    preview.write(*flat(2, 90))
    second = preview.live()
    preview.write(*flat(3, 130))
    assert second is not None
    assert (second.version, preview.is_newest(second), preview.is_newest(first)) == (2, False, False)
    pace = PreviewPace()
    assert pace.period(4) == FASTEST
    for _ in range(20):
        pace.encoded(0.0015)
        pace.sent(0.00003)
    for pages in (1, 4, 16):
        cost = 0.0015 + pages * 0.00003
        assert FASTEST < pace.period(pages) < SLOWEST
        assert cost / pace.period(pages) < SHARE
    assert pace.period(1) < pace.period(4) < pace.period(16)
    pace.encoded(9.0)  # the first picture imports what encodes it
    assert pace.period(1) < SLOWEST
    for _ in range(20):
        pace.encoded(1.0)
    assert pace.period(1) == SLOWEST


def test_live_picture_is_bounded() -> None:
    preview = WebPreview(longest=320)
    frame, tick = flat(1, 50, size=1000)
    preview.write(replace(frame, pixels=frame.pixels[:500]), tick)
    live, still = preview.live(), preview.still()
    assert live is not None
    assert still is not None
    assert decoded(live.data).shape == (160, 320, 3)
    assert decoded(still.data).shape == (500, 1000, 3)
