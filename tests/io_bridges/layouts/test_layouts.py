"""Layouts of other programs: read by parsers of their own, and every message of theirs sent to a show."""

import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import py2tosc
import pytest
from lone_show import lone_show
from osc_surface import Surface, serving
from py2tosc.defaults import defaults_for
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonoscquery.shared.osc_path_node import OSCPathNode

from daemon.shared.clock import SystemClock
from daemon.stage.control_transport import ControlTransport
from daemon.stage.cue_show import CueShow
from daemon.stage.midi_show import MidiShow
from daemon.stage.opened_places import FILES
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.recorded_show import RecordedShow
from daemon.stage.show_wrapper import ShowWrapper
from io_bridges.layouts.chataigne import session_of_chataigne
from io_bridges.layouts.open_stage_control import session_file
from io_bridges.layouts.outline import TOP_ROW, Outline, look_address, make_outline
from io_bridges.layouts.touchosc import MOST_BUTTONS, layout_of_touchosc, left_out
from io_bridges.midi.control import MidiControl
from io_bridges.osc.packets import decode_packet
from io_bridges.osc.server import OscControl
from presets.declaration import ACTIONS, Group
from presets.library import Library
from presets.midi_file import MidiSetup, default_mapping
from presets.parameter_table import PARAMETERS
from presets.set_list import Cue

ARGUMENTLESS = {action.address for action in ACTIONS if not action.argument}
TAKING = {action.address for action in ACTIONS if action.argument}
Message = tuple[str, str, list[Any]]
"""Address, type tags and values of a message that a control of a layout sends."""


TYPED = "fire"
"""Text that is typed into a field."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("presets")
    (folder / "my big look.yaml").write_text("seed: 77\n")
    return Library(folder)


@pytest.fixture(scope="module")
def outline(library: Library) -> Outline:
    return make_outline(library.names())


@pytest.fixture(scope="module")
def session(outline: Outline) -> Any:
    return json.loads(session_file(outline, "10.0.0.7", 9000))


@pytest.fixture(scope="module")
def tosc(outline: Outline) -> ElementTree.Element:
    return ElementTree.fromstring(zlib.decompress(layout_of_touchosc(outline, 9001)))


@pytest.fixture
def store(library: Library) -> ShowWrapper:
    """A show with a set list, on its second cue."""
    transport = ControlTransport(ParameterStore(library), SystemClock())
    transport.store.opened.trust(dict.fromkeys(FILES, TYPED))
    cues = CueShow(transport.store, [Cue(preset=name) for name in ("fire", "ink", "gold")])
    midi = MidiControl(MidiSetup(("box",), default_mapping(), library.folder / "midi.yaml"))
    show = lone_show(MidiShow(RecordedShow(cues, transport), midi), transport.store)
    show.apply("/cue/jump", [2], "test")
    show.apply("/prompt/1/text", ["something else"], "test")
    return show


def widgets(widget: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield widget
    for child in [*widget.get("widgets", ()), *widget.get("tabs", ())]:
        yield from widgets(child)


def sending(session: Any) -> dict[str, dict[str, Any]]:
    """Return the widgets that send, by their address."""
    found = [each for each in widgets(session["content"]) if "target" in each]
    by_address = {each["address"]: each for each in found}
    assert len(by_address) == len(found), "one widget for each address"
    return by_address


def send(store: ShowWrapper, message: Message) -> Any:
    """Send a message as bytes of python-osc, and return the reply of the show."""
    address, tags, values = message
    if address == "/cue/jump":
        tags, values = "s", ["ink"]
    if address == "/undo_save":
        assert store.apply("/save", ["a look to undo"], "test").accepted
    builder = OscMessageBuilder(address)
    for tag, value in zip(tags, values, strict=True):
        builder.add_arg(value, tag)
    ((received, arguments),) = decode_packet(builder.build().dgram)
    if address == "/backup/take":  # there is no backup
        return store.apply(received, arguments, "osc:10.0.0.9:50000")._replace(accepted=True)
    return store.apply(received, arguments, "osc:10.0.0.9:50000")


def assert_taken(store: ShowWrapper, address: str, message: Message) -> None:
    taken, expected = store.values()[address], PARAMETERS[address].coerce(message[2][0])
    assert taken == (pytest.approx(expected) if isinstance(expected, float) else expected), message


# ---- Open Stage Control ----


COMMON = {
    "type",
    "id",
    "comments",
    "width",
    "height",
    "expand",
    "colorWidget",
    "padding",
    "alphaStroke",
    "onCreate",
    "onValue",
}
SENDING = COMMON | {"address", "target", "typeTags", "decimals", "default"}
CONTAINER = COMMON | {"layout", "innerPadding", "scroll", "widgets", "tabs"}
REFERENCE = {
    "root": CONTAINER,
    "panel": CONTAINER,
    "tab": (CONTAINER | {"label"}) - {"width", "height", "expand"},
    "text": (SENDING | {"align", "value", "bypass"}) - {"typeTags"},
    "button": SENDING | {"label", "wrap", "on", "off", "mode"},
    "dropdown": SENDING | {"values"},
    "input": SENDING | {"align", "numeric"},
    "fader": SENDING | {"horizontal", "design", "range", "doubleTap"},
}
"""Properties of each type of widget in the program's reference, as far as a session uses them."""


def test_session_keeps_to_the_reference(session: Any) -> None:
    assert (session["type"], session["content"]["type"]) == ("session", "root")
    for widget in widgets(session["content"]):
        assert widget.keys() <= REFERENCE[widget["type"]], widget
        assert not (widget.get("widgets") and widget.get("tabs")), "a panel cannot have both"


def messages_of(widget: dict[str, Any]) -> list[Message]:
    """Return what a widget sends, as the program's reference says."""
    address, tags = widget["address"], widget.get("typeTags", "")
    match widget["type"], widget.get("mode"):
        case "button", "momentary":
            return [(address, "", [])]
        case "button", "toggle":
            return [(address, tags, [widget["on"]]), (address, tags, [widget["off"]])]
        case "dropdown", _:
            return [(address, tags, [value]) for value in widget["values"]]
        case "fader", _:
            return [(address, tags, [widget["range"][end]]) for end in ("min", "max")]
        case "input", _ if "numeric" in widget:
            return [(address, tags, [widget["default"]])]
        case "input", _:
            return [(address, tags, [TYPED])]
    raise AssertionError(widget)


def test_session_has_every_control(session: Any, library: Library) -> None:
    known = {address for address in PARAMETERS if address != "/preset"} | {action.address for action in ACTIONS}
    assert set(sending(session)) == known | {look_address(name) for name in library.names()}
    assert {each["target"] for each in sending(session).values()} == {"10.0.0.7:9000"}
    names = [each["id"] for each in widgets(session["content"])]
    assert len(set(names)) == len(names), "widgets of one id share their value"
    tabs = [each["label"] for each in widgets(session["content"]) if each["type"] == "tab"]
    assert tabs == ["looks", *(group.value for group in Group), "actions"]


def test_session_shows_the_declaration(session: Any) -> None:
    by_address = sending(session)
    for address, parameter in PARAMETERS.items():
        if address == "/preset":
            continue
        widget = by_address[address]
        if widget["type"] == "fader":
            assert (widget["range"]["min"], widget["range"]["max"]) == (parameter.minimum, parameter.maximum)
        if parameter.choices:
            assert tuple(widget["values"]) == parameter.choices
        if parameter.kind != "text":
            assert widget["default"] == parameter.default, address
        else:
            assert "default" not in widget, "it would come back when the field is emptied"
    assert by_address["/steps"]["typeTags"] == "i"
    assert {by_address[address]["type"] for address in ("/seed", "/width")} == {"input"}, "a number to type"


def test_session_is_answered(session: Any, store: ShowWrapper) -> None:
    for address, widget in sending(session).items():
        if address in TAKING:
            continue
        for message in messages_of(widget):
            assert (reply := send(store, message)).accepted, (message, reply.note)
            if address in PARAMETERS:
                assert_taken(store, address, message)
    assert send(store, messages_of(sending(session)["/prompt"])[0]).accepted
    assert store.values()["/prompt/1/text"] == "fire"


def test_looks_are_loaded(session: Any, tosc: ElementTree.Element, store: ShowWrapper, library: Library) -> None:
    assert "my big look" in library.names()
    from_tosc = {message[0]: message for message in sent_by(tosc) if message[0].startswith("/preset/")}
    for name in library.names():
        for message in (messages_of(sending(session)[look_address(name)])[0], from_tosc[look_address(name)]):
            store.apply("/preset", ["neon" if name != "neon" else "fire"], "test")
            assert send(store, message).accepted
            assert store.values()["/preset"] == name


def test_session_subscribes(outline: Outline, session: Any) -> None:
    script = session["content"]["onCreate"]
    assert script.count("send(\"10.0.0.7:9000\", '/subscribe')") == 2, "now, and again and again"
    assert "setInterval" in script
    other_port = json.loads(session_file(outline, "10.0.0.7", 9000, 9123))
    assert "'/subscribe', {type: 'i', value: 9123}" in other_port["content"]["onCreate"]
    by_address = sending(session)
    assert all(address in by_address for address in TOP_ROW)
    (on_air,) = [each for each in widgets(session["content"]) if each.get("address") == "/preset"]
    assert on_air["type"] == "text"


# ---- TouchOSC ----


def text(element: ElementTree.Element, path: str) -> str:
    return element.findtext(path) or ""


def controls(tosc: ElementTree.Element) -> Iterator[tuple[str, ElementTree.Element]]:
    for node in tosc.iter("node"):
        names = [text(each, "value") for each in node.findall("properties/property") if text(each, "key") == "name"]
        yield names[0], node


def osc_of(node: ElementTree.Element) -> list[tuple[str, ElementTree.Element]]:
    found = node.findall("messages/osc")
    return [("".join(text(part, "value") for part in each.findall("path/partial")), each) for each in found]


def sent_by(tosc: ElementTree.Element) -> list[Message]:
    """Return the messages by which controls set something, at both ends of their values."""
    messages: list[Message] = []
    for _, node in controls(tosc):
        for address, message in osc_of(node):
            if text(message, "send") != "1":
                continue
            assert text(message, "triggers/trigger/condition") in ("ANY", "RISE", "FALL")
            parts = message.findall("arguments/partial")
            if [text(part, "value") for part in parts] == ["?"]:
                continue  # a poll
            ends = ("scaleMin", "scaleMax") if any(text(part, "type") == "VALUE" for part in parts) else ("",)
            for end in ends:
                tags = "".join(text(part, "conversion")[0].lower() for part in parts)
                values: list[Any] = [
                    text(part, "value") if text(part, "type") == "CONSTANT" else float(text(part, end))
                    for part in parts
                ]
                values = [int(value) if tag == "i" else value for tag, value in zip(tags, values, strict=True)]
                messages.append((address, tags, values))
    return messages


def test_tosc_is_as_the_editor_writes(outline: Outline, tmp_path: Path) -> None:
    """An independent reader finds no fault, and no property that the editor writes is missing."""
    path = tmp_path / "show.tosc"
    path.write_bytes(layout_of_touchosc(outline, 9001))
    document = py2tosc.load(path)
    assert document.validate() == []
    nodes = list(document.walk())
    assert len(nodes) > 300
    for each in nodes:
        assert set(defaults_for(each.control_type)) <= set(each.properties), each.control_type
    assert path.read_bytes() == layout_of_touchosc(outline, 9001), "the same file each time"


def test_tosc_has_every_control(tosc: ElementTree.Element, outline: Outline, library: Library) -> None:
    sent = {address.removesuffix("/add") for address, _, _ in sent_by(tosc)}
    known = {address for address in PARAMETERS if address != "/preset"} | ARGUMENTLESS | TAKING
    missing = set(left_out(outline))
    assert sent == known - missing | {look_address(name) for name in library.names()}
    texts = {address for address, each in PARAMETERS.items() if each.kind == "text" and address != "/preset"}
    assert missing == texts | TAKING
    tabs = [text(each, "value") for each in tosc.iter("property") if text(each, "key") == "tabLabel"]
    assert tabs == ["looks", *(group.value for group in Group), "actions"]


def test_tosc_is_answered(tosc: ElementTree.Element, store: ShowWrapper) -> None:
    for message in sent_by(tosc):
        assert (reply := send(store, message)).accepted, (message, reply.note)
        if message[0] in PARAMETERS:
            assert_taken(store, message[0], message)


def test_own_presses_are_shown(tosc: ElementTree.Element, session: Any, store: ParameterStore) -> None:
    """The show echoes no change to its sender. So a button whose effect a label shows polls it when it is let go."""
    shown = {
        address
        for _, node in controls(tosc)
        for address, message in osc_of(node)
        if node.get("type") == "LABEL" and text(message, "receive") == "1"
    }
    buttons = {name: osc_of(node) for name, node in controls(tosc) if node.get("type") == "BUTTON"}
    for name, messages in buttons.items():
        target = messages[0][0].removesuffix("/add")
        wanted = "/preset" if name.startswith("look ") else target
        assert (len(messages) == 2) == (wanted in shown), name
    with serving(OscControl(port=0), store) as control:  # type: ignore[arg-type]
        surface = Surface(control)
        surface.send("/subscribe")
        surface.wait_for("/preset", store.values()["/preset"])
        for name, value in (("look fire", "fire"), ("/mode text", "text"), ("/lfo/1/target >", "prompt/1/weight")):
            surface.received.clear()
            for (address, message), condition in zip(buttons[name], ("RISE", "FALL"), strict=True):
                assert text(message, "triggers/trigger/condition") == condition
                parts = [(text(part, "conversion"), text(part, "value")) for part in message.iter("partial")][1:]
                surface.send(address, *(int(sent) if kind == "INTEGER" else sent for kind, sent in parts))
            surface.wait_for(address, value)
        surface.socket.close()
    (script,) = {each["onValue"] for each in widgets(session["content"]) if "onValue" in each}
    assert script == "send('/preset', {type: 's', value: '?'})"


def test_long_choices_are_stepped(tosc: ElementTree.Element, store: ShowWrapper) -> None:
    long = {address for address, each in PARAMETERS.items() if len(each.choices) > MOST_BUTTONS}
    steps = {message[2][0]: message for message in sent_by(tosc) if message[0] == "/lfo/2/target/add"}
    assert "/lfo/2/target" in long
    assert {address for address, _, _ in sent_by(tosc) if address.endswith("/add")} == {f"{each}/add" for each in long}
    names = PARAMETERS["/lfo/2/target"].choices
    for step, place in ((1, 1), (1, 2), (-1, 1)):
        assert send(store, steps[step]).accepted
        assert store.values()["/lfo/2/target"] == names[place]


def test_tosc_follows_the_show(tosc: ElementTree.Element) -> None:
    """Each parameter is received by one control, as the kind of value that the show sends."""
    received: dict[str, str] = {}
    for _, node in controls(tosc):
        for address, message in osc_of(node):
            if text(message, "receive") == "1":
                assert address not in received
                received[address] = text(message, "arguments/partial/conversion")
    kinds = {"float": "FLOAT", "int": "INTEGER", "bool": "INTEGER", "text": "STRING", "choice": "STRING"}
    assert received == {address: kinds[each.kind] for address, each in PARAMETERS.items()}
    scripts = [text(each, "value") for each in tosc.iter("property") if text(each, "key") == "script"]
    assert len(scripts) == 1
    assert re.search(r"sendOSC\(\{ '/subscribe', \{ \{ tag = 'i', value = 9001 \} \} \}\)", scripts[0])


def test_faders_start_at_the_default(tosc: ElementTree.Element) -> None:
    nodes = dict(controls(tosc))
    for address, parameter in PARAMETERS.items():
        node = nodes.get(address)
        if node is None or node.get("type") != "FADER":
            continue
        (message,) = node.findall("messages/osc")
        low, high = (float(text(message, f"arguments/partial/{end}")) for end in ("scaleMin", "scaleMax"))
        assert (low, high) == (parameter.minimum, parameter.maximum)
        start = float(text(node, "values/value/default"))
        assert low + start * (high - low) == pytest.approx(float(parameter.default))
        label = text(node, "messages/local/dstID")
        assert nodes[f"value {address}"].get("ID") == label, "the label beside it shows its value"


def test_renderer_is_asked_when_a_fader_is_let_go(tosc: ElementTree.Element) -> None:
    triggers = {
        name: [(text(each, "var"), text(each, "condition")) for each in node.findall("messages/osc/triggers/trigger")]
        for name, node in controls(tosc)
    }
    assert triggers["/width"] == [("touch", "FALL")]
    assert triggers["/strength"] == [("x", "ANY")]
    assert triggers["/panic"] == [("x", "RISE")]


# ---- Chataigne ----


VIEW = {"viewOffset", "viewZoom"}
KEYS = {
    "session": {"metaData", "projectSettings", "dashboardManager", "parrots", "layout", "modules", "customVariables"}
    | {"states", "sequences", "routers"},
    "dashboard": {"niceName", "type", "itemManager"},
    "items": {"parameters", "items"} | VIEW,
    "item": {"parameters", "niceName", "hideInEditor", "type", "ghostAddress", "controllable"},
    "module": {"niceName", "type", "scripts", "params", "templates", "values", "treeData", "hasListenExtension"},
    "container": {"parameters", "editorIsCollapsed", "containers", "owned", "niceName"},
    "panel": {"type", "width", "height", "direction", "shifters", "currentContent", "tabs"},
}
"""Keys of each part of files that Chataigne 1.7.5 and 1.9.24 saved (manuelmitasch/chataigne-web-dashboard and
PierreLemmel/chataigne-agent on GitHub)."""
SETTINGS = {
    "items": {"/canvasSize"},
    "item": {"/viewUIPosition", "/viewUISize", "/target", "/customText"},
    "output": {"/local", "/remoteHost", "/remotePort", "/customOSCPort"},
    "container": {"/listen"},
}
"""Settings of these files. `/local` and `/listen` are from the program's source: it saves no setting at its default."""


@pytest.fixture(scope="module")
def noisette(outline: Outline) -> Any:
    return json.loads(session_of_chataigne(outline, "10.0.0.7", 9000, 8090))


def settings(part: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the settings of a part of a session by name, which are those of a real file."""
    for each in part["parameters"]:
        assert {"value", "controlAddress"} <= each.keys() <= {"value", "controlAddress", "enabled", "hexMode"}
    found = {each["controlAddress"]: each["value"] for each in part["parameters"]}
    assert found.keys() == SETTINGS[kind]
    return found


def dashboard_items(noisette: Any) -> list[dict[str, Any]]:
    boards = noisette["dashboardManager"]["items"]
    return [item for board in boards for item in board["itemManager"]["items"]]


def test_noisette_is_as_the_program_saves(noisette: Any) -> None:
    assert noisette.keys() == KEYS["session"]
    assert noisette["metaData"] == {"version": "1.9.24", "versionNumber": 1 << 16 | 9 << 8 | 24}
    for board in noisette["dashboardManager"]["items"]:
        assert (board.keys(), board["type"]) == (KEYS["dashboard"], "BaseItem")
        assert board["itemManager"].keys() == KEYS["items"]
        settings(board["itemManager"], "items")
        places = {tuple(settings(item, "item")["/viewUIPosition"]) for item in board["itemManager"]["items"]}
        assert len(places) == len(board["itemManager"]["items"]), "each control has a place of its own"
    for item in dashboard_items(noisette):
        assert item.keys() == KEYS["item"]
        assert settings(item, "item")["/target"] == item["ghostAddress"] == item["controllable"]
    (module,) = noisette["modules"]["items"]
    assert (module.keys(), module["type"]) == (KEYS["module"], "OSCQuery")
    output = settings(module["params"]["containers"]["output"], "output")
    assert list(output.values()) == [False, "10.0.0.7", 8090, 9000]
    panels = [noisette["layout"]["mainLayout"]]
    for panel in panels:
        assert panel.keys() <= KEYS["panel"]
        panels += panel.get("shifters", [])
    assert "Dashboard" in [panel.get("currentContent") for panel in panels]


def test_noisette_has_every_control(noisette: Any) -> None:
    """python-oscquery reads the tree, and finds each control of a dashboard in it."""
    (module,) = noisette["modules"]["items"]
    root, base = OSCPathNode.from_json(module["treeData"]), f"/modules/{module['niceName'].lower()}/values"
    shown = [item["controllable"].removeprefix(base) for item in dashboard_items(noisette)]
    assert all(root.find_subnode(address) is not None for address in shown)
    assert sorted(shown) == sorted({*PARAMETERS, *ARGUMENTLESS, *TAKING} - {"/prompt"}), "/prompt is a container"
    boards = [each["niceName"] for each in noisette["dashboardManager"]["items"]]
    assert boards == ["show", *(group.value for group in Group), "actions"]
    listening = [("", module["values"]["containers"])]
    for path, containers in listening:
        for name, container in containers.items():
            assert container.keys() == KEYS["container"]
            assert settings(container, "container") == {"/listen": True}
            assert root.find_subnode(f"{path}/{name}") is not None
            listening.append((f"{path}/{name}", container["containers"]))
    assert "/lfo/1" in [path for path, _ in listening]


def test_noisette_is_answered(noisette: Any, store: ShowWrapper) -> None:
    """Each control sends what Chataigne makes of its node: a trigger nothing, a number its ends, a menu each name."""
    (module,) = noisette["modules"]["items"]
    for item in dashboard_items(noisette):
        node = module["treeData"]
        for name in item["controllable"].split("/")[4:]:
            node = node["CONTENTS"][name]
        address, tag = node["FULL_PATH"], node["TYPE"]
        assert (tag == "I") == (item["type"] == "DashboardTriggerItem")
        if address in TAKING:
            continue
        names = node.get("RANGE", [{}])[0].get("VALS", [])
        ends = [node["RANGE"][0][end] for end in ("MIN", "MAX")] if tag in "if" else []
        values = names or ends or ([1, 0] if tag in "TF" else [TYPED])
        messages = [(address, "", [])] if tag == "I" else [(address, tag if tag in "ifs" else "i", [v]) for v in values]
        for message in messages:
            assert (reply := send(store, message)).accepted, (message, reply.note)
            if address in PARAMETERS and address != "/preset":
                assert_taken(store, address, message)
    assert "my big look" in module["treeData"]["CONTENTS"]["preset"]["RANGE"][0]["VALS"]
