"""Nodes of a TouchOSC layout: the XML of one control with its properties, values, messages and children.

A ``.tosc`` file is XML (``<lexml>``) compressed by zlib. Hexler's manual names the properties, values and messages
(hexler.net/touchosc/manual); the XML around them is that of the editor's own files, version 3, which every version
of the program opens. Each control is written with all properties that the editor writes.
"""

import uuid
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_NAMES = uuid.UUID("6d1f3c1e-3c55-5f0b-9f3a-0d5a4c1b7a52")
"""Namespace of the nodes' ids. The same control has the same id in every file."""

CONNECTIONS = "11111"
"""All connections of the program."""


class Rectangle(NamedTuple):
    """Place in the parent node, in points from its top left corner."""

    x: float
    y: float
    w: float
    h: float


class Tint(NamedTuple):
    """A colour, 0 to 1 each."""

    r: float
    g: float
    b: float
    a: float = 1.0


Property = bool | int | float | str | Rectangle | Tint
White, Clear = Tint(1, 1, 1), Tint(0, 0, 0, 0)

_COMMON: Mapping[str, Property] = {
    "background": True,
    "cornerRadius": 4.0,
    "grabFocus": True,
    "interactive": True,
    "locked": False,
    "orientation": 0,
    "outline": True,
    "outlineStyle": 0,
    "pointerPriority": 0,
    "shape": 1,
    "visible": True,
}
_OF_KIND: Mapping[str, Mapping[str, Property]] = {
    "BUTTON": {"buttonType": 0, "press": True, "release": True, "valuePosition": False},
    "FADER": {
        "response": 0,
        "responseFactor": 100,
        "grid": False,
        "gridColor": Tint(0, 0, 0, 0.25),
        "gridSteps": 10,
        "cursor": True,
        "cursorDisplay": 0,
        "bar": True,
        "barDisplay": 0,
        "orientation": 1,
    },
    "GROUP": {"grabFocus": False, "interactive": False, "background": False, "outline": False},
    "LABEL": {
        "font": 0,
        "interactive": False,
        "background": False,
        "outline": False,
        "textAlignH": 2,
        "textAlignV": 2,
        "textClip": True,
        "textColor": White,
        "textLength": 0,
        "textSize": 14,
    },
    "PAGER": {
        "grabFocus": False,
        "tabLabels": True,
        "tabbar": True,
        "tabbarDoubleTap": False,
        "tabbarSize": 40,
        "textSizeOff": 14,
        "textSizeOn": 14,
    },
}
"""Properties of each kind besides the common ones. Enumerations are numbered as the editor writes them: a button is 0
momentary, 1 and 2 toggle at its release and press; text is 1 left, 2 middle, 3 right; a fader at orientation 1 grows to
the right."""

_LETTERS: Mapping[type, str] = {bool: "b", int: "i", float: "f", str: "s", Rectangle: "r", Tint: "c"}


def node_id(key: str) -> str:
    """Return the id of the node that is made with this key."""
    return str(uuid.uuid5(_NAMES, key))


def node(
    kind: str,
    key: str,
    frame: Rectangle,
    colour: Tint,
    values: Mapping[str, float | str],
    messages: Sequence[str] = (),
    children: Sequence[str] = (),
    **properties: Property,
) -> str:
    """Return the XML of a control.

    Args:
        kind: Kind of the control: a key of the table above.
        key: Name of the control, different for each.
        frame: Place in the parent.
        colour: Colour of the control.
        values: Values at the start by their keys, such as ``x``.
        messages: XML of its messages.
        children: XML of the controls in it.
        properties: Further properties, or others than usual.
    """
    own = {**_COMMON, **_OF_KIND[kind], **properties, "name": key, "frame": frame, "color": colour}
    parts = [
        ("properties", [_property(name, own[name]) for name in sorted(own)]),
        ("values", [_value(name, default) for name, default in values.items()] + [_value("touch", False)]),
        ("messages", messages),
        ("children", children),
    ]
    inner = "".join(f"<{tag}>{''.join(entries)}</{tag}>" for tag, entries in parts if entries)
    return f"<node ID='{node_id(key)}' type='{kind}'>{inner}</node>"


def layout_file(root: str) -> bytes:
    """Return the file of a layout from the XML of its outermost group."""
    return zlib.compress(f"<?xml version='1.0' encoding='UTF-8'?><lexml version='3'>{root}</lexml>".encode())


def cdata(text: str) -> str:
    """Return a text as a CDATA section. Its end mark in the text is split."""
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def plain(value: float) -> str:
    """Return a number as the editor writes it: 1 for True, and no ``.0``."""
    return str(int(value)) if float(value).is_integer() else repr(value)


def _property(name: str, value: Property) -> str:
    if isinstance(value, tuple):
        text = "".join(f"<{field}>{plain(number)}</{field}>" for field, number in value._asdict().items())
    else:
        text = cdata(value) if isinstance(value, str) else plain(value)
    return f"<property type='{_LETTERS[type(value)]}'><key>{cdata(name)}</key><value>{text}</value></property>"


def _value(name: str, default: float | str) -> str:
    if isinstance(default, bool):
        text = "true" if default else "false"
    else:
        text = default if isinstance(default, str) else plain(default)
    fields = f"<locked>0</locked><lockedDefaultCurrent>0</lockedDefaultCurrent><default>{cdata(text)}</default>"
    return f"<value><key>{cdata(name)}</key>{fields}<defaultPull>0</defaultPull></value>"
