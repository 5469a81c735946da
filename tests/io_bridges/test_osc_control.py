"""`OscControl` over real sockets: python-osc's client and liblo's oscsend and oscdump speak with it."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from desk_fake import RecordingDesk
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import build_msg
from pythonosc.udp_client import SimpleUDPClient

from io_bridges.osc.packets import Message, encode, walk
from io_bridges.osc.server import FEEDBACK_INTERVAL, OscControl
from presets.errors import BridgeUnavailable

LONG = 20.0
"""Seconds after which something that is waited for counts as not happening."""
needs_oscsend = pytest.mark.skipif(shutil.which("oscsend") is None, reason="oscsend is missing: install liblo-tools")
needs_oscdump = pytest.mark.skipif(shutil.which("oscdump") is None, reason="oscdump is missing: install liblo-tools")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


@contextmanager
def serving(control: OscControl, desk: RecordingDesk) -> Iterator[OscControl]:
    control.open(desk)
    thread = threading.Thread(target=control.serve)
    thread.start()
    try:
        yield control
        assert thread.is_alive(), "a message ended the control"
    finally:
        control.stop()
        thread.join(LONG)
        control.close()
    assert not thread.is_alive()


class Surface:
    """A UDP socket that sends to the control and listens on the same port."""

    def __init__(self, control: OscControl | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(LONG)
        self.port = self.socket.getsockname()[1]
        self.control = control
        self.heard: list[Message] = []

    def send(self, address: str, *arguments: object) -> None:
        self.send_raw(build_msg(address, list(arguments)).dgram)

    def send_raw(self, datagram: bytes) -> None:
        assert self.control is not None
        self.socket.sendto(datagram, self.control.address)

    def hear(self, address: str, value: object) -> None:
        """Wait until this value comes; what else comes is kept in `heard`."""
        while True:
            self.heard += walk(self.socket.recv(65535))
            if self.heard[-1] == Message(address, [value]):
                return

    def hears_of(self, address: str) -> list[object]:
        return [message.arguments[0] for message in self.heard if message.address == address]


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
        bundle.add_content(build_msg(f"/see?{'*' * (number + 1)}", number))
    bundle.add_content(build_msg("/steps", 9))
    surface = Surface(control)
    surface.send_raw(bundle.build().dgram)
    wait_for(lambda: bool(desk.refusals))
    assert "more than 64 messages that are no plain value" in desk.refusals[-1][1]
    assert len(desk.applied) == 64 + 1
    assert desk.values()["/steps"] == 9, "plain values all count"


def test_feedback_tells_every_value_at_first_and_then_the_changes_of_others(desk: RecordingDesk) -> None:
    listener = Surface()
    with serving(OscControl(port=0, feedback=[("127.0.0.1", listener.port)]), desk):
        wait_for_all = set(desk.parameters)
        while wait_for_all:
            (message,) = walk(listener.socket.recv(65535))
            wait_for_all.discard(message.address)
        desk.apply("/strength", [0.25], "web:1")
        listener.hear("/strength", 0.25)
        desk.apply("/freeze", [True], "web:1")
        listener.hear("/freeze", 1)
        desk.apply("/prompt/1/text", ["ice"], "web:1")
        listener.hear("/prompt/1/text", "ice")


def test_feedback_is_coalesced(control: OscControl, desk: RecordingDesk) -> None:
    surface = Surface(control)
    surface.send("/subscribe")
    surface.hear("/accelerator", "auto")
    surface.heard.clear()
    began = time.monotonic()
    for seed in range(1, 301):
        desk.apply("/seed", [seed], "web:1")
        time.sleep(0.001)
    surface.hear("/seed", 300)
    assert len(surface.hears_of("/seed")) <= (time.monotonic() - began) / FEEDBACK_INTERVAL + 2


def test_a_surface_that_sends_from_another_port_than_it_listens_on_is_not_echoed(desk: RecordingDesk) -> None:
    # TouchOSC: sends from a random port, listens on a fixed one.
    listener = Surface()
    with serving(OscControl(port=0, feedback=[("127.0.0.1", listener.port)]), desk) as control:
        Surface(control).send("/seed", 11)
        wait_for(lambda: desk.values()["/seed"] == 11)
        desk.apply("/steps", [9], "web:1")
        listener.hear("/steps", 9)
        desk.apply("/steps", [8], "web:1")
        listener.hear("/steps", 8)
        # The first feedback tells every value, and may have been sent before or after the seed was set.
        assert listener.hears_of("/seed") in ([0], [11])


def test_two_subscribers_on_one_machine_hear_each_other_and_never_themselves(
    control: OscControl, desk: RecordingDesk
) -> None:
    first, second = Surface(control), Surface(control)
    first.send("/subscribe")
    first.hear("/accelerator", "auto")
    second.send("/subscribe", second.port)
    second.hear("/accelerator", "auto")
    first.heard.clear()
    first.send("/seed", 21)
    second.hear("/seed", 21)
    second.send("/seed", 22)
    first.hear("/seed", 22)
    desk.apply("/seed", [23], "web:1")
    first.hear("/seed", 23)
    second.hear("/seed", 23)
    assert 21 not in first.hears_of("/seed")
    assert 22 not in second.hears_of("/seed")


def test_subscribing_for_another_port_and_leaving(control: OscControl, desk: RecordingDesk) -> None:
    sender, listener = Surface(control), Surface()
    sender.send("/subscribe", listener.port)
    listener.hear("/accelerator", "auto")
    assert control.status()["targets"] == 1
    sender.send("/seed", 3)
    desk.apply("/steps", [2], "web:1")
    listener.hear("/steps", 2)
    assert 3 not in listener.hears_of("/seed")
    sender.send("/unsubscribe")
    wait_for(lambda: control.status()["targets"] == 0)
    assert desk.subscriptions == []


def test_subscriptions_are_bounded_in_number_and_in_time(desk: RecordingDesk) -> None:
    with serving(OscControl(port=0, lease=2.0), desk) as control:
        surfaces = [Surface(control) for _ in range(20)]
        for surface in surfaces:
            surface.send("/subscribe")
        wait_for(lambda: bool(desk.refusals))
        assert control.status()["targets"] == 16
        assert len(desk.subscriptions) == 16
        assert "16 surfaces" in desk.refusals[0][1]
        wait_for(lambda: control.status()["targets"] == 0)
        assert desk.subscriptions == []


def test_a_refusal_is_told_to_a_subscriber(control: OscControl) -> None:
    surface = Surface(control)
    surface.send("/subscribe")
    surface.send("/strenght", 1)
    surface.hear("/streamflow/refused", "/strenght: no parameter is called /strenght")
    surface.send("/strength", "loud")
    surface.hear("/streamflow/refused", "/strength: a number is expected, 'loud' came")


def test_two_shows_that_feed_each_other_fall_silent(desk: RecordingDesk) -> None:
    other_desk = RecordingDesk()
    first, second = OscControl(port=0), OscControl(port=0)
    with serving(first, desk), serving(second, other_desk):
        surfaces = Surface(first), Surface(second)
        surfaces[0].send("/subscribe", second.address[1])
        surfaces[1].send("/subscribe", first.address[1])
        wait_for(lambda: first.status()["targets"] == second.status()["targets"] == 1)
        surfaces[0].send("/no/such/address")
        wait_for(lambda: second.status()["messages"] > len(desk.parameters) + 1)  # the refusal has come there
        time.sleep(6 * FEEDBACK_INTERVAL)
        assert first.status()["refused"] == 1
        assert second.status()["refused"] == 0


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


def test_fps_and_latency_are_told(control: OscControl, desk: RecordingDesk) -> None:
    surface = Surface(control)
    surface.send("/subscribe")
    surface.hear("/streamflow/fps", 24.5)
    surface.hear("/streamflow/latency", 83.0)
    desk.state.update(fps=float("nan"), latency_ms=None)
    desk.state["fps"] = 30.0
    surface.hear("/streamflow/fps", 30.0)


def test_a_flood_starves_neither_feedback_nor_stop(desk: RecordingDesk) -> None:
    listener = Surface()
    control = OscControl(port=0, feedback=[("127.0.0.1", listener.port)])
    control.open(desk)
    serving = threading.Thread(target=control.serve)
    over = threading.Event()

    def flood() -> None:
        surface, datagram = Surface(control), encode("/guidance", 2.0)
        while not over.is_set():
            surface.send_raw(datagram)

    flooding = threading.Thread(target=flood)
    serving.start()
    flooding.start()
    try:
        wait_for(lambda: len(desk.applied) > 1000)
        for seed in range(100, 105):
            desk.apply("/seed", [seed], "web:1")
            listener.hear("/seed", seed)
        control.stop()
        serving.join(LONG)
        assert not serving.is_alive()
        assert flooding.is_alive()
    finally:
        over.set()
        control.stop()
        flooding.join()
        serving.join(LONG)
        control.close()


@needs_oscdump
def test_oscdump_receives_feedback(desk: RecordingDesk) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    dump = subprocess.Popen(["oscdump", "-L", str(port)], stdout=subprocess.PIPE, text=True)
    stop_telling = threading.Event()
    with serving(OscControl(port=0, feedback=[("127.0.0.1", port)]), desk):

        def tell() -> None:  # oscdump may not listen yet
            step = 0
            while not stop_telling.wait(0.05):
                step += 1
                desk.apply("/steps", [step % 50 + 1], "web:1")
                desk.apply("/strength", [(step % 4) / 4], "web:1")
                desk.apply("/prompt/3/text", [f"word {step}"], "web:1")

        teller = threading.Thread(target=tell)
        teller.start()
        assert dump.stdout is not None
        seen: set[str] = set()
        try:
            for line in dump.stdout:
                words = line.split(" ", 3)[1:]
                seen.update(kind for kind in ("/steps i", "/strength f", "/prompt/3/text s") if kind in " ".join(words))
                if len(seen) == 3:
                    break
        finally:
            stop_telling.set()
            teller.join()
            dump.kill()
            dump.wait()
    assert len(seen) == 3


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
