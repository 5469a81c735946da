"""``/api/osc``: every address with its range, and lines that other programs send as they stand."""

import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import osc_surface
import pytest
from lone_show import lone_show
from osc_surface import wait_for
from pythonosc.osc_message_builder import build_msg
from web_client import ask
from web_show_control import serving

from daemon.shared.clock import SystemClock
from daemon.stage.control_transport import ControlTransport
from daemon.stage.cue_show import CueShow
from daemon.stage.midi_show import MidiShow
from daemon.stage.opened_places import FILES
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.recorded_show import RecordedShow
from io_bridges import local_network
from io_bridges.midi.control import MidiControl
from io_bridges.osc.monitor import LENGTH
from io_bridges.osc.server import OscControl
from io_bridges.osc.snippets import snippets
from io_bridges.web.page_content import PageFeeds
from io_bridges.web.server import WebControl
from presets.declaration import ACTIONS
from presets.library import Library
from presets.midi_file import MidiSetup, default_mapping
from presets.parameter_table import PARAMETERS
from presets.set_list import Cue

TAKING = {action.address for action in ACTIONS if action.argument}


class Rig:
    """A store with OSC and a web server."""

    def __init__(self, store: ParameterStore, osc: OscControl, web: WebControl) -> None:
        self.store, self.osc, self.web = store, osc, web

    def reference(self) -> Any:
        status, content, _ = ask(self.web, "GET", "/api/osc")
        assert status == 200
        return json.loads(content)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    osc = OscControl(port=0)
    store = ParameterStore(
        Library(tmp_path_factory.mktemp("presets")), status=lambda: {"controls": [{"name": "osc", **osc.status()}]}
    )
    for address, value in (
        ("/negative_prompt", 'say "no", $1; \\ever'),
        ("/freeze", True),
        ("/prompt/2/text", "köln's"),
    ):
        assert store.apply(address, [value], "test").accepted
    store.opened.trust(dict.fromkeys(FILES, "a text"))  # the example of the lines
    transport = ControlTransport(store, SystemClock())
    # The lines of each cue are sent in turn.
    midi = MidiControl(MidiSetup(("box",), default_mapping(), tmp_path_factory.mktemp("midi") / "midi.yaml"))
    recorded = RecordedShow(CueShow(store, [Cue(preset="fire")] * 40), transport)
    show = lone_show(MidiShow(recorded, midi), store)
    show.apply("/cue/jump", [20], "test")
    with ExitStack() as clean_up:
        transport.folder = tmp_path_factory.mktemp("recordings")
        clean_up.callback(transport.stop)
        clean_up.enter_context(osc_surface.serving(osc, show))  # type: ignore[arg-type]
        web = WebControl(port=0, feeds=PageFeeds(osc_messages=osc.monitor.messages))
        clean_up.enter_context(serving(web, show))  # type: ignore[arg-type]
        yield Rig(store, osc, web)


def test_every_address_is_listed(rig: Rig) -> None:
    reference = rig.reference()
    entries = {entry["address"]: entry for entry in reference["addresses"]}
    requests = ["/subscribe", "/subscribe/norm", "/unsubscribe", "/sources", "/ping"]
    expected = [*PARAMETERS, *(action.address for action in ACTIONS), *requests]
    assert list(entries) == expected
    assert len(reference["addresses"]) == len(expected)
    for address, parameter in PARAMETERS.items():
        entry = entries[address]
        assert (entry["minimum"], entry["maximum"]) == (parameter.minimum, parameter.maximum)
        assert (entry["default"], entry["unit"], entry["kind"]) == (parameter.default, parameter.unit, parameter.kind)
        assert entry["value"] == rig.store.values()[address]
        assert entry["description"] == parameter.description
        for twin in entry["twins"]:
            assert rig.store.apply(twin, [0.0 if twin.endswith("add") else 0.5], "test").accepted
        assert bool(entry["twins"]) == (parameter.kind != "text")
    assert entries["/preset"]["choices"] == rig.store.preset_names()
    assert "/streamflow/refused" in {entry["address"] for entry in reference["sends"]}


def parts(lines: list[Any], size: int = LENGTH // 2) -> Iterator[list[Any]]:
    for start in range(0, len(lines), size):
        yield lines[start : start + size]


def assert_taken(rig: Rig, program: str, send: Callable[[list[str]], None]) -> None:
    """Send every line of a program, and find every message in the monitor as it should be."""
    shown = [entry for entry in rig.reference()["addresses"] if entry["address"] != "/ping"]
    for entries in parts(shown):
        before = max((each["number"] for each in rig.osc.monitor.messages()), default=-1)

        def new(before: Any = before) -> dict[Any, Any]:
            # The late outcome of an action, which may come at any time, has no arguments.
            seen = [
                each
                for each in rig.osc.monitor.messages()
                if each["arguments"] or each["address"] not in {*TAKING, *FILES}
            ]
            return {each["address"]: each for each in seen if each["number"] > before}

        send([entry["snippets"][program] for entry in entries])
        wait_for(lambda: len(new()) >= len(entries))  # noqa: B023
        seen = new()
        for entry in entries:
            address, message = entry["address"], seen[entry["address"]]
            if address in TAKING:
                assert len(message["arguments"]) == 1, "a text to replace by one's own"
            elif address not in ("/undo_save", "/backup/take"):  # there is nothing to undo, and no backup
                assert message["taken"], (address, message)
            if address in PARAMETERS and entry["value"] != "":
                (argument,) = message["arguments"]
                assert (
                    PARAMETERS[address].coerce(argument) == pytest.approx(entry["value"])
                    if isinstance(argument, float)
                    else argument == entry["value"]
                ), address


@pytest.mark.skipif(shutil.which("oscsend") is None, reason="oscsend is missing: install liblo-tools")
def test_oscsend_lines_are_taken(rig: Rig) -> None:
    def send(lines: list[str]) -> None:
        subprocess.run(["sh", "-ec", "\n".join(lines)], check=True, timeout=osc_surface.LONG)

    assert_taken(rig, "oscsend", send)


def test_python_lines_are_taken(rig: Rig) -> None:
    def send(lines: list[str]) -> None:
        for line in lines:
            exec(line, {})

    assert_taken(rig, "Python", send)


def test_touchdesigner_lines_are_taken(rig: Rig) -> None:
    """The stand-in has the method of an OSC Out DAT as Derivative documents it."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    class OscOut:
        def sendOSC(self, address: str, arguments: list[Any]) -> None:  # noqa: N802
            sender.sendto(build_msg(address, arguments).dgram, rig.osc.address)

    def send(lines: list[str]) -> None:
        for line in lines:
            exec(line, {"op": {"oscout1": OscOut()}.__getitem__})

    with sender:
        assert_taken(rig, "TouchDesigner", send)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (0.5, "/a 0.5"),
        (3, "/a 3"),
        (None, "/a"),
        ("neon", "/a neon"),
        ("golden rings", '/a "golden rings"'),
        ("1, 2; $1", '/a "1, 2; $1"'),
        ('say "no"', '/a "say \\"no\\""'),
    ],
)
def test_line_for_max(value: Any, line: str) -> None:
    assert snippets("/a", value, "127.0.0.1", 9000)["Max"] == line


@pytest.mark.parametrize(
    ("controls", "reached", "advice"),
    [
        ([], [], "OSC is off. Start the show with --osc 9000."),
        (["osc.udp://127.0.0.1:9000"], [], "start the show with --osc 0.0.0.0:9000"),
        (["osc.udp://0.0.0.0:9100"], ["192.168.1.5"], "send to 192.168.1.5, UDP port 9100"),
        (["osc.udp://10.0.0.4:9000"], ["10.0.0.4"], "send to 10.0.0.4, UDP port 9000"),
    ],
)
def test_address_a_phone_sends_to(
    controls: list[str], reached: list[str], advice: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_network, "local_addresses", lambda: ["192.168.1.5"])
    store = ParameterStore(Library(tmp_path), status=lambda: {"controls": [{"address": each} for each in controls]})
    with serving(WebControl(port=0), store) as web:  # type: ignore[arg-type]
        sends = json.loads(ask(web, "GET", "/api/osc")[1])["send_to"]
    assert sends["addresses"] == reached
    assert advice in sends["advice"]


def test_messages_of_the_monitor(rig: Rig) -> None:
    surface = osc_surface.Surface(rig.osc)
    surface.send("/strenght", 0.25)
    wait_for(lambda: rig.osc.monitor.messages()[-1]["address"] == "/strenght")
    surface.socket.close()
    for path in ("/api/osc", "/api/osc/messages"):
        newest = json.loads(ask(rig.web, "GET", path)[1])["messages"][-1]
        assert (newest["address"], newest["arguments"], newest["taken"]) == ("/strenght", [0.25], False)
        assert "did you mean /strength?" in newest["note"]
        assert newest["sender"].startswith("127.0.0.1:")
