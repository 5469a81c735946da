"""The layout of TouchOSC: read by a reader of another make, and every message of it sent to a show."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import py2tosc
import pytest
from layout_messages import ARGUMENTLESS, TAKING, assert_taken, controls, osc_of, send, sent_by, text, widgets
from osc_surface import Surface, serving
from py2tosc.defaults import defaults_for

from daemon.stage.parameter_store import ParameterStore
from daemon.stage.show_wrapper import ShowWrapper
from io_bridges.layouts.outline import Outline, look_address
from io_bridges.layouts.touchosc import MOST_BUTTONS, layout_of_touchosc, left_out
from io_bridges.osc.server import OscControl
from presets.declaration import Group
from presets.library import Library
from presets.parameter_table import PARAMETERS


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
