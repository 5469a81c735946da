"""The page's channel and the live picture over WebSockets: told what others change, bounded, never a queue."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from web_client import closing_code, decoded, eventually, hear, page, tell
from web_show_control import LOOKS, WebDesk, flat, serving
from websockets.exceptions import InvalidStatus

from io_bridges.web import json_messages
from io_bridges.web.app import MOST_SOCKETS
from io_bridges.web.preview import WebPreview
from io_bridges.web.server import WebControl
from presets.parameter_table import PARAMETERS


@pytest.fixture
def desk() -> WebDesk:
    return WebDesk()


@pytest.fixture
def control(desk: WebDesk) -> Iterator[WebControl]:
    with serving(WebControl(port=0), desk) as control:
        yield control


# ---- the control channel ----


def test_two_pages_see_each_other_and_not_themselves(control: WebControl, desk: WebDesk) -> None:
    with page(control) as one, page(control) as two:
        for client in (one, two):
            declaration = hear(client, "declaration")
            assert isinstance(declaration, list)
            assert len(declaration) == len(PARAMETERS)
            assert hear(client, "values") == desk.values()
        answer = tell(one, {"set": "/strength", "value": "0.25"})
        assert answer == {"address": "/strength", "accepted": True, "value": 0.25, "note": "taken as 0.25"}
        assert hear(two, "values") == {"/strength": 0.25}
        # What `one` hears next is what `two` does, not its own change.
        tell(two, {"set": "/seed", "value": 99})
        assert hear(one, "values") == {"/seed": 99}
        desk.apply("/guidance", (3,), "osc:127.0.0.1:9000")
        assert hear(one, "values") == {"/guidance": 3.0}
        assert hear(two, "values") == {"/guidance": 3.0}
    eventually(lambda: desk.subscriptions == [])


def test_the_page_that_loads_a_look_hears_what_it_moved(control: WebControl) -> None:
    with page(control) as client:
        hear(client, "values")
        assert tell(client, {"set": "/preset", "value": "embers"})["accepted"]
        assert hear(client, "values") == {"/prompt/1/text": "embers in the wind", "/strength": 0.4}
        # It hears at once, not with the next status: fewer statuses than looks go by.
        statuses = 0
        for name in ["deep-sea", "embers"] * 8:
            client.send(json.dumps({"set": "/preset", "value": name}))
            while "values" not in (message := json.loads(client.recv(timeout=20))):
                statuses += "status" in message
        assert statuses < 16


def test_actions_over_the_channel(control: WebControl, desk: WebDesk) -> None:
    with page(control) as client:
        hear(client, "values")
        tell(client, {"set": "/freeze", "value": True})
        assert tell(client, {"do": "/panic"})["accepted"]
        assert hear(client, "values") == {"/freeze": False}
        tell(client, {"do": "/prompt", "value": "a red moon"})
        assert desk.values()["/prompt/1/text"] == "a red moon"
        assert desk.asked[1][:2] == ("/panic", ())


def test_status_comes_by_itself(control: WebControl, desk: WebDesk) -> None:
    with page(control) as client:
        assert hear(client, "status") == {"looks": list(LOOKS), "fps": 24.3, "latency_ms": None}
        desk.state = {"fps": 12.5}
        eventually(lambda: hear(client, "status")["fps"] == 12.5)


@pytest.mark.parametrize(
    "message",
    ["", "{", "[]", "17", '{"set": "/strength"}', '{"set": 3, "value": 1}', '{"do": null}', "[" * 60_000, b"\x80\x04."],
)
def test_a_malformed_message_is_answered_and_the_page_goes_on(
    control: WebControl, desk: WebDesk, message: str | bytes
) -> None:
    with page(control) as client:
        client.send(message)
        assert "expected" in str(hear(client, "refused"))
        assert len(desk.refusals) == 1
        assert tell(client, {"set": "/strength", "value": 0.5})["accepted"]


def test_refusals_say_why(control: WebControl) -> None:
    with page(control) as client:
        answer = tell(client, {"set": "/nothing", "value": 1})
        assert (answer["accepted"], answer["value"]) == (False, None)
        assert "/nothing" in str(answer["note"])
        assert "number" in str(tell(client, {"set": "/strength", "value": {"a": 1}})["note"])


def test_an_oversized_message_ends_that_page_alone(control: WebControl, desk: WebDesk) -> None:
    with page(control) as good, page(control) as bad:
        bad.send(json.dumps({"set": "/prompt/1/text", "value": "x" * json_messages.LONGEST_MESSAGE}))
        assert closing_code(bad) == 1009
        assert tell(good, {"set": "/strength", "value": 0.5})["accepted"]
    assert [entry[0] for entry in desk.asked] == ["/strength"]


def test_a_flood_of_changes_is_coalesced(control: WebControl, desk: WebDesk) -> None:
    with page(control) as client:
        hear(client, "values")
        began = time.monotonic()
        for seed in range(1, 5001):
            desk.apply("/seed", (seed,), "osc:1")
        heard = [hear(client, "values")]
        while heard[-1] != {"/seed": 5000}:
            heard.append(hear(client, "values"))
    assert len(heard) < 5 + 31 * (time.monotonic() - began)


def test_pages_past_the_limit_are_turned_away(control: WebControl) -> None:
    clients = [page(control) for _ in range(MOST_SOCKETS)]
    with pytest.raises(InvalidStatus, match="403"):
        page(control)
    for client in clients:
        client.close()
    eventually(lambda: control.status()["pages"] == 0)
    page(control).close()


# ---- the live picture ----


def level(jpeg: str | bytes) -> int:
    return round(float(decoded(jpeg).mean()))


def test_a_slow_page_gets_the_newest_picture_and_never_a_queue(control: WebControl) -> None:
    preview = control.preview
    with page(control, "/ws/picture") as slow, page(control, "/ws/picture") as quick:
        preview.write(*flat(1, 10))
        assert abs(level(slow.recv(timeout=20)) - 10) < 3
        assert abs(level(quick.recv(timeout=20)) - 10) < 3
        for index, grey in enumerate((60, 90, 120, 150, 200)):
            quick.send("next")
            preview.write(*flat(2 + index, grey))
            assert abs(level(quick.recv(timeout=20)) - grey) < 3
        slow.send("next")  # five pictures went by; it hears of the last one only
        assert abs(level(slow.recv(timeout=20)) - 200) < 3
        slow.send("next")
        preview.write(*flat(9, 30))
        assert abs(level(slow.recv(timeout=20)) - 30) < 3


def test_nobody_looks_nothing_is_encoded(control: WebControl) -> None:
    for index in range(20):
        control.preview.write(*flat(index, index))
    assert control.preview.status() == {"kind": "web", "written": 20, "encoded": 0, "viewers": 0}
    with page(control, "/ws/picture") as viewer:
        assert abs(level(viewer.recv(timeout=20)) - 19) < 3
    eventually(lambda: control.preview.status()["viewers"] == 0)


def test_many_viewers_share_one_encoding_and_a_held_picture_is_sent_once(control: WebControl) -> None:
    preview = control.preview
    with page(control, "/ws/picture") as one, page(control, "/ws/picture") as two:
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
        preview.write(*flat(1, 140))  # the same index: a fade
        for viewer in (one, two):
            assert abs(level(viewer.recv(timeout=20)) - 140) < 3
        assert preview.status()["encoded"] == 2


def test_the_live_picture_is_bounded_and_keeps_its_shape() -> None:
    preview = WebPreview(longest=320)
    frame, tick = flat(1, 50, size=1000)
    preview.write(replace(frame, pixels=frame.pixels[:500]), tick)
    live, still = preview.live(), preview.still()
    assert live is not None
    assert still is not None
    assert decoded(live.data).shape == (160, 320, 3)
    assert decoded(still.data).shape == (500, 1000, 3)
