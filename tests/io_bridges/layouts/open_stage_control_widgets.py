"""Properties of the widgets of Open Stage Control, as the program's source declares them, and how it reads a session.

From jean-emmanuel/open-stage-control on GitHub, which is not published as a package: `defaults()` of
src/client/widgets/common/widget.mjs (1f1b566), containers/panel.mjs (15002ba), root.mjs (43a7a37), tab.mjs (27bdcdc),
basics/button.mjs and dropdown.mjs (6b68237) and input.mjs (0d7c052), indicators/text.mjs (6b68237),
sliders/fader.mjs (1f1b566), and src/client/parser.mjs (6b68237). Names and types are facts of the program.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_COLOURS = dict.fromkeys(("colorText", "colorWidget", "colorStroke", "colorFill"), "string")
_ALPHAS = dict.fromkeys(("alphaStroke", "alphaFillOff", "alphaFillOn", "lineWidth"), "number")
_PLACE = {"left": "number|string", **dict.fromkeys(("top", "width", "height"), "number|percentage")}
_WIDGET: Mapping[str, str] = {
    **dict.fromkeys(("lock", "visible", "interaction", "bypass", "ignoreDefaults"), "boolean"),
    **dict.fromkeys(("type", "id", "comments", "html", "css", "address", "typeTags"), "string"),
    **_PLACE,
    **_COLOURS,
    **_ALPHAS,
    **{"expand": "boolean|number", "borderRadius": "number|string", "padding": "number", "decimals": "integer"},
    **{"value": "*", "default": "*", "linkId": "string|array", "preArgs": "*", "target": "string|array|null"},
    **{"onCreate": "script", "onValue": "script"},
}
_LABEL = {"label": "string|boolean", "vertical": "boolean", "wrap": "=false|true|soft"}
_PANEL = {
    **_WIDGET,
    **{"variables": "*", "traversing": "=false|true|smart", "colorBg": "string", "gridTemplate": "string|number"},
    **{"layout": "=default|vertical|horizontal|grid", "justify": "=start|end|center|space-around|space-between"},
    **{"contain": "boolean", "innerPadding": "boolean", "scroll": "=true|false|hidden"},
    **{"tabsPosition": "=top|bottom|left|right|hidden", "value": "integer|array", "onTouch": "script"},
    **{"widgets": "array", "tabs": "array"},
}
_TAB_HAS_NOT = {*_PLACE, *_ALPHAS, "expand", "colorStroke"}
_ROOT_HAS_NOT = {"left", "top", "expand", "colorFill", "colorStroke", "alphaStroke", "alphaFillOff", "lineWidth"}
_ALIGN = "=center|left|right"

PROPERTIES: Mapping[str, Mapping[str, str]] = {
    "panel": _PANEL,
    "root": {key: each for key, each in _PANEL.items() if key not in _ROOT_HAS_NOT}
    | {"hideMenu": "boolean", "onPreload": "script"},
    "tab": {key: each for key, each in _PANEL.items() if key not in _TAB_HAS_NOT} | {"label": "string|boolean"},
    "text": {key: each for key, each in _WIDGET.items() if key not in ("typeTags", "ignoreDefaults")}
    | {"vertical": "boolean", "wrap": "=false|true|soft"}
    | {"align": f"{_ALIGN}|top|bottom|left top|left bottom|right top|right bottom"},
    "button": {**_WIDGET, **_LABEL, "colorTextOn": "string", "on": "*", "off": "*"}
    | {"mode": "=toggle|push|momentary|tap", "doubleTap": "boolean", "decoupled": "boolean"},
    "dropdown": {**_WIDGET, "label": "string|boolean", "icon": "boolean", "align": _ALIGN, "values": "array|object"},
    "input": {**_WIDGET, "align": _ALIGN, "unit": "string", "noCanvas": "boolean", "asYouType": "boolean"}
    | {"numeric": "boolean|number", "validation": "string", "maxLength": "number"},
    "fader": {**_WIDGET, "design": "=default|round|compact", "knobSize": "number", "colorKnob": "string"}
    | {"horizontal": "boolean", "pips": "boolean", "dashed": "boolean|array", "gradient": "array|object"}
    | {"snap": "boolean", "touchZone": "=all|knob|gauge", "spring": "boolean", "doubleTap": "boolean|string"}
    | {"range": "object", "logScale": "boolean|number", "sensitivity": "number", "steps": "number|array|string"}
    | {"origin": "number", "onTouch": "script"},
}
"""Types of the properties of each type of widget, by name. After ``=`` come the values that may be chosen."""

NEWEST_CONVERSION = (1, 24, 2)
"""Version of the last entry of `converters` in src/client/managers/session/session.mjs (6b68237): a session of this
version or an older one is changed when it is read."""

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "boolean": bool,
    "string": str,
    "script": str,
    "number": (int, float),
    "integer": int,
    "array": list,
    "object": dict,
    "null": type(None),
}


def problems(widget: Mapping[str, Any], is_tab: bool = False) -> Iterator[str]:
    """Yield what the program would drop, replace or misread in a widget and those in it."""
    kind, name = widget.get("type"), widget.get("id")
    if kind not in PROPERTIES:
        yield f"{name}: {kind} is read as a fader"
        return
    if is_tab != (kind == "tab"):
        yield f"{name}: a tab stands among tabs, and nothing else does"
    if widget.get("widgets") and widget.get("tabs"):
        yield f"{name}: widgets are left out beside tabs"
    for key, value in widget.items():
        declared = PROPERTIES[kind].get(key)
        if declared is None:
            yield f"{name}: {key} of a {kind} is dropped"
        elif not fits(value, declared):
            yield f"{name}: {key} is {declared}; {value!r} is given"
    for child in widget.get("widgets", ()):
        yield from problems(child)
    for child in widget.get("tabs", ()):
        yield from problems(child, is_tab=True)


def fits(value: object, declared: str) -> bool:
    """Return True if a value is of a declared type. ``@{id}`` stands for the value of another widget."""
    if declared.startswith("="):
        return (str(value).lower() if isinstance(value, bool) else value) in declared[1:].split("|")
    if declared == "*" or value == "auto" or (isinstance(value, str) and re.fullmatch(r"@\{.+\}", value)):
        return True
    for kind in declared.split("|"):
        if kind == "percentage":
            if isinstance(value, str) and re.fullmatch(r"[\d.]+%", value):
                return True
        elif isinstance(value, _KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool)):
            return True
    return False
