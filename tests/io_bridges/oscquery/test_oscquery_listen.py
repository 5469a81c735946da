"""OSCQuery over its WebSocket: listening, setting, and what is refused."""

import json
from typing import Any

import pytest
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from web_client import eventually, open_socket
from web_show_control import WebShow
from websockets.sync.client import ClientConnection

from io_bridges.oscquery import listener_socket
from io_bridges.web.server import WebControl
from presets.parameter_table import PARAMETERS


def command(client: ClientConnection, name: str, path: object) -> None:
    client.send(json.dumps({"COMMAND": name, "DATA": path}))


def packet(address: str, *arguments: Any) -> bytes:
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return bytes(builder.build().dgram)


def pushed(client: ClientConnection) -> tuple[str, list[Any]]:
    """Return the address and arguments of the next OSC message, as python-osc reads it."""
    data = client.recv(timeout=20)
    assert isinstance(data, bytes), data
    message = OscMessage(data)
    return message.address, message.params


def refusal(client: ClientConnection) -> str:
    """Return the sentence of the next refusal."""
    data = client.recv(timeout=20)
    assert isinstance(data, str), data
    message = json.loads(data)
    assert message["COMMAND"] == "REFUSED"
    return str(message["DATA"])


def test_ping_is_answered(control: WebControl, show: WebShow) -> None:
    with open_socket(control, "/") as client:
        client.send(packet("/ping", 7, "now"))
        assert pushed(client) == ("/pong", [7, "now"])
    assert show.refusals == []


def test_listen_and_ignore(control: WebControl, show: WebShow) -> None:
    with open_socket(control, "/") as client:
        show.apply("/strength", (0.5,), "test")
        command(client, "LISTEN", "/strength")
        assert pushed(client) == ("/strength", [0.5]), "the current value comes first"
        show.apply("/strength", (0.25,), "osc:127.0.0.1:9000")
        assert pushed(client) == ("/strength", [0.25])
        command(client, "IGNORE", "/strength")
        command(client, "LISTEN", "/seed")
        assert pushed(client) == ("/seed", [0])
        show.apply("/strength", (0.5,), "osc:127.0.0.1:9000")
        show.apply("/seed", (7,), "osc:127.0.0.1:9000")
        assert pushed(client) == ("/seed", [7])
    eventually(lambda: show.subscriptions == [])


def test_every_change_wakes_the_client(control: WebControl, show: WebShow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_socket, "MEASURED_PERIOD", 1000.0)  # nothing else wakes it in this test
    with open_socket(control, "/") as client:
        command(client, "LISTEN", "/strength")
        assert pushed(client)[0] == "/strength"
        for value in (0.25, 0.5, 0.75):
            show.apply("/strength", (value,), "test")
            assert pushed(client) == ("/strength", [value])


def test_own_changes_are_not_sent_back(control: WebControl, show: WebShow) -> None:
    with open_socket(control, "/") as client:
        for address in ("/strength", "/seed"):
            command(client, "LISTEN", address)
            assert pushed(client)[0] == address
        client.send(packet("/strength", 0.25))
        eventually(lambda: show.values()["/strength"] == 0.25)
        show.apply("/seed", (7,), "test")
        assert pushed(client) == ("/seed", [7])
        show.apply("/strength", (0.5,), "test")
        assert pushed(client) == ("/strength", [0.5])


def test_types_of_pushed_values(control: WebControl, show: WebShow) -> None:
    with open_socket(control, "/") as client:
        command(client, "LISTEN", "/freeze")
        assert pushed(client) == ("/freeze", [False])
        show.apply("/freeze", (True,), "test")
        assert client.recv(timeout=20) == b"/freeze\0,T\0\0"
        command(client, "LISTEN", "/prompt/1/text")
        assert pushed(client) == ("/prompt/1/text", ["neon tunnel"])


def test_listen_to_a_container(control: WebControl) -> None:
    with open_socket(control, "/") as client:
        command(client, "LISTEN", "/")
        addresses = {pushed(client)[0] for _ in range(len(PARAMETERS) + 2)}
        assert addresses == {*PARAMETERS, "/streamflow/fps", "/streamflow/latency"}


def test_measured_values_come_by_themselves(control: WebControl, show: WebShow) -> None:
    with open_socket(control, "/") as client:
        command(client, "LISTEN", "/streamflow/fps")
        address, (number,) = pushed(client)
        assert (address, round(number, 3)) == ("/streamflow/fps", 24.3)
        show.state = {**show.state, "fps": 12.0}
        assert pushed(client) == ("/streamflow/fps", [12.0])


def test_set_by_packets(control: WebControl, show: WebShow) -> None:
    with open_socket(control, "/") as client, open_socket(control, "/") as other:
        command(other, "LISTEN", "/strength")
        assert pushed(other)[0] == "/strength"
        client.send(packet("/strength", 0.25))
        assert pushed(other) == ("/strength", [0.25])
        bundle = OscBundleBuilder(IMMEDIATELY)
        for address, value in (("/seed", 9), ("/steps", 3)):
            bundle.add_content(OscMessage(packet(address, value)))
        client.send(bytes(bundle.build().dgram))
        eventually(lambda: (show.values()["/seed"], show.values()["/steps"]) == (9, 3))


def test_refusals_are_told_and_counted(control: WebControl, show: WebShow) -> None:
    with open_socket(control, "/") as client:
        for text in ("not json", "[]", '{"COMMAND": "LISTEN"}', '{"COMMAND": "DANCE", "DATA": "/seed"}'):
            client.send(text)
            assert refusal(client)
        command(client, "LISTEN", "/no/such")
        assert "/no/such is no address" in refusal(client)
        client.send(b"noise")
        assert "malformed OSC" in refusal(client)
        client.send(packet("/no/such", 1))
        assert "/no/such" in refusal(client)
        client.send(packet("/strength", "much"))
        assert "/strength" in refusal(client)
        assert len(show.refusals) == 6
        client.send(packet("/strength", 0.125))  # the conversation goes on
        eventually(lambda: show.values()["/strength"] == 0.125)


def test_flood_of_unknown_addresses(control: WebControl, show: WebShow) -> None:
    bundle = OscBundleBuilder(IMMEDIATELY)
    for number in range(500):
        bundle.add_content(OscMessage(packet(f"/unknown/{number}", 1)))
    bundle.add_content(OscMessage(packet("/seed", 5)))
    with open_socket(control, "/") as client:
        client.send(bytes(bundle.build().dgram))
        eventually(lambda: show.values()["/seed"] == 5)
        tried = [address for address, _, _ in show.calls if address.startswith("/unknown")]
        assert len(tried) < 50
