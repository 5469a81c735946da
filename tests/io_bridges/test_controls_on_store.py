"""OSC and ZeroMQ control on the daemon's own parameter store: one show, two surfaces."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import zmq
from pythonosc.osc_message_builder import build_msg

from daemon.stage.parameter_store import ParameterStore
from io_bridges.osc.packets import Message, walk
from io_bridges.osc.server import OscControl
from io_bridges.zmq_control import ZmqControl
from presets.library import Library

LONG = 20.0


class Show:
    """A store with both controls, an OSC surface that subscribed, and a ZeroMQ client that watches."""

    def __init__(self, folder: Path, clean_up: ExitStack) -> None:
        self.store = ParameterStore(Library(folder), status=lambda: {"fps": 24.0, "latency_ms": None})
        self.osc, self.zmq = OscControl(port=0), ZmqControl("tcp://127.0.0.1:*")
        for control in (self.osc, self.zmq):
            control.open(self.store)
            clean_up.callback(control.close)
            thread = threading.Thread(target=control.serve)
            thread.start()
            clean_up.callback(thread.join, LONG)
            clean_up.callback(control.stop)
        self.surface = clean_up.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.surface.bind(("127.0.0.1", 0))
        self.surface.settimeout(LONG)
        self.client = clean_up.enter_context(zmq.Context.instance().socket(zmq.DEALER))
        self.client.linger = 0
        self.client.rcvtimeo = int(LONG * 1000)
        self.client.connect(self.zmq.address)
        self.told: dict[str, object] = {}
        self.pushed: dict[str, object] = {}

    def send(self, address: str, *arguments: object) -> None:
        self.surface.sendto(build_msg(address, list(arguments)).dgram, self.osc.address)

    def hear(self, address: str, value: object) -> None:
        """Until the surface is told this value; earlier ones are kept in `told`."""
        while self.told.get(address) != value:
            ((heard, arguments),) = walk(self.surface.recv(65535))
            self.told[heard] = Message(heard, arguments).arguments[0]

    def ask(self, **request: object) -> Any:
        self.client.send_json(request)
        while True:
            answer = json.loads(self.client.recv())
            if "ok" in answer:
                return answer
            self.pushed |= answer["changed"]

    def hear_push(self, address: str, value: object) -> None:
        while self.pushed.get(address) != value:
            self.pushed |= json.loads(self.client.recv())["changed"]


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    with ExitStack() as clean_up:
        show = Show(tmp_path, clean_up)
        show.send("/subscribe")
        show.hear("/accelerator", "auto")
        assert show.ask(do="watch")["values"] == show.store.values()
        yield show


def test_each_surface_hears_the_other(show: Show) -> None:
    show.send("/strength", 0.25)
    show.hear_push("/strength", 0.25)
    answer = show.ask(do="set", values={"/steps": 99})
    assert answer["answers"]["/steps"] == {"accepted": True, "value": 50, "note": "the maximum is 50; set to 50"}
    show.hear("/steps", 50)
    assert show.told["/strength"] == pytest.approx(0.6), "what it set itself is not told to it"
    assert show.store.snapshot()[1].strength == 0.25


def test_a_look_saved_over_zeromq_is_loaded_over_osc_and_its_values_are_told_to_all(show: Show) -> None:
    show.ask(do="set", values={"/strength": 0.125, "/prompt/1/text": "glacier"})
    assert show.ask(do="save", name="mine")["ok"]
    assert "mine" in show.ask(do="looks")["looks"]
    show.ask(do="set", values={"/strength": 0.5, "/prompt/1/text": "lava"})
    show.hear("/prompt/1/text", "lava")
    show.send("/preset", "mine")
    show.hear_push("/prompt/1/text", "glacier")
    show.hear("/prompt/1/text", "glacier")  # a look that a surface loads moves its own faders too
    assert show.store.values()["/strength"] == 0.125


def test_what_the_store_refuses_is_answered(show: Show) -> None:
    show.send("/strenght", 0.5)
    show.hear("/streamflow/refused", "/strenght: there is no '/strenght'; did you mean /strength?")
    answer = show.ask(do="load", name="no such look", id=4)
    assert (answer["ok"], answer["id"]) == (False, 4)
    assert "no such look" in answer["error"]
    show.surface.sendto(b"#bundle\0" + b"\0" * 8 + b"\xff\xff\xff\xfc", show.osc.address)
    show.hear("/streamflow/refused", "malformed OSC: a bundle element of size -4")
    assert show.ask(do="status")["status"]["refusals"]["total"] == 3


def test_actions(show: Show) -> None:
    show.send("/prompt", "alone")
    show.hear_push("/prompt/1/text", "alone")
    show.send("/blackout", True)
    show.hear_push("/blackout", True)
    before = show.store.panic_revision
    show.told.clear()
    assert show.ask(do="act", address="/panic")["ok"]
    show.hear("/blackout", 0)
    assert show.store.panic_revision > before


def test_fps_is_told_and_a_latency_that_is_not_known_is_not(show: Show) -> None:
    show.hear("/streamflow/fps", 24.0)
    assert "/streamflow/latency" not in show.told
