"""OSC feedback: every value at first, then the changes of others; coalesced, leased, never an echo."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from osc_surface import LONG, Surface, serving, wait_for
from show_control_fake import RecordingShow

from io_bridges.osc import server
from io_bridges.osc.packets import decode_packet, encode_message
from io_bridges.osc.server import FEEDBACK_INTERVAL, OscControl
from io_bridges.osc.udp_socket import bind_loopback6

needs_oscsend = pytest.mark.skipif(shutil.which("oscsend") is None, reason="oscsend is missing: install liblo-tools")
needs_oscdump = pytest.mark.skipif(shutil.which("oscdump") is None, reason="oscdump is missing: install liblo-tools")
HAS_IPV6 = bool(bind_loopback6("127.0.0.1", 0))


@pytest.fixture
def show() -> RecordingShow:
    return RecordingShow()


@pytest.fixture
def control(show: RecordingShow) -> Iterator[OscControl]:
    with serving(OscControl(port=0), show) as control:
        yield control


def test_feedback_starts_with_all_values(show: RecordingShow) -> None:
    listener = Surface()
    with serving(OscControl(port=0, feedback=[("127.0.0.1", listener.port)]), show):
        wait_for_all = set(show.parameters)
        while wait_for_all:
            (message,) = decode_packet(listener.socket.recv(65535))
            wait_for_all.discard(message.address)
        show.apply("/strength", [0.25], "web:1")
        listener.wait_for("/strength", 0.25)
        show.apply("/freeze", [True], "web:1")
        listener.wait_for("/freeze", 1)
        show.apply("/prompt/1/text", ["ice"], "web:1")
        listener.wait_for("/prompt/1/text", "ice")


def test_feedback_is_coalesced(control: OscControl, show: RecordingShow) -> None:
    surface = Surface(control)
    surface.send("/subscribe")
    surface.wait_for("/accelerator", "auto")
    surface.received.clear()
    began = time.monotonic()
    for seed in range(1, 301):
        show.apply("/seed", [seed], "web:1")
        time.sleep(0.001)
    surface.wait_for("/seed", 300)
    assert len(surface.values_of("/seed")) <= (time.monotonic() - began) / FEEDBACK_INTERVAL + 2


def test_no_echo_from_another_port(show: RecordingShow) -> None:
    # TouchOSC sends from a random port and listens on a fixed one.
    listener = Surface()
    with serving(OscControl(port=0, feedback=[("127.0.0.1", listener.port)]), show) as control:
        Surface(control).send("/seed", 11)
        wait_for(lambda: show.values()["/seed"] == 11)
        show.apply("/steps", [9], "web:1")
        listener.wait_for("/steps", 9)
        show.apply("/steps", [8], "web:1")
        listener.wait_for("/steps", 8)
        # The first feedback sends every value, before or after the seed is set.
        assert listener.values_of("/seed") in ([0], [11])


def test_two_subscribers_on_one_host(control: OscControl, show: RecordingShow) -> None:
    first, second = Surface(control), Surface(control)
    first.send("/subscribe")
    first.wait_for("/accelerator", "auto")
    second.send("/subscribe", second.port)
    second.wait_for("/accelerator", "auto")
    first.received.clear()
    first.send("/seed", 21)
    second.wait_for("/seed", 21)
    second.send("/seed", 22)
    first.wait_for("/seed", 22)
    show.apply("/seed", [23], "web:1")
    first.wait_for("/seed", 23)
    second.wait_for("/seed", 23)
    assert 21 not in first.values_of("/seed")
    assert 22 not in second.values_of("/seed")


def test_subscribe_for_another_port(control: OscControl, show: RecordingShow) -> None:
    sender, listener = Surface(control), Surface()
    sender.send("/subscribe", listener.port)
    listener.wait_for("/accelerator", "auto")
    assert control.status()["targets"] == 1
    sender.send("/seed", 3)
    show.apply("/steps", [2], "web:1")
    listener.wait_for("/steps", 2)
    assert 3 not in listener.values_of("/seed")
    sender.send("/unsubscribe")
    wait_for(lambda: control.status()["targets"] == 0)
    assert show.subscriptions == []


def test_stranger_is_answered_beside_a_subscriber(control: OscControl, show: RecordingShow) -> None:
    subscriber, stranger = Surface(control), Surface(control)
    subscriber.send("/subscribe")
    subscriber.wait_for("/accelerator", "auto")
    stranger.send("/strength", "?")
    stranger.wait_for("/strength", pytest.approx(0.9))
    subscriber.send("/strength", "?")
    subscriber.send("/steps", 9)
    stranger.send("/steps", "?")
    stranger.wait_for("/steps", 9)
    assert len(stranger.values_of("/strength")) == 1, "the subscriber's answer is its own"


def test_subscriptions_are_bounded(show: RecordingShow) -> None:
    with serving(OscControl(port=0), show) as control:
        surfaces = [Surface(control) for _ in range(18)]
        for number, surface in enumerate(surfaces):
            surface.send("/subscribe")
            wait_for(lambda number=number: control.status()["targets"] == min(number + 1, 16))
            if number == 15:  # the first is no longer the most silent one
                surfaces[0].send("/seed", 5)
                wait_for(lambda: show.values()["/seed"] == 5)
        wait_for(lambda: len(show.refusals) == 2)
        assert control.status()["targets"] == 16
        assert len(show.subscriptions) == 16
        for gone, (sender, sentence) in zip(surfaces[1:3], show.refusals, strict=True):
            assert sender.endswith(f":{gone.port}")
            assert "the most silent of 16 surfaces" in sentence
        surfaces[-1].wait_for("/accelerator", "auto")


def test_subscription_expires(show: RecordingShow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STATUS_INTERVAL", 0.1)  # Expired subscriptions are removed as often.
    with serving(OscControl(port=0, lease=0.3), show) as control:
        surface = Surface(control)
        surface.send("/subscribe")
        surface.wait_for("/accelerator", "auto")
        wait_for(lambda: control.status()["targets"] == 0)
        assert show.subscriptions == []


def test_subscriber_gets_refusals(control: OscControl) -> None:
    surface = Surface(control)
    surface.send("/subscribe")
    surface.send("/strenght", 1)
    surface.wait_for("/streamflow/refused", "/strenght: There is no /strenght.")
    surface.send("/strength", "loud")
    surface.wait_for("/streamflow/refused", "/strength: a number is expected, not 'loud'")


def test_two_shows_do_not_echo_refusals(show: RecordingShow) -> None:
    other_desk = RecordingShow()
    first, second = OscControl(port=0), OscControl(port=0)
    with serving(first, show), serving(second, other_desk):
        surfaces = Surface(first), Surface(second)
        surfaces[0].send("/subscribe", second.address[1])
        surfaces[1].send("/subscribe", first.address[1])
        wait_for(lambda: first.status()["targets"] == second.status()["targets"] == 1)
        surfaces[0].send("/no/such/address")
        wait_for(lambda: second.status()["messages"] > len(show.parameters) + 1)  # The refusal has arrived.
        time.sleep(6 * FEEDBACK_INTERVAL)
        assert first.status()["refused"] == 1
        assert second.status()["refused"] == 0


def test_fps_and_latency_are_sent(control: OscControl, show: RecordingShow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STATUS_INTERVAL", 0.1)
    surface = Surface(control)
    surface.send("/subscribe")
    surface.wait_for("/streamflow/fps", 24.5)
    surface.wait_for("/streamflow/latency", 83.0)
    show.state.update(fps=float("nan"), latency_ms=None)
    show.state["fps"] = 30.0
    surface.wait_for("/streamflow/fps", 30.0)


def test_flood_leaves_time_for_feedback(show: RecordingShow) -> None:
    listener = Surface()
    control = OscControl(port=0, feedback=[("127.0.0.1", listener.port)])
    control.open(show)
    serving = threading.Thread(target=control.serve)
    over = threading.Event()

    def flood() -> None:
        surface, datagram = Surface(control), encode_message("/guidance", 2.0)
        while not over.is_set():
            surface.send_raw(datagram)

    flooding = threading.Thread(target=flood)
    serving.start()
    flooding.start()
    try:
        wait_for(lambda: len(show.applied) > 100)
        for seed in range(100, 105):
            show.apply("/seed", [seed], "web:1")
            listener.wait_for("/seed", seed)
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
def test_oscdump_receives_feedback(show: RecordingShow) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    dump = subprocess.Popen(["oscdump", "-L", str(port)], stdout=subprocess.PIPE, text=True)
    stop_changing = threading.Event()
    with serving(OscControl(port=0, feedback=[("127.0.0.1", port)]), show):

        def change_values() -> None:  # Again and again, because oscdump may not listen yet.
            step = 0
            while not stop_changing.wait(0.05):
                step += 1
                show.apply("/steps", [step % 50 + 1], "web:1")
                show.apply("/strength", [(step % 4) / 4], "web:1")
                show.apply("/prompt/3/text", [f"word {step}"], "web:1")

        changer = threading.Thread(target=change_values)
        changer.start()
        assert dump.stdout is not None
        seen: set[str] = set()
        try:
            for line in dump.stdout:
                words = line.split(" ", 3)[1:]
                seen.update(kind for kind in ("/steps i", "/strength f", "/prompt/3/text s") if kind in " ".join(words))
                if len(seen) == 3:
                    break
        finally:
            stop_changing.set()
            changer.join()
            dump.kill()
            dump.wait()
    assert len(seen) == 3


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6 loopback")
def test_ipv6_loopback(control: OscControl, show: RecordingShow) -> None:
    """Programs that send to ``localhost`` may send there."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as surface:
        surface.bind(("::1", 0))
        surface.settimeout(LONG)
        surface.sendto(encode_message("/strength", 0.25), ("::1", control.address[1]))
        wait_for(lambda: show.values()["/strength"] == 0.25)
        surface.sendto(encode_message("/subscribe"), ("::1", control.address[1]))
        show.apply("/seed", [7], "web:1")
        heard = set[tuple[str, object]]()
        while ("/seed", 7) not in heard:
            (message,) = decode_packet(surface.recv(65_535))
            heard.add((message.address, message.arguments[0]))  # type: ignore[arg-type]
