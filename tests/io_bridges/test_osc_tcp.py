"""OSC over TCP, with the clients of python-osc and liblo: values, feedback, floods, and clients that misbehave."""

import os
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from osc_surface import LONG, Surface, serving, wait_for
from pythonosc.osc_message import OscMessage
from pythonosc.osc_tcp_server import MODE_1_0, MODE_1_1
from pythonosc.tcp_client import SimpleTCPClient
from show_control_fake import RecordingShow

from io_bridges.osc.packets import encode_message
from io_bridges.osc.server import OscControl
from io_bridges.osc.stream_framing import framed
from io_bridges.osc.tcp_connections import MAX_CONNECTIONS, MOST_WAITING_BYTES, TcpConnections
from presets.errors import BridgeUnavailable

needs_oscsend = pytest.mark.skipif(shutil.which("oscsend") is None, reason="oscsend is missing: install liblo-tools")


@pytest.fixture
def show() -> RecordingShow:
    return RecordingShow()


@pytest.fixture
def control(show: RecordingShow) -> Iterator[OscControl]:
    with serving(OscControl(port=0, tcp=("127.0.0.1", 0)), show) as control:
        yield control


def port_of(control: OscControl) -> int:
    return int(str(control.status()["tcp"]).rpartition(":")[2])


def client_of(control: OscControl, mode: str) -> SimpleTCPClient:
    return SimpleTCPClient("127.0.0.1", port_of(control), mode=mode, timeout=LONG)


def read_until(client: SimpleTCPClient, address: str, value: object) -> None:
    """Read feedback until this value comes."""
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        for packet in filter(None, client.receive(timeout=LONG)):
            message = OscMessage(packet)
            if (message.address, message.params) == (address, [value]):
                return
    raise AssertionError(f"{address} {value!r} did not come")


@pytest.mark.parametrize("mode", [MODE_1_0, MODE_1_1])
def test_values_and_feedback(control: OscControl, show: RecordingShow, mode: str) -> None:
    with client_of(control, mode) as client:
        client.send_message("/strength", 0.25)
        wait_for(lambda: show.values()["/strength"] == 0.25)
        client.send_message("/strength", "?")
        read_until(client, "/strength", 0.25)
        client.send_message("/subscribe", [])
        read_until(client, "/accelerator", "auto")
        show.apply("/seed", [7], "web:1")
        read_until(client, "/seed", 7)
        wait_for(lambda: control.status()["clients"] == 1)
    wait_for(lambda: (control.status()["clients"], control.status()["targets"]) == (0, 0))


@needs_oscsend
def test_liblo_sends_by_tcp(control: OscControl, show: RecordingShow) -> None:
    url = f"osc.tcp://127.0.0.1:{port_of(control)}/"
    subprocess.run(["oscsend", url, "/prompt/2/text", "s", "köln, säule"], check=True, timeout=LONG)
    wait_for(lambda: show.values()["/prompt/2/text"] == "köln, säule")
    assert str(show.applied[0][2]).startswith("osc:127.0.0.1:")


def test_udp_and_tcp_hear_of_each_other(control: OscControl, show: RecordingShow) -> None:
    surface = Surface(control)
    surface.send("/subscribe")
    surface.wait_for("/accelerator", "auto")
    with client_of(control, MODE_1_0) as client:
        client.send_message("/subscribe", [])
        read_until(client, "/accelerator", "auto")
        client.send_message("/brightness", 0.5)
        surface.wait_for("/brightness", 0.5)
        surface.send("/seed", 99)
        read_until(client, "/seed", 99)


def test_connection_is_one_surface(control: OscControl, show: RecordingShow) -> None:
    """Other senders on its host are not taken for it, though they have not subscribed."""
    with client_of(control, MODE_1_0) as listener, client_of(control, MODE_1_0) as fader:
        listener.send_message("/subscribe", [])
        read_until(listener, "/accelerator", "auto")
        fader.send_message("/seed", 11)
        read_until(listener, "/seed", 11)
        Surface(control).send("/steps", 12)
        read_until(listener, "/steps", 12)


def test_nothing_is_lost_in_a_flood(control: OscControl, show: RecordingShow) -> None:
    with client_of(control, MODE_1_0) as client:
        stream = b"".join(
            framed(encode_message("/steps", "12" if step % 2 else "13"), "size") for step in range(10_000)
        )
        client.socket.sendall(stream)
        client.send_message("/seed", 5)
        wait_for(lambda: show.values()["/seed"] == 5)
    assert control.status()["accepted"] == 10_001


@pytest.mark.parametrize(
    "stream", [b"\x7f\xff\xff\xff" * 40_000, struct.pack("!I", 1 << 20), b"GET / HTTP/1.1\r\n" * 10_000]
)
def test_malformed_stream_ends_its_connection(control: OscControl, show: RecordingShow, stream: bytes) -> None:
    with client_of(control, MODE_1_0) as good:
        with socket.create_connection(("127.0.0.1", port_of(control)), LONG) as bad, suppress(ConnectionError):
            bad.sendall(stream)
            assert bad.recv(1) == b""
        good.send_message("/seed", 3)
        wait_for(lambda: show.values()["/seed"] == 3)
    assert len(show.refusals) == 1


def test_malformed_packet_is_counted(control: OscControl) -> None:
    with client_of(control, MODE_1_0) as client:
        client.socket.sendall(framed(b"no osc", "size"))
        wait_for(lambda: control.status()["malformed"] == 1)


def silent_clients(control: OscControl, clean_up: ExitStack, count: int) -> list[socket.socket]:
    """Open connections that send nothing, one after another."""
    before = int(str(control.status()["clients"]))
    opened: list[socket.socket] = []
    for number in range(count):
        opened.append(clean_up.enter_context(socket.create_connection(("127.0.0.1", port_of(control)), LONG)))
        wait_for(lambda: control.status()["clients"] == min(before + number + 1, MAX_CONNECTIONS))  # noqa: B023
    return opened


def test_silent_clients_keep_nobody_out(control: OscControl, show: RecordingShow) -> None:
    with ExitStack() as clean_up:
        first, second, *_ = silent_clients(control, clean_up, MAX_CONNECTIONS)
        newest = clean_up.enter_context(client_of(control, MODE_1_0))
        newest.send_message("/seed", 8)
        wait_for(lambda: show.values()["/seed"] == 8)
        assert first.recv(1) == b"", "the one silent longest"
        assert control.status()["clients"] == MAX_CONNECTIONS
        ((sender, reason),) = show.refusals
        assert sender == f"osc:127.0.0.1:{first.getsockname()[1]}"
        assert reason == "closed for a newer client: the most silent of 16 over TCP"
        silent_clients(control, clean_up, 2 * MAX_CONNECTIONS)
        newest.send_message("/seed", 9)
        wait_for(lambda: show.values()["/seed"] == 9)
        assert second.recv(1) == b""


def test_listener_stays_before_a_silent_fader(control: OscControl, show: RecordingShow) -> None:
    with ExitStack() as clean_up:
        listener, *faders = [clean_up.enter_context(client_of(control, MODE_1_0)) for _ in range(MAX_CONNECTIONS)]
        listener.send_message("/subscribe", [])
        for seed, fader in enumerate(faders, 1):
            fader.send_message("/seed", seed)
            wait_for(lambda: show.values()["/seed"] == seed)  # noqa: B023
        show.apply("/steps", [9], "web:1")
        read_until(listener, "/steps", 9)
        newest = clean_up.enter_context(client_of(control, MODE_1_0))
        newest.send_message("/steps", 8)
        read_until(listener, "/steps", 8)
        assert faders[0].socket.recv(1) == b""
        faders[1].send_message("/seed", 99)
        read_until(listener, "/seed", 99)


def test_client_that_reads_nothing_is_closed(control: OscControl, show: RecordingShow) -> None:
    with client_of(control, MODE_1_0) as deaf:
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.send_message("/subscribe", [])
        wait_for(lambda: control.status()["targets"] == 1)
        deadline = time.monotonic() + LONG
        step = 0
        while control.status()["clients"] and time.monotonic() < deadline:
            step += 1
            show.apply("/prompt/1/text", [f"{step} " + "x" * 900], "web:1")
            time.sleep(0.002)
        assert control.status()["clients"] == 0
        wait_for(lambda: control.status()["targets"] == 0)


def test_port_in_use_is_told(show: RecordingShow) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        control = OscControl(port=0, tcp=("127.0.0.1", taken.getsockname()[1]))
        with pytest.raises(BridgeUnavailable, match=r"\(TCP, 127.0.0.1\) is in use.*--osc-tcp"):
            control.open(show)
        control.close()


def test_flood_leaves_udp_its_turn(show: RecordingShow) -> None:
    message = encode_message("/strength", 0.5)
    bundle = b"#bundle\0" + bytes(8) + (struct.pack("!i", len(message)) + message) * 1000
    control = OscControl(port=0, tcp=("127.0.0.1", 0))
    control.open(show)
    with socket.create_connection(("127.0.0.1", port_of(control)), LONG) as client:
        client.sendall(framed(bundle, "size") * 30)
        client.shutdown(socket.SHUT_WR)
        wait_for(lambda: control.status()["clients"] == 0)
        Surface(control).send("/seed", 7)
        thread = threading.Thread(target=control.serve)
        thread.start()
        wait_for(lambda: control.status()["messages"] == 30_001)
        control.stop()
        thread.join(LONG)
        control.close()
    assert [address for address, _, _ in show.applied].index("/seed") < 20_000


def test_waiting_bytes_are_bounded() -> None:
    connections = TcpConnections("127.0.0.1", 0, lambda: None, lambda client, fault: None)
    packet = framed(bytes(60_000), "size")
    with socket.create_connection(connections.address, LONG) as client, suppress(BlockingIOError):
        client.setblocking(False)
        for _ in range(1000):
            wait_for(lambda: bool(select.select([], [client], [], 0)[1]) or connections.is_full)
            if connections.is_full:
                break
            client.send(packet)
        waiting = 0
        while (taken := connections.take()) is not None and waiting <= MOST_WAITING_BYTES:
            waiting += len(taken[0] or b"")
        connections.close()
        connections.close()
    assert 0 < waiting < MOST_WAITING_BYTES + 200_000


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="it reads Linux's list of connections")
def test_absent_client_is_found_out(control: OscControl) -> None:
    """A tablet that has left the network must not keep its place for hours."""
    with client_of(control, MODE_1_0):
        wait_for(lambda: control.status()["clients"] == 1)
        port = port_of(control)
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        timers = [row[5] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"]
    kind, ticks = timers[0].split(":")
    assert (kind, int(ticks, 16) <= 20 * os.sysconf("SC_CLK_TCK")) == ("02", True), "the timer of keep-alive"


def test_status_while_it_closes(show: RecordingShow) -> None:
    connections = TcpConnections("127.0.0.1", 0, lambda: None, show.refused)
    before = connections.address
    connections.close()
    assert connections.address == before


def test_off_unless_asked_for(show: RecordingShow) -> None:
    with serving(OscControl(port=0), show) as control:
        assert "tcp" not in control.status()
