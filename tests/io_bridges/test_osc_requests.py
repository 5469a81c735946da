"""Requests of surfaces to OSC control itself, over real sockets: pings, shares of ranges, and notes told once."""

import socket
import sys
import time
from collections.abc import Iterator

import pytest
from osc_surface import Surface, serving, wait_for
from show_control_fake import RecordingShow

from daemon.stage.parameter_store import ParameterStore
from io_bridges.osc import feedback_target, server
from io_bridges.osc.norm_values import norm_value
from io_bridges.osc.packets import Message, decode_packet, encode_message
from io_bridges.osc.sender_notes import NOTE, REFUSED, SenderNotes
from io_bridges.osc.server import FEEDBACK_INTERVAL, OscControl
from io_bridges.osc.surfaces import MAX_SUBSCRIBERS, Surfaces, UdpAddress
from presets.library import Library
from presets.parameter_table import PARAMETERS, Value

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@pytest.fixture
def show() -> RecordingShow:
    return RecordingShow()


@pytest.fixture
def control(show: RecordingShow) -> Iterator[OscControl]:
    with serving(OscControl(port=0), show) as control:
        yield control


def test_ping_is_answered_and_not_counted(control: OscControl, show: RecordingShow) -> None:
    surface = Surface(control)
    surface.send("/ping", 7, "now", 0.5)
    assert decode_packet(surface.socket.recv(65_535)) == [Message("/pong", [7, "now", 0.5])]
    surface.send("/Ping/")
    assert decode_packet(surface.socket.recv(65_535)) == [Message("/pong", [])]
    surface.send("/pong")  # by another show: no answer, and so no end of answers
    surface.send("/seed", 5)
    wait_for(lambda: show.values()["/seed"] == 5)
    status = control.status()
    assert (status["datagrams"], status["messages"], status["refused"]) == (2, 2, 0)
    assert [message["address"] for message in control.monitor.messages()] == ["/pong", "/seed"]


def test_ping_beside_others_in_a_bundle(control: OscControl, show: RecordingShow) -> None:
    elements = [encode_message("/ping"), encode_message("/seed", 3), encode_message("/ping", 1)]
    bundle = b"#bundle\0" + b"\0" * 8 + b"".join(len(each).to_bytes(4, "big") + each for each in elements)
    surface = Surface(control)
    surface.send_raw(bundle)
    heard = [decode_packet(surface.socket.recv(65_535)) for _ in range(2)]
    assert heard == [[Message("/pong", [])], [Message("/pong", [1])]]
    wait_for(lambda: show.values()["/seed"] == 3)
    assert control.status()["messages"] == 1


def test_norm_is_the_way_back() -> None:
    """A value that is set by its share of the range has that share."""
    store = ParameterStore(Library(None))
    for address, parameter in PARAMETERS.items():
        if parameter.kind == "text":
            continue
        for share in (0.0, 0.25, 1.0):
            reply = store.apply(f"{address}/norm", [share], "test")
            assert reply.accepted, reply
            assert reply.value is not None
            back = norm_value(parameter, reply.value)
            assert store.apply(f"{address}/norm", [back], "test").value == pytest.approx(reply.value), address
            if share in (0.0, 1.0):
                assert back == share, address


def test_norm_is_polled(control: OscControl, show: RecordingShow) -> None:
    surface = Surface(control)
    show.apply("/zoom", [3.25], "web:1")
    surface.send("/zoom/norm", "?")
    surface.wait_for("/zoom/norm", 0.25)
    surface.send("/zoom/norm")
    surface.wait_for("/zoom/norm", 0.25)
    show.apply("/freeze", [True], "web:1")
    surface.send("/freeze/norm")
    surface.wait_for("/freeze/norm", 1.0)
    surface.send("/zoom/add", "?")
    wait_for(lambda: bool(show.refusals))
    assert show.refusals[0][1] == "/zoom/add has no value to poll"


@pytest.mark.parametrize("form", [("/subscribe", "norm"), ("/subscribe", None, "norm"), ("/subscribe/norm", None)])
def test_feedback_from_0_to_1(control: OscControl, show: RecordingShow, form: tuple[str | None, ...]) -> None:
    surface = Surface(control)
    address, *arguments = form
    surface.send(str(address), *(surface.port if each is None else each for each in arguments))
    surface.wait_for("/accelerator/norm", 0.0)
    assert {message.address for message in surface.received} >= {"/zoom/norm", "/prompt/1/text", "/fit/norm"}
    show.apply("/zoom", [5.5], "web:1")
    surface.wait_for("/zoom/norm", 0.5)
    assert not surface.values_of("/zoom")
    surface.send("/subscribe")  # plain values again
    surface.wait_for("/zoom", 5.5)


def test_note_is_told_once_to_a_stranger(show: RecordingShow) -> None:
    with serving(OscControl(port=0), show) as control:
        stranger = Surface(control)
        for _ in range(50):
            stranger.send("/strength", "7")  # a text is never coalesced
        stranger.send("/brightness", "9")
        stranger.send("/strenght", 1)
        stranger.send("/strength", "loud")
        stranger.wait_for(REFUSED, "/strength: a number is expected, not 'loud'")
        assert stranger.values_of(NOTE) == ["/strength: taken as 1.0", "/brightness: taken as 1.0"]
        assert stranger.values_of(REFUSED) == ["/strenght: There is no /strenght.", *stranger.values_of(REFUSED)[1:]]


def test_notes_are_repeated_after_a_while() -> None:
    now, sent = [100.0], list[tuple[str, Value, UdpAddress]]()
    notes = SenderNotes(
        Surfaces(RecordingShow(), lambda: None),
        lambda address, values, to: sent.append((address, values[0], to)),
        lambda: now[0],
    )
    sender = ("127.0.0.1", 5000)
    for step in range(60):  # 12 seconds of a fader at its limit
        notes.tell(sender, NOTE, "/zoom", "the maximum is 10")
        now[0] = 100.0 + 0.2 * step
    assert len(sent) == 3
    notes.tell(sender, NOTE, "/zoom", "the minimum is 1")
    notes.tell(("127.0.0.1", 5001), NOTE, "/zoom", "the minimum is 1")
    assert [text for _, text, _ in sent[3:]] == ["the minimum is 1", "the minimum is 1"]
    for place in range(5000):
        notes.tell(sender, REFUSED, f"/{place}", "no")
    assert len(notes._told) == 1024


def test_notes_to_strangers_are_bounded(control: OscControl, show: RecordingShow) -> None:
    stranger = Surface(control)
    for number in range(300):
        stranger.send(f"/unknown/{number}", 1)
    wait_for(lambda: len(show.applied) == 300)
    status = control.status()
    assert int(str(status["unanswered"])) > 150
    assert int(str(status["sent"])) + int(str(status["unanswered"])) == 300


def test_several_notes_reach_a_subscriber(control: OscControl, show: RecordingShow) -> None:
    """Those of one bundle do not replace each other."""
    surface = Surface(control)
    surface.send("/subscribe")
    surface.wait_for("/accelerator", "auto")
    faders = [encode_message(address, 99.0) for address in ("/strength", "/brightness", "/zoom")]
    surface.send_raw(b"#bundle\0" + b"\0" * 8 + b"".join(len(each).to_bytes(4, "big") + each for each in faders))
    surface.wait_for(NOTE, "/zoom: taken as 10.0")
    assert surface.values_of(NOTE) == ["/strength: taken as 1.0", "/brightness: taken as 1.0", "/zoom: taken as 10.0"]


def test_200_subscribers(control: OscControl, show: RecordingShow) -> None:
    """Places go from those that never sent a message to newer ones, and a fader keeps its own."""
    player = Surface(control)
    player.send("/subscribe")
    player.send("/seed", 1)
    wait_for(lambda: show.values()["/seed"] == 1)
    crowd = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(200)]
    for each in crowd:
        each.sendto(encode_message("/subscribe"), control.address)
    wait_for(lambda: control.status()["messages"] == 202)
    assert control.status()["targets"] == len(show.subscriptions) == MAX_SUBSCRIBERS
    show.apply("/steps", [9], "web:1")
    player.wait_for("/steps", 9)
    for each in crowd:
        each.close()


@linux_only
def test_closed_ports_lose_their_feedback(
    control: OscControl, show: RecordingShow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback_target, "UNREACHABLE_FOR", 0.2)
    monkeypatch.setattr(server, "STATUS_INTERVAL", 0.05)
    kept, gone = Surface(control), Surface(control)
    for surface in (kept, gone):
        surface.send("/subscribe")
        surface.wait_for("/accelerator", "auto")
    gone.socket.close()
    wait_for(lambda: control.status()["gone"] == 1)
    assert control.status()["targets"] == 1
    assert f"port {gone.port} is closed" in show.refusals[-1][1]
    show.apply("/seed", [4], "web:1")
    kept.wait_for("/seed", 4)


@linux_only
def test_configured_target_may_start_later(show: RecordingShow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback_target, "UNREACHABLE_FOR", 0.0)
    listener = Surface()
    listener.socket.close()
    with serving(OscControl(port=0, feedback=[("127.0.0.1", listener.port)]), show) as control:
        wait_for(lambda: int(str(control.status()["sent"])) > 50)
        time.sleep(3 * FEEDBACK_INTERVAL)
        assert control.status()["targets"] == 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as later:
            later.bind(("127.0.0.1", listener.port))
            show.apply("/seed", [6], "web:1")
            later.settimeout(20)
            while decode_packet(later.recv(65_535)) != [Message("/seed", [6])]:
                pass


@linux_only
def test_lost_datagrams_are_counted(show: RecordingShow) -> None:
    """The system drops what does not fit into the buffer of a control that does not read."""
    control = OscControl(port=0)
    control.open(show)
    try:
        assert control.status()["lost"] == 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sent = 0
            while not control.status()["lost"]:
                for _ in range(500):
                    sender.sendto(b"\0" * 30_000, control.address)
                sent += 500
                assert sent < 100_000
        waiting = 0
        bound = control._udp.sockets[0]  # type: ignore[union-attr]
        while control._udp.receive(bound) is not None:  # type: ignore[union-attr]
            waiting += 1
        assert waiting + int(str(control.status()["lost"])) == sent
    finally:
        control.close()
    assert control.status()["lost"] == sent - waiting
