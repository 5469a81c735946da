"""DMX over loopback, sent by other libraries: levels, switches, presses, floods and bytes that are none."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sacn
import sacn.sending.sender_socket_udp
from sacn.messages.data_packet import DataPacket
from show_control_fake import RecordingShow
from stupidArtnet import StupidArtnet

from io_bridges.dmx.control import DmxControl
from presets.dmx_file import DmxSetup, parse_dmx
from presets.errors import BridgeUnavailable

LONG = 20.0
MAPPING = b"""
1/1: /strength
1/2: {to: /steps, range: [1, 5]}
1/3+4: /zoom
1/5: /freeze
1/6: /panic
1/7: {to: /preset, value: fire}
1/8: /preset
2/1: /brightness
"""


@pytest.fixture
def show() -> RecordingShow:
    return RecordingShow()


@contextmanager
def playing(show: RecordingShow, host: str = "127.0.0.1") -> Iterator[DmxControl]:
    control = DmxControl(DmxSetup(parse_dmx(MAPPING, "map.yaml"), host), 0, 0)
    control.open(show)
    thread = threading.Thread(target=control.serve)
    thread.start()
    try:
        yield control
        assert thread.is_alive(), "a packet stopped the control"
    finally:
        control.stop()
        thread.join(LONG)
        control.close()
    assert not thread.is_alive()


@pytest.fixture
def control(show: RecordingShow) -> Iterator[DmxControl]:
    with playing(show) as control:
        yield control


def has_network() -> bool:
    """Return True if the system has a way for multicast."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("239.255.0.2", 9))
        except OSError:
            return False
    return True


def port(control: DmxControl, protocol: str) -> int:
    ports = control.status()["ports"]
    assert isinstance(ports, dict)
    return int(ports[protocol])


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < deadline, "it did not come within 20 s"
        time.sleep(0.005)


def sent(show: RecordingShow, address: str) -> list[tuple[object, ...]]:
    return [arguments for to, arguments, _ in show.applied if to == address]


def test_artnet_of_another_program(control: DmxControl, show: RecordingShow) -> None:
    desk = StupidArtnet("127.0.0.1", 1, 20, port=port(control, "artnet"))
    desk.set_single_value(1, 255)
    desk.set_single_value(2, 128)
    desk.set_16bit(3, 32768, high_first=True)
    desk.show()
    until(lambda: len(show.applied) >= 4)
    assert sent(show, "/strength/norm") == [(1.0,)]
    assert sent(show, "/steps") == [(pytest.approx(1 + 4 * 128 / 255),)]
    assert sent(show, "/zoom/norm") == [(32768 / 65535,)]
    assert sent(show, "/freeze/norm") == [(0.0,)]
    assert not sent(show, "/preset"), "level 0 leaves the preset"
    desk.set_single_value(5, 200)
    desk.set_single_value(6, 255)
    desk.set_single_value(7, 255)
    desk.set_single_value(8, 3)
    desk.show()
    until(lambda: len(sent(show, "/preset")) == 2)
    assert sent(show, "/panic") == [()]
    assert sorted(sent(show, "/preset"), key=str) == [("fire",), (3,)]
    assert show.applied[-1][2].startswith("dmx:1/")
    desk.close()


def test_sacn_of_another_program(control: DmxControl, show: RecordingShow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sacn.sending.sender_socket_udp, "DEFAULT_PORT", port(control, "sacn"))
    desk = sacn.sACNsender(source_name="pult", bind_address="127.0.0.1", bind_port=0)
    desk.start()
    try:
        desk.activate_output(2)
        desk[2].destination = "127.0.0.1"
        desk[2].priority = 120
        desk[2].dmx_data = (51,)
        until(lambda: (0.2,) in sent(show, "/brightness/norm"))
        until(lambda: control.status()["sources"])
        assert control.status()["sources"] == [
            {"universe": 2, "protocol": "sacn", "name": "pult", "priority": 120, "leads": True}
        ]
    finally:
        desk.stop()
    until(control.problems)
    assert control.problems() == ["universe 2 is silent; its last levels hold"]


def test_floods_and_other_bytes(control: DmxControl, show: RecordingShow) -> None:
    chance = random.Random(5)
    valid = bytearray(DataPacket(tuple(range(16)), "pult", 1, tuple(range(200)), sequence=1).getBytes())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as desk:
        for number in range(2000):
            data = bytearray(valid)
            data[chance.randrange(126)] = chance.randrange(256)
            data = data[: chance.randrange(len(data))] if number % 3 else data
            for protocol in ("sacn", "artnet"):
                desk.sendto(data, ("127.0.0.1", port(control, protocol)))
        levels = bytearray(512)
        for number in range(1, 400):
            levels[0] = number % 256
            packet = DataPacket(tuple(range(50, 66)), "pult", 1, tuple(levels), 200, sequence=number % 256)
            desk.sendto(bytes(packet.getBytes()), ("127.0.0.1", port(control, "sacn")))
    until(lambda: sent(show, "/strength/norm")[-1:] == [(399 % 256 / 255,)])
    assert len(sent(show, "/strength/norm")) < 399, "only the newest levels of a round are applied"


def test_button_that_is_down_at_first_is_no_press(control: DmxControl, show: RecordingShow) -> None:
    desk = StupidArtnet("127.0.0.1", 1, 20, port=port(control, "artnet"))
    for level in (255, 0, 255):
        desk.set_single_value(6, level)
        desk.show()
    until(lambda: sent(show, "/panic"))
    desk.set_single_value(1, 9)
    desk.show()
    until(lambda: (9 / 255,) in sent(show, "/strength/norm"))
    assert sent(show, "/panic") == [()]
    desk.close()


def test_taken_port_is_named(control: DmxControl, show: RecordingShow) -> None:
    other = DmxControl(DmxSetup({}), 0, port(control, "sacn"))
    with pytest.raises(BridgeUnavailable, match=rf"sACN port {port(control, 'sacn')} \(UDP, 127.0.0.1\) is in use"):
        other.open(show)
    other.close()


@pytest.mark.skipif(not has_network(), reason="needs a network interface with multicast")
def test_multicast_on_this_machine(show: RecordingShow, monkeypatch: pytest.MonkeyPatch) -> None:
    with playing(show, "0.0.0.0") as control:
        monkeypatch.setattr(sacn.sending.sender_socket_udp, "DEFAULT_PORT", port(control, "sacn"))
        desk = sacn.sACNsender(bind_port=0)
        desk.start()
        try:
            desk.activate_output(2)
            desk[2].multicast, desk[2].ttl = True, 0
            desk[2].dmx_data = (102,)
            until(lambda: (0.4,) in sent(show, "/brightness/norm"))
        finally:
            desk.stop()
