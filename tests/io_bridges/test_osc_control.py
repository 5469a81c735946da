"""`OscControl` over real sockets, with the clients of python-osc and liblo."""

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
from show_control_fake import RecordingShow

from io_bridges.osc.packets import Impulse, encode_message
from io_bridges.osc.server import OscControl
from presets.errors import BridgeUnavailable

needs_oscsend = pytest.mark.skipif(shutil.which("oscsend") is None, reason="oscsend is missing: install liblo-tools")
needs_oscdump = pytest.mark.skipif(shutil.which("oscdump") is None, reason="oscdump is missing: install liblo-tools")


@pytest.fixture
def show() -> RecordingShow:
    return RecordingShow()


@pytest.fixture
def control(show: RecordingShow) -> Iterator[OscControl]:
    with serving(OscControl(port=0), show) as control:
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
    control: OscControl, show: RecordingShow, address: str, types: str, argument: str | None, expected: object
) -> None:
    command = ["oscsend", "127.0.0.1", str(control.address[1]), address, types]
    subprocess.run(command if argument is None else [*command, argument], check=True, timeout=LONG)
    wait_for(lambda: bool(show.applied))
    known, _, sender = show.applied[0]
    assert show.values()[known] == expected
    assert show.values()[known] != show.parameters[known].default
    assert sender.startswith("osc:127.0.0.1:")


def test_python_osc_client(control: OscControl, show: RecordingShow) -> None:
    client = SimpleUDPClient("127.0.0.1", control.address[1])
    client.send_message("/seed", 2**31 - 1)
    client.send_message("/Panic/", [])
    wait_for(lambda: len(show.applied) == 2)
    assert show.values()["/seed"] == 2**31 - 1
    assert show.applied[1][:2] == ("/panic", ())


def test_bang_reaches_the_show(control: OscControl, show: RecordingShow) -> None:
    surface = Surface(control)
    surface.send_raw(b"/panic\0\0,I\0\0")
    surface.send_raw(b"/seed\0\0\0,I\0\0")
    wait_for(lambda: len(show.applied) == 2)
    assert show.applied[0][1] == (Impulse.IMPULSE,)
    assert show.values()["/seed"] == show.parameters["/seed"].default


def test_future_timetag_is_ignored(control: OscControl, show: RecordingShow) -> None:
    inner = OscBundleBuilder(time.time() + 86_400)
    inner.add_content(build_msg("/steps", 7))
    outer = OscBundleBuilder(time.time() + 3_600)
    outer.add_content(build_msg("/seed", 5))
    outer.add_content(inner.build())
    Surface(control).send_raw(outer.build().dgram)
    wait_for(lambda: show.values()["/steps"] == 7)
    assert show.values()["/seed"] == 5


def test_patterns_set_values_only(control: OscControl, show: RecordingShow) -> None:
    Surface(control).send("/prompt/*/weight", 0.5)
    wait_for(lambda: len(show.applied) == 4)
    Surface(control).send("/p{anic,revious}", 1)
    Surface(control).send("/seed", 1)
    wait_for(lambda: show.values()["/seed"] == 1)
    assert [address for address, _, _ in show.applied[:4]] == [f"/prompt/{place}/weight" for place in (1, 2, 3, 4)]
    assert show.applied[4][0] == "/seed"
    assert "matches no parameter" in show.refusals[0][1]


def test_good_fader_beside_bad_messages(control: OscControl, show: RecordingShow) -> None:
    good, bad = encode_message("/strength", 0.25), b"/freeze\0,Q\0\0"
    elements = [good, bad, b"seed\0\0\0\0,i\0\0\0\0\0\1", encode_message("/steps", 9)]
    bundle = b"#bundle\0" + b"\0" * 8 + b"".join(len(each).to_bytes(4, "big") + each for each in elements)
    surface = Surface(control)
    surface.send_raw(bundle + b"\xff\xff\xff\xfc")
    wait_for(lambda: len(show.refusals) == 3)
    assert show.values()["/strength"] == 0.25
    assert show.values()["/steps"] == 9
    status = control.status()
    assert (status["messages"], status["accepted"], status["malformed"], status["refused"]) == (2, 2, 3, 3)
    assert show.refusals[0][1] == "/freeze: malformed OSC: unknown type tag 'Q'"
    seen = [(message["address"], message["taken"]) for message in control.monitor.messages()]
    assert seen == [("/strength", True), ("/steps", True), ("/freeze", False), ("", False), ("", False)]


HOSTILE = [
    b"",
    b"\0",
    b"#bundle\0" + b"\0" * 8 + b"\xff\xff\xff\xfc",
    b"/strength\0\0\0,f\0\0",
    b"/\xff\xff\xff\0\0\0\0",
    b"\x80" * 65_507,
    b"/prompt/1/text\0\0,s\0\0" + b"x" * 4,
    encode_message("/" + "*a" * 120, 1),
    encode_message("/[", 1),
    encode_message("/nobody", 1),
    encode_message("/strength", "loud"),
    b"/seed\0\0\0,[" + b"[" * 60 + b"\0\0\0",
    b"/seed\0\0\0,b\0\0\x7f\xff\xff\xff",
    b"/subscribe\0\0,s\0\0no\0\0",
    b"/subscribe\0\0,i\0\0\0\1\0\0",
    b"/subscribe\0\0,f\0\0\x7f\xc0\0\0",
]


def test_hostile_packets_between_good_ones(control: OscControl, show: RecordingShow) -> None:
    surface = Surface(control)
    for number, datagram in enumerate(HOSTILE, 1):
        surface.send_raw(datagram)
        surface.send("/seed", number)
    wait_for(lambda: show.values()["/seed"] == len(HOSTILE))
    seeds = [arguments[0] for address, arguments, _ in show.applied if address == "/seed"]
    assert seeds == list(range(1, len(HOSTILE) + 1))
    # The show itself refuses two unknown addresses and the value that cannot be coerced.
    assert len(show.refusals) == len(HOSTILE) - 3
    assert all(reason for _, reason in show.refusals)
    assert control.status()["refused"] == len(HOSTILE)


def test_patterns_per_datagram_are_bounded(control: OscControl, show: RecordingShow) -> None:
    bundle = OscBundleBuilder(0)
    for number in range(200):
        bundle.add_content(build_msg(f"/strengt?{'*' * (number + 1)}", number))
    bundle.add_content(build_msg("/steps", 9))
    surface = Surface(control)
    surface.send_raw(bundle.build().dgram)
    wait_for(lambda: bool(show.refusals))
    assert "more than 64 messages without a plain number" in show.refusals[-1][1]
    assert len(show.applied) == 64 + 1
    assert show.values()["/steps"] == 9, "plain numbers are not limited"


def test_question_mark_polls_a_value(control: OscControl, show: RecordingShow) -> None:
    stranger = Surface(control)
    stranger.send("/strength", "?")
    stranger.wait_for("/strength", pytest.approx(0.9))
    stranger.send("/prompt/[12]/text", "?")
    stranger.wait_for("/prompt/1/text", "neon tunnel")
    stranger.wait_for("/prompt/2/text", "")
    assert show.applied == []
    stranger.send("/prompt", "?")
    wait_for(lambda: bool(show.refusals))
    assert show.applied == [], "a poll is not a prompt"


def test_address_without_argument_polls_it(control: OscControl, show: RecordingShow) -> None:
    stranger = Surface(control)
    stranger.send("/strength")
    stranger.wait_for("/strength", pytest.approx(0.9))
    stranger.send("/prompt/*/weight")
    stranger.wait_for("/prompt/3/weight", 1.0)
    assert show.applied == []
    stranger.send("/freeze")  # a switch
    stranger.send("/panic")  # an action
    wait_for(lambda: len(show.applied) == 2)


def test_port_in_use_is_named(control: OscControl, show: RecordingShow) -> None:
    second = OscControl(port=control.address[1])
    with pytest.raises(BridgeUnavailable, match=rf"{control.address[1]}.*in use.*--osc"):
        second.open(show)
    second.close()


def test_invalid_hosts_and_ports(show: RecordingShow) -> None:
    for control in (
        OscControl("no-such-host.invalid", 0),
        OscControl("192.0.2.1", 0),
        OscControl(port=70_000),
        OscControl(port=0, feedback=[("127.0.0.1", 0)]),
    ):
        with pytest.raises(BridgeUnavailable):
            control.open(show)
        control.close()


def test_feedback_to_itself_is_refused(show: RecordingShow) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    control = OscControl(port=port, feedback=[("localhost", port)])
    with pytest.raises(BridgeUnavailable, match="this show listens on"):
        control.open(show)
    control.close()
    with serving(OscControl(port=port), show) as again:  # The port was released.
        assert again.address[1] == port


def test_reopens_after_close(show: RecordingShow) -> None:
    control = OscControl(port=0)
    for seed in (1, 2):
        with serving(control, show):
            Surface(control).send("/seed", seed)
            wait_for(lambda: show.values()["/seed"] == seed)  # noqa: B023
        control.close()
    assert show.subscriptions == []
