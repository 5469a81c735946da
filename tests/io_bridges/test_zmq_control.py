"""`ZmqControl` over real sockets, with good and hostile REQ and DEALER clients."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from show_control_fake import RecordingShow

from io_bridges.zmq_control import MAX_WATCHERS, PUSH_INTERVAL, ZmqControl
from io_bridges.zmq_keys import FOLDER_VARIABLE, KeyFolder
from io_bridges.zmq_requests import MAX_REQUEST_BYTES, RequestHandler, ZmqClient, encode
from presets.errors import BridgeUnavailable

LONG = 20_000
"""Milliseconds to wait for a reply before the test fails."""


@contextmanager
def serving(control: ZmqControl, show: RecordingShow) -> Iterator[ZmqControl]:
    control.open(show)
    thread = threading.Thread(target=control.serve)
    thread.start()
    try:
        yield control
        assert thread.is_alive(), "a request stopped the control"
    finally:
        control.stop()
        thread.join(LONG / 1000)
        control.close()
    assert not thread.is_alive()


@pytest.fixture
def show() -> RecordingShow:
    return RecordingShow()


@pytest.fixture
def control(show: RecordingShow) -> Iterator[ZmqControl]:
    with serving(ZmqControl("tcp://127.0.0.1:*"), show) as control:
        yield control


class Client:
    def __init__(self, control: ZmqControl, kind: int = zmq.REQ) -> None:
        self.socket = zmq.Context.instance().socket(kind)
        self.socket.linger = 0
        self.socket.rcvtimeo = self.socket.sndtimeo = LONG
        self.socket.connect(control.address)

    def ask(self, do: object, **rest: object) -> Any:
        self.socket.send_json({"do": do, **rest})
        return self.receive()

    def ask_raw(self, body: bytes) -> Any:
        self.socket.send(body)
        return self.receive()

    def receive(self) -> Any:
        return json.loads(self.socket.recv(), parse_constant=pytest.fail)

    def wait_for_change(self, address: str, value: object) -> list[dict[str, Any]]:
        """Return every push up to the one with this value."""
        pushes = []
        while True:
            pushes.append(self.receive()["changed"])
            if pushes[-1].get(address) == value:
                return pushes


@pytest.fixture
def client(control: ZmqControl) -> Iterator[Client]:
    client = Client(control)
    yield client
    client.socket.close()


def test_set_coerces_and_clamps(client: Client, show: RecordingShow) -> None:
    answer = client.ask("set", values={"/strength": "0.25", "steps": 400, "/mode": "sepia", "/nobody": 1}, id=7)
    assert answer["id"] == 7
    assert answer["ok"] is False
    assert answer["answers"]["/strength"] == {"accepted": True, "value": 0.25, "note": "taken as 0.25"}
    assert answer["answers"]["steps"]["value"] == 50
    assert answer["answers"]["/mode"]["accepted"] is False
    assert "image, text" in answer["answers"]["/mode"]["note"]
    assert "/nobody" in answer["answers"]["/nobody"]["note"]
    assert "/mode: one of image, text" in answer["error"]
    assert show.values()["/strength"] == 0.25
    assert show.values()["/steps"] == 50


def test_set_one_value(client: Client, show: RecordingShow) -> None:
    answer = client.ask("set", address="freeze", value=True)
    assert answer == {"ok": True, "answers": {"/freeze": {"accepted": True, "value": True, "note": ""}}}
    assert show.values()["/freeze"] is True


def test_get_one_some_and_all(client: Client, show: RecordingShow) -> None:
    assert client.ask("get", address="strength")["values"] == {"/strength": 0.9}
    assert client.ask("get", addresses=["/seed", "mode"])["values"] == {"/seed": 0, "/mode": "image"}
    assert client.ask("get")["values"] == show.values()


def test_list_describes_every_parameter(client: Client, show: RecordingShow) -> None:
    answer = client.ask("list")
    listed = {entry["address"]: entry for entry in answer["parameters"]}
    assert list(listed) == list(show.parameters)
    for address, parameter in show.parameters.items():
        entry = listed[address]
        assert (entry["type"], entry["default"]) == (parameter.kind, parameter.default)
        assert (entry["min"], entry["max"]) == (parameter.minimum, parameter.maximum)
        assert entry["choices"] == list(parameter.choices)
        assert (entry["unit"], entry["description"]) == (parameter.unit, parameter.description)
        assert entry["effect"] == parameter.effect
    assert {entry["address"] for entry in answer["actions"]} == set(show.actions)


def test_actions_presets_and_status(client: Client, show: RecordingShow) -> None:
    assert client.ask("act", address="panic")["ok"]
    assert client.ask("act", address="/prompt", arguments=["ice"])["ok"]
    assert client.ask("load", name="neon")["ok"]
    assert client.ask("save", name="mine")["ok"]
    assert [entry[:2] for entry in show.applied] == [
        ("/panic", ()),
        ("/prompt", ("ice",)),
        ("/preset", ("neon",)),
        ("/save", ("mine",)),
    ]
    assert client.ask("presets")["presets"] == ["aurora", "neon"]
    show.state.update(fps=float("inf"), path=show)
    status = client.ask("status")["status"]
    assert status["fps"] is None, "JSON has no infinity"
    assert status["latency_ms"] == 83.0


def test_watchers_get_changes_of_others(control: ZmqControl, show: RecordingShow) -> None:
    watcher, other = Client(control, zmq.DEALER), Client(control)
    assert watcher.ask("watch")["values"] == show.values()
    assert watcher.ask("watch", id="again")["id"] == "again"
    assert len(show.subscriptions) == 1
    other.ask("set", values={"/seed": 5})
    watcher.wait_for_change("/seed", 5)
    watcher.ask("set", values={"/seed": 6})
    show.apply("/steps", [9], "osc:10.0.0.1:1")
    pushes = watcher.wait_for_change("/steps", 9)
    assert all("/seed" not in changed for changed in pushes)
    assert watcher.ask("unwatch") == {"ok": True}
    assert show.subscriptions == []
    other.socket.close()
    watcher.socket.close()


def test_pushes_are_coalesced(control: ZmqControl, show: RecordingShow) -> None:
    watcher = Client(control, zmq.DEALER)
    watcher.ask("watch")
    began = time.monotonic()
    for seed in range(1, 301):
        show.apply("/seed", [seed], "web:1")
        time.sleep(0.001)
    pushes = watcher.wait_for_change("/seed", 300)
    assert len(pushes) <= (time.monotonic() - began) / PUSH_INTERVAL + 2
    watcher.socket.close()


def test_req_socket_may_not_watch(client: Client, show: RecordingShow) -> None:
    answer = client.ask("watch", id=1)
    assert answer["ok"] is False
    assert "DEALER" in answer["error"]
    assert answer["id"] == 1
    assert show.subscriptions == []


def test_lost_watcher_is_dropped(control: ZmqControl, client: Client, show: RecordingShow) -> None:
    watcher = Client(control, zmq.DEALER)
    watcher.ask("watch")
    watcher.socket.close()
    number = 0
    while show.subscriptions:
        number += 1
        client.ask("set", address="seed", value=number)
    assert control.status()["watchers"] == 0
    assert control.status()["watchers_dropped"] == 1


def test_watcher_that_never_reads_is_dropped(control: ZmqControl, show: RecordingShow) -> None:
    # 64 pushes wait in ZeroMQ and some in the buffers of the two sockets. After that no more can be sent.
    watcher = Client(control, zmq.DEALER)
    watcher.socket.disconnect(control.address)
    watcher.socket.rcvhwm = 1
    watcher.socket.rcvbuf = 4096
    watcher.socket.connect(control.address)
    watcher.socket.send_json({"do": "watch"})
    texts = [address for address, parameter in show.parameters.items() if parameter.kind == "text"]
    asker = Client(control)
    while not control.status()["watchers_dropped"]:
        for address in texts:
            show.apply(address, [f"{len(show.applied)} " + "ü" * 990], "web:1")
        asker.ask("presets")
    assert show.subscriptions == []
    watcher.socket.close()
    asker.socket.close()


def test_watchers_are_bounded(control: ZmqControl, show: RecordingShow) -> None:
    watchers = [Client(control, zmq.DEALER) for _ in range(MAX_WATCHERS)]
    for watcher in watchers:
        assert watcher.ask("watch")["ok"]
    late = Client(control, zmq.DEALER)
    assert "limit of 64 watching clients" in late.ask("watch")["error"]
    watchers.pop().socket.close()
    while not late.ask("watch")["ok"]:
        pass
    for watcher in [*watchers, late]:
        watcher.socket.close()


FAULTS: list[tuple[bytes, str]] = [
    (b"", "JSON in UTF-8"),
    (b"hello", "JSON in UTF-8"),
    (b"\xff\xfe{}", "JSON in UTF-8"),
    (b'{"do": "get"', "JSON in UTF-8"),
    (b"[1]", "an object like"),
    (b"7", "an object like"),
    (b"{}", "'do' must be one of get, set"),
    (b'{"do": 7}', "not int"),
    (b'{"do": ["get"]}', "'do' must be one of"),
    (b'{"do": "explode"}', "not 'explode'"),
    (b'{"do": "set"}', "'set' needs 'values'"),
    (b'{"do": "set", "values": 3}', "'set' needs 'values'"),
    (b'{"do": "set", "address": 3, "value": 3}', "An address must be a text"),
    (b'{"do": "set", "address": "/strength", "value": NaN}', "NaN is not JSON"),
    (b'{"do": "set", "address": "/strength", "value": 1e999}', "a number is expected"),
    (b'{"do": "set", "address": "/strength", "value": [1]}', "a number is expected"),
    (b'{"do": "set", "address": "/strength", "value": null}', "a number is expected"),
    (b'{"do": "get", "address": "/nobody"}', "There is no parameter '/nobody'"),
    (b'{"do": "get", "address": "/panic"}', "'/panic' is an action and has no value. Send 'act'"),
    (b'{"do": "act", "address": "/strength"}', "'/strength' is a parameter. Send 'set'"),
    (b'{"do": "get", "addresses": "/seed"}', "must be a list of addresses"),
    (b'{"do": "get", "addresses": [[]]}', "An address must be a text"),
    (b'{"do": "act"}', "An address must be a text"),
    (b'{"do": "act", "address": "/nobody"}', "The actions are /panic"),
    (b'{"do": "act", "address": "/panic", "arguments": 1}', "'arguments' must be a list"),
    (b'{"do": "load"}', "'name' must be the name of a preset"),
    (b'{"do": "save", "name": 3}', "'name' must be the name of a preset"),
    (b'{"do": "presets", "id": {}}', "'id' must be"),
    (b'{"do": "presets", "id": 1e999}', "'id' must be"),
    (b'{"do": "presets", "id": "' + b"x" * 257 + b'"}', "'id' must be"),
    (b'{"a":' * 10_000, "nested too deep"),
    (b"[" * 60_000, "nested too deep"),
    (b'{"do": "presets", "id": ' + b"9" * 5_000 + b"}", "JSON in UTF-8"),
    (b" " * (MAX_REQUEST_BYTES + 1), "the limit is 65536"),
]


@pytest.mark.parametrize(("body", "reason"), FAULTS)
def test_every_fault_is_answered(client: Client, body: bytes, reason: str) -> None:
    answer = client.ask_raw(body)
    assert answer["ok"] is False
    assert reason in answer["error"]
    assert client.ask("get", address="/seed")["ok"], "the next request is answered"


def test_error_keeps_the_id(client: Client) -> None:
    assert client.ask("explode", id="x1")["id"] == "x1"
    assert client.ask("presets", id=None) == {"ok": True, "presets": ["aurora", "neon"], "id": None}


def test_multipart_messages_are_refused(control: ZmqControl, show: RecordingShow) -> None:
    dealer = Client(control, zmq.DEALER)
    dealer.socket.send_multipart([b'{"do": "presets"}'] * 500)
    assert "one part" in dealer.receive()["error"]
    assert "one part" in show.refusals[0][1]
    dealer.socket.send_multipart([b"", b'{"do": "presets"}'])
    assert dealer.socket.recv() == b""
    assert dealer.receive()["ok"]
    dealer.socket.close()


def test_huge_part_ends_one_connection(control: ZmqControl, client: Client) -> None:
    other = Client(control, zmq.DEALER)
    other.socket.send(b"x" * (2 << 20))
    assert client.ask("presets")["ok"]
    other.socket.close()


def test_http_on_the_port(control: ZmqControl, client: Client) -> None:
    with socket.create_connection(("127.0.0.1", int(control.address.rpartition(":")[2]))) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
        assert client.ask("presets")["ok"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
    st.sampled_from(["get", "set", "list", "act", "load", "save", "source", "looks", "status", "nothing"]),
    st.sampled_from(["address", "addresses", "value", "values", "name", "uri", "arguments", "id", "do"]),
)
def test_random_requests(anything: object, do: str, key: str) -> None:
    handler = RequestHandler(RecordingShow(), {})
    for request in (anything, {"do": do, "address": "/seed", key: anything}):
        answer = handler.reply(json.dumps(request).encode(), ZmqClient(b"\x01", False), pytest.fail)
        assert answer is not None
        assert isinstance(answer["ok"], bool)
        assert answer["ok"] or answer["error"]
        json.loads(encode(answer), parse_constant=pytest.fail)


def test_ipv6_address(show: RecordingShow) -> None:
    control = ZmqControl("tcp://[::1]:0")
    try:
        control.open(show)
    except BridgeUnavailable as error:
        pytest.skip(f"no IPv6 here: {error}")
    assert control.address.startswith("tcp://[::1]:")
    control.close()


def test_address_in_use_is_named(control: ZmqControl, show: RecordingShow) -> None:
    second = ZmqControl(control.address)
    with pytest.raises(BridgeUnavailable, match=r"127\.0\.0\.1:\d+ is in use.*another address"):
        second.open(show)
    second.close()


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1", "tcp://no.such.host.invalid:1", "udp://1.2.3.4:5"])
def test_invalid_addresses(address: str, show: RecordingShow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    KeyFolder().make("client", tmp_path)
    control = ZmqControl(address)
    with pytest.raises(BridgeUnavailable, match="Cannot open"):
        control.open(show)
    control.close()


def test_port_is_released_on_close(show: RecordingShow) -> None:
    control = ZmqControl("tcp://127.0.0.1:*")
    with serving(control, show):
        address = control.address
        watcher = Client(control, zmq.DEALER)
        watcher.ask("watch")
    control.close()
    assert show.subscriptions == []
    with serving(ZmqControl(address), show) as again:
        client = Client(again)
        assert client.ask("presets")["ok"]
        client.socket.close()
    watcher.socket.close()
