"""What surfaces are told: every value at first, then what others change; coalesced, leased, never an echo."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from osc_surface import LONG, Surface, serving, wait_for
from show_control_fake import RecordingDesk

from io_bridges.osc.packets import encode, walk
from io_bridges.osc.server import FEEDBACK_INTERVAL, OscControl

needs_oscsend = pytest.mark.skipif(shutil.which("oscsend") is None, reason="oscsend is missing: install liblo-tools")
needs_oscdump = pytest.mark.skipif(shutil.which("oscdump") is None, reason="oscdump is missing: install liblo-tools")


@pytest.fixture
def desk() -> RecordingDesk:
    return RecordingDesk()


@pytest.fixture
def control(desk: RecordingDesk) -> Iterator[OscControl]:
    with serving(OscControl(port=0), desk) as control:
        yield control


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
