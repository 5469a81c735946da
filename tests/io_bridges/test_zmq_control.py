"""`ZmqControl` over real sockets: REQ and DEALER clients, good and hostile."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from show_control_fake import RecordingDesk

from io_bridges.zmq_control import MOST_WATCHERS, PUSH_INTERVAL, ZmqControl
from io_bridges.zmq_requests import LARGEST_REQUEST, Requests, ZmqClient, encode
from presets.errors import BridgeUnavailable

LONG = 20_000
"""Milliseconds after which an answer counts as not coming."""


@contextmanager
def serving(control: ZmqControl, desk: RecordingDesk) -> Iterator[ZmqControl]:
    control.open(desk)
    thread = threading.Thread(target=control.serve)
    thread.start()
    try:
        yield control
        assert thread.is_alive(), "a request ended the control"
    finally:
        control.stop()
        thread.join(LONG / 1000)
        control.close()
    assert not thread.is_alive()


@pytest.fixture
def desk() -> RecordingDesk:
    return RecordingDesk()


@pytest.fixture
def control(desk: RecordingDesk) -> Iterator[ZmqControl]:
    with serving(ZmqControl("tcp://127.0.0.1:*"), desk) as control:
        yield control


class Client:
    def __init__(self, control: ZmqControl, kind: int = zmq.REQ) -> None:
        self.socket = zmq.Context.instance().socket(kind)
        self.socket.linger = 0
        self.socket.rcvtimeo = self.socket.sndtimeo = LONG
        self.socket.connect(control.address)

    def ask(self, do: object, **rest: object) -> Any:
        self.socket.send_json({"do": do, **rest})
        return self.hear()

    def ask_raw(self, body: bytes) -> Any:
        self.socket.send(body)
        return self.hear()

    def hear(self) -> Any:
        return json.loads(self.socket.recv(), parse_constant=pytest.fail)

    def hear_changed(self, address: str, value: object) -> list[dict[str, Any]]:
        """Every push until the one that tells this value."""
        pushes = []
        while True:
            pushes.append(self.hear()["changed"])
            if pushes[-1].get(address) == value:
                return pushes


@pytest.fixture
def client(control: ZmqControl) -> Iterator[Client]:
    client = Client(control)
    yield client
    client.socket.close()


def test_set_coerces_clamps_and_says_what_was_taken(client: Client, desk: RecordingDesk) -> None:
    answer = client.ask("set", values={"/strength": "0.25", "steps": 400, "/mode": "sepia", "/nobody": 1}, id=7)
    assert answer["id"] == 7
    assert answer["ok"] is False
    assert answer["answers"]["/strength"] == {"accepted": True, "value": 0.25, "note": "taken as 0.25"}
    assert answer["answers"]["steps"]["value"] == 50
    assert answer["answers"]["/mode"]["accepted"] is False
    assert "image, text" in answer["answers"]["/mode"]["note"]
    assert "/nobody" in answer["answers"]["/nobody"]["note"]
    assert "/mode: one of image, text" in answer["error"]
    assert desk.values()["/strength"] == 0.25
    assert desk.values()["/steps"] == 50


def test_set_one_value(client: Client, desk: RecordingDesk) -> None:
    answer = client.ask("set", address="freeze", value=True)
    assert answer == {"ok": True, "answers": {"/freeze": {"accepted": True, "value": True, "note": ""}}}
    assert desk.values()["/freeze"] is True


def test_get_one_some_and_all(client: Client, desk: RecordingDesk) -> None:
    assert client.ask("get", address="strength")["values"] == {"/strength": 0.6}
    assert client.ask("get", addresses=["/seed", "mode"])["values"] == {"/seed": 0, "/mode": "image"}
    assert client.ask("get")["values"] == desk.values()


def test_the_list_is_enough_to_build_an_interface(client: Client, desk: RecordingDesk) -> None:
    answer = client.ask("list")
    listed = {entry["address"]: entry for entry in answer["parameters"]}
    assert list(listed) == list(desk.parameters)
    for address, parameter in desk.parameters.items():
        entry = listed[address]
        assert (entry["type"], entry["default"]) == (parameter.kind, parameter.default)
        assert (entry["min"], entry["max"]) == (parameter.minimum, parameter.maximum)
        assert entry["choices"] == list(parameter.choices)
        assert (entry["unit"], entry["description"]) == (parameter.unit, parameter.description)
        assert entry["effect"] == parameter.effect
    assert {entry["address"] for entry in answer["actions"]} == set(desk.actions)


def test_actions_looks_and_status(client: Client, desk: RecordingDesk) -> None:
    assert client.ask("act", address="panic")["ok"]
    assert client.ask("act", address="/prompt", arguments=["ice"])["ok"]
    assert client.ask("load", name="neon")["ok"]
    assert client.ask("save", name="mine")["ok"]
    assert [entry[:2] for entry in desk.applied] == [
        ("/panic", ()),
        ("/prompt", ("ice",)),
        ("/preset", ("neon",)),
        ("/save", ("mine",)),
    ]
    assert client.ask("looks")["looks"] == ["aurora", "neon"]
    desk.state.update(fps=float("inf"), path=desk)
    status = client.ask("status")["status"]
    assert status["fps"] is None, "JSON has no infinity"
    assert status["latency_ms"] == 83.0


def test_watchers_hear_others_and_not_themselves(control: ZmqControl, desk: RecordingDesk) -> None:
    watcher, other = Client(control, zmq.DEALER), Client(control)
    assert watcher.ask("watch")["values"] == desk.values()
    assert watcher.ask("watch", id="again")["id"] == "again"
    assert len(desk.subscriptions) == 1
    other.ask("set", values={"/seed": 5})
    watcher.hear_changed("/seed", 5)
    watcher.ask("set", values={"/seed": 6})
    desk.apply("/steps", [9], "osc:10.0.0.1:1")
    pushes = watcher.hear_changed("/steps", 9)
    assert all("/seed" not in changed for changed in pushes)
    assert watcher.ask("unwatch") == {"ok": True}
    assert desk.subscriptions == []
    other.socket.close()
    watcher.socket.close()


def test_pushes_are_coalesced(control: ZmqControl, desk: RecordingDesk) -> None:
    watcher = Client(control, zmq.DEALER)
    watcher.ask("watch")
    began = time.monotonic()
    for seed in range(1, 301):
        desk.apply("/seed", [seed], "web:1")
        time.sleep(0.001)
    pushes = watcher.hear_changed("/seed", 300)
    assert len(pushes) <= (time.monotonic() - began) / PUSH_INTERVAL + 2
    watcher.socket.close()


def test_a_req_socket_may_not_watch(client: Client, desk: RecordingDesk) -> None:
    answer = client.ask("watch", id=1)
    assert answer["ok"] is False
    assert "DEALER" in answer["error"]
    assert answer["id"] == 1
    assert desk.subscriptions == []


def test_a_watcher_that_left_is_dropped(control: ZmqControl, client: Client, desk: RecordingDesk) -> None:
    watcher = Client(control, zmq.DEALER)
    watcher.ask("watch")
    watcher.socket.close()
    number = 0
    while desk.subscriptions:
        number += 1
        client.ask("set", address="seed", value=number)
    assert control.status()["watchers"] == 0
    assert control.status()["watchers_dropped"] == 1


def test_a_watcher_that_never_reads_is_dropped_and_memory_is_bounded(control: ZmqControl, desk: RecordingDesk) -> None:
    # Sixty-four pushes wait in ZeroMQ, and what the two kernels' buffers hold; after that it can't be written to.
    watcher = Client(control, zmq.DEALER)
    watcher.socket.disconnect(control.address)
    watcher.socket.rcvhwm = 1
    watcher.socket.rcvbuf = 4096
    watcher.socket.connect(control.address)
    watcher.socket.send_json({"do": "watch"})
    texts = [address for address, parameter in desk.parameters.items() if parameter.kind == "text"]
    asker = Client(control)
    while not control.status()["watchers_dropped"]:
        for address in texts:
            desk.apply(address, [f"{len(desk.applied)} " + "ü" * 990], "web:1")
        asker.ask("looks")
    assert desk.subscriptions == []
    watcher.socket.close()
    asker.socket.close()


def test_watchers_are_bounded_and_those_that_left_make_room(control: ZmqControl, desk: RecordingDesk) -> None:
    watchers = [Client(control, zmq.DEALER) for _ in range(MOST_WATCHERS)]
    for watcher in watchers:
        assert watcher.ask("watch")["ok"]
    late = Client(control, zmq.DEALER)
    assert "watching already" in late.ask("watch")["error"]
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
    (b"{}", "'do' is one of get, set"),
    (b'{"do": 7}', "int came"),
    (b'{"do": ["get"]}', "'do' is one of"),
    (b'{"do": "explode"}', "'explode' came"),
    (b'{"do": "set"}', "set takes 'values'"),
    (b'{"do": "set", "values": 3}', "set takes 'values'"),
    (b'{"do": "set", "address": 3, "value": 3}', "an address is a text"),
    (b'{"do": "set", "address": "/strength", "value": NaN}', "NaN is no JSON"),
    (b'{"do": "set", "address": "/strength", "value": 1e999}', "a number is expected"),
    (b'{"do": "set", "address": "/strength", "value": [1]}', "a number is expected"),
    (b'{"do": "set", "address": "/strength", "value": null}', "a number is expected"),
    (b'{"do": "get", "address": "/nobody"}', "no parameter is called '/nobody'"),
    (b'{"do": "get", "addresses": "/seed"}', "a list of addresses"),
    (b'{"do": "get", "addresses": [[]]}', "an address is a text"),
    (b'{"do": "act"}', "an address is a text"),
    (b'{"do": "act", "address": "/seed"}', "an action is one of /panic"),
    (b'{"do": "act", "address": "/panic", "arguments": 1}', "'arguments' is a list"),
    (b'{"do": "load"}', "'name' is the name of a look"),
    (b'{"do": "save", "name": 3}', "'name' is the name of a look"),
    (b'{"do": "looks", "id": {}}', "'id' is"),
    (b'{"do": "looks", "id": 1e999}', "'id' is"),
    (b'{"do": "looks", "id": "' + b"x" * 257 + b'"}', "'id' is"),
    (b'{"a":' * 10_000, "nested too deep"),
    (b"[" * 60_000, "nested too deep"),
    (b'{"do": "looks", "id": ' + b"9" * 5_000 + b"}", "JSON in UTF-8"),
    (b" " * (LARGEST_REQUEST + 1), "65536 is the most"),
]


@pytest.mark.parametrize(("body", "reason"), FAULTS)
def test_every_fault_is_answered_with_a_sentence(client: Client, body: bytes, reason: str) -> None:
    answer = client.ask_raw(body)
    assert answer["ok"] is False
    assert reason in answer["error"]
    assert client.ask("get", address="/seed")["ok"], "the next request is answered as ever"


def test_an_error_keeps_the_id(client: Client) -> None:
    assert client.ask("explode", id="x1")["id"] == "x1"
    assert client.ask("looks", id=None) == {"ok": True, "looks": ["aurora", "neon"], "id": None}


def test_messages_of_many_parts_are_answered_and_counted(control: ZmqControl, desk: RecordingDesk) -> None:
    dealer = Client(control, zmq.DEALER)
    dealer.socket.send_multipart([b'{"do": "looks"}'] * 500)
    assert "one part" in dealer.hear()["error"]
    assert "one part" in desk.refusals[0][1]
    dealer.socket.send_multipart([b"", b'{"do": "looks"}'])
    assert dealer.socket.recv() == b""
    assert dealer.hear()["ok"]
    dealer.socket.close()


def test_a_part_past_a_megabyte_ends_that_connection_only(control: ZmqControl, client: Client) -> None:
    other = Client(control, zmq.DEALER)
    other.socket.send(b"x" * (2 << 20))
    assert client.ask("looks")["ok"]
    other.socket.close()


def test_no_zeromq_at_all_on_the_port(control: ZmqControl, client: Client) -> None:
    with socket.create_connection(("127.0.0.1", int(control.address.rpartition(":")[2]))) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
        assert client.ask("looks")["ok"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
    st.sampled_from(["get", "set", "list", "act", "load", "save", "looks", "status", "nothing"]),
    st.sampled_from(["address", "addresses", "value", "values", "name", "arguments", "id", "do"]),
)
def test_any_request_is_answered_in_strict_json(anything: object, do: str, key: str) -> None:
    requests = Requests(RecordingDesk(), {})
    for request in (anything, {"do": do, "address": "/seed", key: anything}):
        answer = requests.answer(json.dumps(request).encode(), ZmqClient(b"\x01", False))
        assert isinstance(answer["ok"], bool)
        assert answer["ok"] or answer["error"]
        json.loads(encode(answer), parse_constant=pytest.fail)


def test_it_listens_on_ipv6_where_that_is_asked_for(desk: RecordingDesk) -> None:
    control = ZmqControl("tcp://[::1]:0")
    try:
        control.open(desk)
    except BridgeUnavailable as error:
        pytest.skip(f"there is no IPv6 here: {error}")
    assert control.address.startswith("tcp://[::1]:")
    control.close()


def test_an_address_in_use_is_named(control: ZmqControl, desk: RecordingDesk) -> None:
    second = ZmqControl(control.address)
    with pytest.raises(BridgeUnavailable, match=r"127\.0\.0\.1:\d+ is in use.*another address"):
        second.open(desk)
    second.close()


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1", "tcp://no.such.host.invalid:1", "udp://1.2.3.4:5"])
def test_addresses_that_cannot_be(address: str, desk: RecordingDesk) -> None:
    control = ZmqControl(address)
    with pytest.raises(BridgeUnavailable, match="can't be opened"):
        control.open(desk)
    control.close()


def test_it_gives_its_port_back_and_opens_again(desk: RecordingDesk) -> None:
    control = ZmqControl("tcp://127.0.0.1:*")
    with serving(control, desk):
        address = control.address
        watcher = Client(control, zmq.DEALER)
        watcher.ask("watch")
    control.close()
    assert desk.subscriptions == []
    with serving(ZmqControl(address), desk) as again:
        client = Client(again)
        assert client.ask("looks")["ok"]
        client.socket.close()
    watcher.socket.close()
