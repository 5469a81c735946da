"""Whom OSC hears where it is open to a network, and how much an address that may be forged is sent."""

import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_show_control import WebShow

from daemon.stage.settings import Address, Settings
from io_bridges.osc import admission
from io_bridges.osc.admission import BURST, MOST_HOSTS, RATE, OscAdmission, read_networks
from io_bridges.osc.packets import encode_message
from io_bridges.osc.server import OscControl
from presets.errors import SettingsError


@pytest.mark.parametrize(
    ("texts", "heard", "not_heard"),
    [
        ([], ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"], ["192.168.1.2", "0.0.0.0", "", "host"]),
        (["192.168.1.0/24"], ["192.168.1.2", "::ffff:192.168.1.2"], ["192.168.2.2", "::c0a8:102"]),
        (["192.168.1.77/24"], ["192.168.1.2"], []),
        (["10.0.0.5", "fd00::/8"], ["10.0.0.5", "fd12::9", "fd12::9%eth0"], ["10.0.0.6", "fe80::1"]),
        (["[fe80::1]"], ["fe80::1"], ["fe80::2"]),
        (["0.0.0.0/0"], ["8.8.8.8"], ["2001:db8::1"]),
    ],
)
def test_networks(texts: list[str], heard: list[str], not_heard: list[str]) -> None:
    admission = OscAdmission(read_networks(texts))
    assert [each for each in heard if not admission.includes(each)] == []
    assert [each for each in not_heard if admission.includes(each)] == []


@pytest.mark.parametrize(
    "wrong", ["", "stage", "192.168.1", "192.168.1.0/33", "1.2.3.4/", "fe80::1%eth0/999", "a" * 999]
)
def test_wrong_networks_name_the_option(wrong: str) -> None:
    with pytest.raises(SettingsError, match="--osc-allow"):
        read_networks(["10.0.0.1", wrong])


@given(st.text(max_size=60))
def test_any_host_is_decided(host: str) -> None:
    assert OscAdmission().hears(host) in (True, False)


def test_open_port_needs_a_list() -> None:
    for ports in ({"osc": Address("0.0.0.0", 9000)}, {"osc_tcp": Address("192.168.1.2", 9001)}):
        with pytest.raises(SettingsError, match="--osc-allow"):
            Settings(**ports)  # type: ignore[arg-type]
        Settings(**ports, osc_allow=read_networks(["10.0.0.0/8"]))  # type: ignore[arg-type]


def test_strangers_are_told_once() -> None:
    told: list[tuple[str, str]] = []
    admission = OscAdmission()
    admission.refused = lambda sender, reason: told.append((sender, reason))
    for _ in range(5):
        assert not admission.hears("192.168.1.9")
    assert admission.counts["dropped"] == 5
    assert told == [("osc:192.168.1.9", "192.168.1.9 is not among those that --osc-allow names")]
    for number in range(3 * MOST_HOSTS):
        admission.hears(f"10.0.{number // 256}.{number % 256}")
    assert len(admission._known) <= MOST_HOSTS


def test_answers_are_bounded() -> None:
    """A forged poll of all values has one host sent a bounded number of datagrams. A connection is no forgery."""
    now, sent = [0.0], list[str]()
    admission = OscAdmission(read_networks(["10.0.0.0/8"]), lambda: now[0])
    send = admission.bounded(lambda address, values, target: sent.append(target[0]), lambda target: target[1] == 7)
    for _ in range(1000):
        send("/strength", (0.5,), ("10.0.0.9", 5))
    assert sent == ["10.0.0.9"] * BURST
    assert admission.counts["unanswered"] == 1000 - BURST
    now[0] = 1.0
    for _ in range(1000):
        send("/strength", (0.5,), ("10.0.0.9", 6))
    assert len(sent) == BURST + RATE
    send("/strength", (0.5,), ("10.0.0.8", 5))
    send("/strength", (0.5,), ("10.0.0.9", 7))
    send("/strength", (0.5,), ("127.0.0.1", 5))
    assert sent[-3:] == ["10.0.0.8", "10.0.0.9", "127.0.0.1"]


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[OscControl, WebShow]]:
    """A control that takes 127.0.0.1 for an address of the network, which it does not hear."""
    monkeypatch.setattr(admission.OscAdmission, "includes", lambda self, host: False)
    show, control = WebShow(), OscControl(port=0, tcp=("127.0.0.1", 0))
    control.open(show)  # type: ignore[arg-type]
    thread = threading.Thread(target=control.serve)
    thread.start()
    yield control, show
    control.stop()
    thread.join(20)
    control.close()


def test_strangers_change_nothing(stranger: tuple[OscControl, WebShow]) -> None:
    control, show = stranger
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(0.3)
        for packet in (encode_message("/strength", 0.1), encode_message("/*"), encode_message("/subscribe")):
            sender.sendto(packet, control.address)
        with pytest.raises(TimeoutError):
            sender.recv(4096)
    host, port = str(control.status()["tcp"]).removeprefix("osc.tcp://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        assert client.recv(1) == b"", "it is closed at once"
    assert control.status()["dropped"] == 4
    assert control.status()["datagrams"] == 0
    assert show.calls == []
    assert len(show.refusals) == 1
