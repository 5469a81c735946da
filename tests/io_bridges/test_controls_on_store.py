"""OSC and ZeroMQ control on the stage's own parameter store: one show, two surfaces."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import zmq
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import build_msg
from web_show_control import serving

from daemon.stage import replies
from daemon.stage.parameter_store import ParameterStore
from io_bridges.osc import server
from io_bridges.osc.packets import decode_packet
from io_bridges.osc.server import OscControl
from io_bridges.show_control import MAX_UNKNOWN, ControlReply, FoundSources, Later, LateReplies, with_outcome
from io_bridges.web.server import WebControl
from io_bridges.zmq_control import ZmqControl
from presets.library import Library

LONG = 20.0


class Show:
    """A store with both controls, an OSC surface that subscribes, and a ZeroMQ client that watches."""

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
        self.feedback: dict[str, object] = {}
        self.pushed: dict[str, object] = {}

    def send(self, address: str, *arguments: object) -> None:
        self.surface.sendto(build_msg(address, list(arguments)).dgram, self.osc.address)

    def wait_for_feedback(self, address: str, value: object) -> None:
        """Wait until the surface gets this value. Every value is kept in `feedback`."""
        while self.feedback.get(address) != value:
            ((received, arguments),) = decode_packet(self.surface.recv(65535))
            self.feedback[received] = arguments[0]

    def ask(self, **request: object) -> Any:
        self.client.send_json(request)
        while True:
            answer = json.loads(self.client.recv())
            if "ok" in answer:
                return answer
            self.pushed |= answer["changed"]

    def wait_for_push(self, address: str, value: object) -> None:
        while self.pushed.get(address) != value:
            self.pushed |= json.loads(self.client.recv())["changed"]


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    with ExitStack() as clean_up:
        show = Show(tmp_path, clean_up)
        show.send("/subscribe")
        show.wait_for_feedback("/accelerator", "auto")
        assert show.ask(do="watch")["values"] == show.store.values()
        yield show


def test_surfaces_get_each_others_changes(show: Show) -> None:
    show.send("/strength", 0.25)
    show.wait_for_push("/strength", 0.25)
    answer = show.ask(do="set", values={"/steps": 99})
    assert answer["answers"]["/steps"] == {"accepted": True, "value": 50, "note": "the maximum is 50; set to 50"}
    show.wait_for_feedback("/steps", 50)
    assert show.feedback["/strength"] == pytest.approx(0.9), "its own changes are not sent back"
    assert show.store.snapshot()[1].strength == 0.25


def test_preset_saved_here_loads_there(show: Show) -> None:
    show.ask(do="set", values={"/strength": 0.125, "/prompt/1/text": "glacier"})
    assert show.ask(do="save", name="mine")["ok"]
    assert "mine" in show.ask(do="presets")["presets"]
    show.ask(do="set", values={"/strength": 0.5, "/prompt/1/text": "lava"})
    show.wait_for_feedback("/prompt/1/text", "lava")
    show.send("/preset", "mine")
    show.wait_for_push("/prompt/1/text", "glacier")
    show.wait_for_feedback("/prompt/1/text", "glacier")  # A preset that a surface loads moves its own faders too.
    assert show.store.values()["/strength"] == 0.125


def test_refusals_are_answered(show: Show) -> None:
    show.send("/strenght", 0.5)
    show.wait_for_feedback("/streamflow/refused", "/strenght: there is no '/strenght'; did you mean /strength?")
    answer = show.ask(do="load", name="no such look", id=4)
    assert (answer["ok"], answer["id"]) == (False, 4)
    assert "no such look" in answer["error"]
    show.surface.sendto(b"#bundle\0" + b"\0" * 8 + b"\xff\xff\xff\xfc", show.osc.address)
    show.wait_for_feedback("/streamflow/refused", "malformed OSC: a bundle element of size -4")
    assert show.ask(do="status")["status"]["refusals"]["total"] == 3


def test_actions(show: Show) -> None:
    show.send("/prompt", "alone")
    show.wait_for_push("/prompt/1/text", "alone")
    show.send("/blackout", True)
    show.wait_for_push("/blackout", True)
    before = show.store.standing().panic_revision
    show.feedback.clear()
    assert show.ask(do="act", address="/panic")["ok"]
    show.wait_for_feedback("/blackout", 0)
    assert show.store.standing().panic_revision > before


def test_unknown_latency_is_not_sent(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STATUS_INTERVAL", 0.1)
    show.feedback.clear()
    show.wait_for_feedback("/streamflow/fps", 24.0)
    assert "/streamflow/latency" not in show.feedback


def opens_slowly(outcome: ControlReply) -> Callable[[str, str, Later | None], ControlReply]:
    """Return a function that opens sources with this outcome, a moment later."""

    def open_source(uri: str, sender: str, later: Later | None) -> ControlReply:
        assert later is not None
        threading.Timer(0.05, later, [outcome]).start()
        return ControlReply("/source", True, None, f"opening {uri}", pending=True)

    return open_source


def test_refused_source_is_answered_later(show: Show) -> None:
    show.store.open_source["/source"] = opens_slowly(
        ControlReply("/source", False, None, "no such clip. card: plays on.")
    )
    show.send("/source", "file:clip.mp4")
    show.wait_for_feedback("/streamflow/refused", "/source: no such clip. card: plays on.")
    refusal = {"ok": False, "note": "no such clip. card: plays on.", "error": "no such clip. card: plays on.", "id": 5}
    assert show.ask(do="source", uri="file:clip.mp4", id=5) == refusal
    both = show.ask(do="set", values={"/source": "file:clip.mp4", "/steps": 3})
    assert not both["ok"]
    assert both["answers"]["/steps"]["accepted"]
    assert not both["answers"]["/source"]["accepted"]
    assert show.store.values()["/source"] == "card:"
    assert "must be the address of a source" in show.ask(do="source", uri=7)["error"]


def test_source_of_a_look_is_answered_later(show: Show, tmp_path: Path) -> None:
    (tmp_path / "clip.yaml").write_text("seed: 9\nsource: file:clip.mp4\n")
    show.store.open_source["/source"] = opens_slowly(ControlReply("/source", False, None, "no such clip."))
    show.send("/preset", "clip")
    show.wait_for_feedback("/seed", 9)
    show.wait_for_feedback("/streamflow/refused", "/source: no such clip.")
    assert show.ask(do="load", name="clip") == {"ok": True, "note": "opening file:clip.mp4"}


def test_requests_pass_one_that_waits(show: Show) -> None:
    show.store.open_source["/source"] = lambda uri, sender, later: ControlReply(
        "/source", True, None, "opening", pending=True
    )
    show.client.send_json({"do": "source", "uri": "ndi:A"})
    assert show.ask(do="presets")["ok"], "a source that takes for ever holds nobody up"


def test_sources_are_listed(show: Show) -> None:
    found = FoundSources(("ndi:STAGE (A)", "spout:B"), {"syphon": "It runs on macOS only."})
    show.store.search_sources = lambda tell: threading.Timer(0.05, tell, [found]).start()
    show.send("/sources")
    while True:
        ((address, arguments),) = decode_packet(show.surface.recv(65535))
        if address == "/streamflow/sources":
            break
    assert arguments == ["ndi:STAGE (A)", "spout:B"]
    answer = show.ask(do="sources")
    assert answer == {"ok": True, "sources": ["ndi:STAGE (A)", "spout:B"], "failures": dict(found.failures)}


def test_late_replies_are_whole() -> None:
    whole: list[object] = []
    source, sink = (ControlReply(address, True, None, pending=True) for address in ("/source", "/sink"))
    outcome = {reply.address: reply._replace(pending=False, note="done") for reply in (source, sink)}
    late = LateReplies()
    assert not late.when_complete([ControlReply("/steps", True, 4)], whole.append)
    late.add(outcome["/source"])
    assert late.when_complete([source, sink], whole.append)
    assert whole == []
    late.add(outcome["/sink"])
    late.add(outcome["/sink"])
    assert whole == [outcome]
    replies = {"source": source, "steps": ControlReply("/steps", True, 4)}
    assert with_outcome(replies, outcome) == {**replies, "source": outcome["/source"]}


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record each search for a suggestion. The searches themselves are real."""
    searched: list[str] = []
    search = replies.get_close_matches

    def recorded(address: str, *arguments: Any, **options: Any) -> list[str]:
        searched.append(address)
        return search(address, *arguments, **options)

    monkeypatch.setattr(replies, "get_close_matches", recorded)
    return searched


def test_suggestions_of_a_request_are_bounded(show: Show, searches: list[str]) -> None:
    unknown = {f"/strenght{number:05}": 1 for number in range(2800)}
    before = show.ask(do="status")["status"]["refusals"]["total"]
    show.client.send(json.dumps({"do": "set", "values": {**unknown, "/steps": 7}}).encode())
    reply = show.client.recv()
    assert len(reply) < 2000
    assert 0 < len(searches) <= MAX_UNKNOWN
    answer = json.loads(reply)
    assert answer["omitted"] == len(unknown) - MAX_UNKNOWN
    assert "did you mean /strength?" in answer["error"]
    assert "2792 more unknown addresses" in answer["error"]
    assert answer["answers"]["/steps"]["value"] == 7
    assert show.ask(do="status")["status"]["refusals"]["total"] == before + MAX_UNKNOWN + 1


def test_suggestions_of_a_put_are_bounded(show: Show, searches: list[str]) -> None:
    unknown = {f"/guidanse{number:05}": 1 for number in range(2800)}
    with serving(WebControl(port=0), show.store) as web:
        connection = HTTPConnection("127.0.0.1", urlsplit(web.url).port, timeout=LONG)
        body = json.dumps({**unknown, "steps": 8})
        connection.request("PUT", "/api/values", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        reply = response.read()
        connection.close()
    assert response.status == 422
    assert len(reply) < 2000
    assert 0 < len(searches) <= MAX_UNKNOWN
    assert json.loads(reply)["omitted"] == len(unknown) - MAX_UNKNOWN
    assert show.store.values()["/steps"] == 8


def test_long_unknown_address_is_omitted(show: Show, searches: list[str]) -> None:
    show.client.send(json.dumps({"do": "set", "values": {"/" + "\u0001" * 9000: 1}}).encode())
    reply = show.client.recv()
    assert len(reply) < 300
    assert json.loads(reply)["omitted"] == 1
    assert searches == []


def test_suggestions_of_a_datagram_are_bounded(show: Show, searches: list[str]) -> None:
    bundle = OscBundleBuilder(0)
    for number in range(60):
        bundle.add_content(build_msg(f"/stepss{number}", number))
    bundle.add_content(build_msg("/steps", 9))
    show.surface.sendto(bundle.build().dgram, show.osc.address)
    show.wait_for_feedback("/streamflow/refused", "52 more unknown addresses in one datagram")
    assert 0 < len(searches) <= MAX_UNKNOWN
    assert show.store.values()["/steps"] == 9


def test_presets_of_a_datagram_are_bounded(show: Show) -> None:
    bundle = OscBundleBuilder(0)
    for number in range(200):
        bundle.add_content(build_msg("/preset", f"nothing {number}"))
    show.surface.sendto(bundle.build().dgram, show.osc.address)
    show.wait_for_feedback("/streamflow/refused", "more than 64 messages without a plain number in one datagram")
    assert show.ask(do="status")["status"]["refusals"]["total"] == 65
