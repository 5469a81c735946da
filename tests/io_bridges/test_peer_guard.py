"""Peers of ZeroMQ ports: their number and what each sends are bounded, and those that mean well are heard."""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import zmq
from show_control_fake import RecordingShow
from zmq_rig import ANY_PORT, PIXELS, array_message, opened, publisher, read_until, rendered, wait_for

from io_bridges import peer_guard
from io_bridges.frames import Tick
from io_bridges.peer_guard import MOST_PEERS, most_connections
from io_bridges.zmq_control import ZmqControl
from io_bridges.zmq_sink import BindingZmqSink
from io_bridges.zmq_source import BindingZmqSource

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="what a peer has sent is known on Linux")
PEERS = MOST_PEERS + 20


@contextmanager
def served() -> Iterator[ZmqControl]:
    control = ZmqControl("tcp://127.0.0.1:*")
    control.open(RecordingShow())
    thread = threading.Thread(target=control.serve)
    thread.start()
    try:
        yield control
    finally:
        control.stop()
        thread.join()
        control.close()


@contextmanager
def connected(address: str, kind: int, number: int = 1) -> Iterator[list["zmq.Socket[bytes]"]]:
    """Open sockets that never connect again."""
    context = zmq.Context()
    sockets = [context.socket(kind) for _ in range(number)]
    for each in sockets:
        each.reconnect_ivl = -1
        each.connect(address)
    try:
        yield sockets
    finally:
        context.destroy(linger=0)


def send_endless(address: str, kind: bytes, part: bytes, ended: Callable[[], object]) -> None:
    """Send parts of one message until the other side has ended it, by ZMTP 3.0 (rfc.zeromq.org/spec/23).

    ZeroMQ itself sends no message before its last part.
    """
    host, port = address.removeprefix("tcp://").split(":")
    name = b"Socket-Type"
    ready = b"\x05READY" + bytes([len(name)]) + name + len(kind).to_bytes(4, "big") + kind
    with socket.create_connection((host, int(port))) as peer:
        peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48))
        wait_for(lambda: len(peer.recv(64, socket.MSG_PEEK)) == 64)
        peer.sendall(b"\x04" + bytes([len(ready)]) + ready)
        wait_for(lambda: len(peer.recv(80, socket.MSG_PEEK)) == 80)
        peer.settimeout(0.05)
        deadline = time.monotonic() + 30
        rest = parts = part * 100
        with contextlib.suppress(ConnectionError):
            while not ended():
                assert time.monotonic() < deadline
                with contextlib.suppress(TimeoutError):
                    rest = rest[peer.send(rest) :] or parts
    wait_for(ended)


LONG_PART = b"\x03" + (60_000).to_bytes(8, "big") + bytes(60_000)
SHORT_PART = b"\x01\x64" + bytes(100)
EMPTY_PART = b"\x01\x00"


def test_source_keeps_its_first_senders() -> None:
    with opened(BindingZmqSource(ANY_PORT)) as source:
        address = source.status()["address"]
        with publisher(address) as first:
            read_until(source, lambda: first.send_multipart(array_message(PIXELS)), lambda frame: True)
            with connected(address, zmq.PUB, PEERS):
                wait_for(lambda: source.read(0.05) or source.status()["ended"] >= PEERS + 1 - MOST_PEERS)
                read_until(source, lambda: first.send_multipart(array_message(PIXELS)), lambda frame: True)
                assert len(source._endpoint.guard._peers) == MOST_PEERS


def test_control_answers_beside_many_clients() -> None:
    with served() as control, connected(control.address, zmq.DEALER) as [first]:
        first.send_json({"do": "get"})
        assert first.recv_json()["ok"]
        with connected(control.address, zmq.DEALER, PEERS):
            wait_for(lambda: control.status()["ended"] == PEERS + 1 - MOST_PEERS)
            first.send_json({"do": "get"})
            assert first.recv_json()["ok"]


def test_few_files_leave_few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    for files, most in ((16, 4), (256, 8), (1024, 56), (65_536, 64), (resource.RLIM_INFINITY, 64)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert most_connections(MOST_PEERS) == most


@needs_linux
def test_endless_message_to_the_control() -> None:
    with served() as control, connected(control.address, zmq.DEALER) as [other]:
        send_endless(control.address, b"DEALER", LONG_PART, lambda: control.status()["ended"])
        other.send_json({"do": "get"})
        assert other.recv_json()["ok"]


@needs_linux
def test_endless_message_to_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("io_bridges.zmq_source._MAX_MESSAGE_BYTES", 1 << 20)
    with opened(BindingZmqSource(ANY_PORT, "pull")) as source:
        address = source.status()["address"]
        with connected(address, zmq.PUSH) as [other]:
            send_endless(address, b"PUSH", SHORT_PART, lambda: source.read(0.001) or source.status()["ended"])
            read_until(source, lambda: other.send_multipart(array_message(PIXELS)), lambda frame: True)
            assert source.status()["ended"] == 1


@needs_linux
@pytest.mark.parametrize("idle_rate", [peer_guard.IDLE_RATE, 1 << 30])
def test_empty_parts_are_known_by_the_memory(monkeypatch: pytest.MonkeyPatch, idle_rate: int) -> None:
    """A message that is as slow as heartbeats is ended too: everything passes for one at the second rate."""
    monkeypatch.setattr(peer_guard, "IDLE_RATE", idle_rate)
    monkeypatch.setattr(peer_guard, "TRIFLE", 100_000)
    monkeypatch.setattr(peer_guard, "MOST_MEMORY", 1 << 20)
    monkeypatch.setattr(peer_guard, "STALLED_SECONDS", 0.0)
    with opened(BindingZmqSource(ANY_PORT, "pull")) as source:
        address = source.status()["address"]
        send_endless(address, b"PUSH", EMPTY_PART * 1000, lambda: source.read(0.001) or source.status()["ended"])


@needs_linux
def test_reader_that_subscribes_without_end() -> None:
    with opened(BindingZmqSink(ANY_PORT), 64, 48, 30.0) as sink:

        def written() -> object:
            sink.write(rendered(1), Tick(1, 0, repeated=False))
            return sink.status()["ended"]

        send_endless(sink.status()["address"], b"SUB", b"\x00\x65\x01" + bytes(100), written)
