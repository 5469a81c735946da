"""Messages of a layout's controls: read from its file, sent to a show as bytes, and compared with the show's values."""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from pythonosc.osc_message_builder import OscMessageBuilder

from daemon.stage.show_wrapper import ShowWrapper
from io_bridges.osc.packets import decode_packet
from presets.declaration import ACTIONS
from presets.parameter_table import PARAMETERS

ARGUMENTLESS = {action.address for action in ACTIONS if not action.argument}
TAKING = {action.address for action in ACTIONS if action.argument}
Message = tuple[str, str, list[Any]]
"""Address, type tags and values of a message that a control of a layout sends."""

TYPED = "fire"
"""Text that is typed into a field."""


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
