"""`OscControl` over real sockets: python-osc's client and liblo's oscsend and oscdump speak with it."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from osc_surface import LONG, Surface, serving, wait_for
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import build_msg
from pythonosc.udp_client import SimpleUDPClient
from show_control_fake import RecordingDesk

from io_bridges.osc.packets import encode
from io_bridges.osc.server import OscControl
from presets.errors import BridgeUnavailable

needs_oscsend = pytest.mark.skipif(shutil.which("oscsend") is None, reason="oscsend is missing: install liblo-tools")
needs_oscdump = pytest.mark.skipif(shutil.which("oscdump") is None, reason="oscdump is missing: install liblo-tools")


@pytest.fixture
def desk() -> RecordingDesk:
    return RecordingDesk()


@pytest.fixture
def control(desk: RecordingDesk) -> Iterator[OscControl]:
    with serving(OscControl(port=0), desk) as control:
        yield control


@needs_oscsend
@pytest.mark.parametrize(
    ("address", "types", "argument", "expected"),
    [
        ("/strength", "f", "0.25", 0.25),
        ("/strength", "d", "0.1", 0.1),
        ("/strength", "i", "1", 1.0),
        ("/strength", "s", "0.75", 0.75),
        ("/strength", "f", "7", 1.0),
        ("/steps", "f", "2.6", 3),
        ("/steps", "h", "9", 9),
        ("/freeze", "T", None, True),
        ("/brightness", "F", None, 0.0),
        ("/prompt/2/text", "s", "köln, säule", "köln, säule"),
        ("/prompt/2/text", "S", "symbol", "symbol"),
        ("/mode", "s", "text", "text"),
        ("/Strength/", "f", "0.5", 0.5),
    ],
)
def test_oscsend_sets_values(
    control: OscControl, desk: RecordingDesk, address: str, types: str, argument: str | None, expected: object
) -> None:
    command = ["oscsend", "127.0.0.1", str(control.address[1]), address, types]
    subprocess.run(command if argument is None else [*command, argument], check=True, timeout=LONG)
    wait_for(lambda: bool(desk.applied))
    known, _, sender = desk.applied[0]
    assert desk.values()[known] == expected
    assert desk.values()[known] != desk.parameters[known].default
    assert sender.startswith("osc:127.0.0.1:")


def test_python_oscs_client(control: OscControl, desk: RecordingDesk) -> None:
    client = SimpleUDPClient("127.0.0.1", control.address[1])
    client.send_message("/seed", 2**31 - 1)
    client.send_message("/Panic/", [])
    wait_for(lambda: len(desk.applied) == 2)
    assert desk.values()["/seed"] == 2**31 - 1
    assert desk.applied[1][:2] == ("/panic", ())


def test_a_bang_presses_a_button_and_is_no_value(control: OscControl, desk: RecordingDesk) -> None:
    surface = Surface(control)
    surface.send_raw(b"/panic\0\0,I\0\0")
    surface.send_raw(b"/seed\0\0\0,I\0\0")
    wait_for(lambda: len(desk.applied) == 2)
    assert desk.applied[0][1] == ()
    assert desk.values()["/seed"] == desk.parameters["/seed"].default


def test_a_bundle_from_the_future_is_applied_at_once(control: OscControl, desk: RecordingDesk) -> None:
    inner = OscBundleBuilder(time.time() + 86_400)
    inner.add_content(build_msg("/steps", 7))
    outer = OscBundleBuilder(time.time() + 3_600)
    outer.add_content(build_msg("/seed", 5))
    outer.add_content(inner.build())
    Surface(control).send_raw(outer.build().dgram)
    wait_for(lambda: desk.values()["/steps"] == 7)
    assert desk.values()["/seed"] == 5


def test_patterns_set_all_they_match_but_press_no_button(control: OscControl, desk: RecordingDesk) -> None:
    Surface(control).send("/prompt/*/weight", 0.5)
    wait_for(lambda: len(desk.applied) == 4)
    Surface(control).send("/p{anic,revious}", 1)
    Surface(control).send("/seed", 1)
    wait_for(lambda: desk.values()["/seed"] == 1)
    assert [address for address, _, _ in desk.applied[:4]] == [f"/prompt/{place}/weight" for place in (1, 2, 3, 4)]
    assert desk.applied[4][0] == "/seed"
    assert "matches no parameter" in desk.refusals[0][1]


HOSTILE = [
    b"",
    b"\0",
    b"#bundle\0" + b"\0" * 8 + b"\xff\xff\xff\xfc",
    b"/strength\0\0\0,f\0\0",
    b"/\xff\xff\xff\0\0\0\0",
    b"\x80" * 65_507,
    b"/prompt/1/text\0\0,s\0\0" + b"x" * 4,
    encode("/" + "*a" * 120, 1),
    encode("/[", 1),
    encode("/nobody", 1),
    encode("/strength", "loud"),
    b"/seed\0\0\0,[" + b"[" * 60 + b"\0\0\0",
    b"/seed\0\0\0,b\0\0\x7f\xff\xff\xff",
    b"/subscribe\0\0,s\0\0no\0\0",
    b"/subscribe\0\0,i\0\0\0\1\0\0",
    b"/subscribe\0\0,f\0\0\x7f\xc0\0\0",
]


def test_hostile_packets_between_good_ones_cost_no_good_one(control: OscControl, desk: RecordingDesk) -> None:
    surface = Surface(control)
    for number, datagram in enumerate(HOSTILE, 1):
        surface.send_raw(datagram)
        surface.send("/seed", number)
    wait_for(lambda: desk.values()["/seed"] == len(HOSTILE))
    seeds = [arguments[0] for address, arguments, _ in desk.applied if address == "/seed"]
    assert seeds == list(range(1, len(HOSTILE) + 1))
    # All but the unknown address and the value that could not be coerced were refused before the desk could.
    assert len(desk.refusals) == len(HOSTILE) - 2
    assert all(reason for _, reason in desk.refusals)
    assert control.status()["refused"] == len(HOSTILE)


def test_one_datagram_cannot_hold_thousands_of_patterns(control: OscControl, desk: RecordingDesk) -> None:
    bundle = OscBundleBuilder(0)
    for number in range(200):
        bundle.add_content(build_msg(f"/strengt?{'*' * (number + 1)}", number))
    bundle.add_content(build_msg("/steps", 9))
    surface = Surface(control)
    surface.send_raw(bundle.build().dgram)
    wait_for(lambda: bool(desk.refusals))
    assert "more than 64 messages that are no plain value" in desk.refusals[-1][1]
    assert len(desk.applied) == 64 + 1
    assert desk.values()["/steps"] == 9, "plain values all count"


def test_a_question_mark_polls_a_value(control: OscControl, desk: RecordingDesk) -> None:
    stranger = Surface(control)
    stranger.send("/strength", "?")
    stranger.hear("/strength", pytest.approx(0.6))
    stranger.send("/prompt/[12]/text", "?")
    stranger.hear("/prompt/1/text", "neon tunnel")
    stranger.hear("/prompt/2/text", "")
    assert desk.applied == []
    stranger.send("/prompt", "?")
    wait_for(lambda: bool(desk.refusals))
    assert desk.applied == [], "a question is no prompt"


def test_a_port_in_use_is_named(control: OscControl, desk: RecordingDesk) -> None:
    second = OscControl(port=control.address[1])
    with pytest.raises(BridgeUnavailable, match=rf"{control.address[1]}.*in use.*--osc"):
        second.open(desk)
    second.close()


def test_hosts_and_ports_that_cannot_be(desk: RecordingDesk) -> None:
    for control in (
        OscControl("no-such-host.invalid", 0),
        OscControl("192.0.2.1", 0),
        OscControl(port=70_000),
        OscControl(port=0, feedback=[("127.0.0.1", 0)]),
    ):
        with pytest.raises(BridgeUnavailable):
            control.open(desk)
        control.close()


def test_feedback_to_itself_is_refused(desk: RecordingDesk) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    control = OscControl(port=port, feedback=[("localhost", port)])
    with pytest.raises(BridgeUnavailable, match="our own"):
        control.open(desk)
    control.close()
    with serving(OscControl(port=port), desk) as again:  # the port was given back
        assert again.address[1] == port


def test_it_opens_again_after_it_was_closed(desk: RecordingDesk) -> None:
    control = OscControl(port=0)
    for seed in (1, 2):
        with serving(control, desk):
            Surface(control).send("/seed", seed)
            wait_for(lambda: desk.values()["/seed"] == seed)  # noqa: B023
        control.close()
    assert desk.subscriptions == []
