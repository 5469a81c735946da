"""`session_file`: a session of Open Stage Control with every control of a show.

The format is JSON. Widgets and their properties follow the program's reference
(openstagecontrol.ammd.net/docs/widgets/properties-reference) as of version 1.25; its loader takes sessions of older
versions. Each widget sends to the show by its `target`, and the session subscribes to feedback by a script, so the
program needs no options.
"""

import json
from typing import Any

from io_bridges.layouts.outline import LOOK, Outline, Section, caption, is_typed, limits, look_address
from presets.declaration import Action, Effect
from presets.parameter_table import Parameter

Widget = dict[str, Any]
"""JSON object of one widget."""

VERSION = "1.25.0"
"""Version of the format. A newer program converts what it has changed since."""

RENEWAL = 60
"""Seconds between two subscriptions. A show forgets a surface after ten minutes."""

_BARE: Widget = {"alphaStroke": 0, "padding": 2, "innerPadding": False, "scroll": False}
"""Properties of a panel that only arranges others."""
_COLOURS = {"/panic": "#e0364c", "/freeze": "#58a6e8", "/blackout": "#e09a3c"}


def session_file(outline: Outline, host: str, port: int, feedback_port: int | None = None) -> bytes:
    """Return the session.

    Args:
        outline: The controls.
        host: Host of the show, as the machine of Open Stage Control reaches it.
        port: UDP port of the show's OSC.
        feedback_port: Port that Open Stage Control listens on. None is the one that it sends from, which it listens on
            too.
    """
    maker = _WidgetMaker(f"{host}:{port}")
    tabs = [_tab("looks", [maker.look(name) for name in outline.looks])] if outline.looks else []
    tabs += [_tab(each.group.value, maker.section(each)) for each in outline.sections]
    tabs += [_tab("actions", [maker.action(each) for each in outline.actions])]
    row = [maker.top_button(each) for each in outline.top_row]
    root = {
        "type": "root",
        "id": "root",
        "layout": "vertical",
        "onCreate": _subscription(f"{host}:{port}", feedback_port),
        "widgets": [
            {
                "type": "panel",
                "id": "top",
                "layout": "horizontal",
                "height": 70,
                **_BARE,
                "widgets": [*row, maker.on_air()],
            },
            {"type": "panel", "id": "pages", "expand": True, "tabs": tabs},
        ],
    }
    session = {"createdWith": "Open Stage Control", "version": VERSION, "type": "session", "content": root}
    return json.dumps(session, indent=1, ensure_ascii=False).encode()


def _tab(name: str, widgets: list[Widget]) -> Widget:
    return {"type": "tab", "id": f"page_{name}", "label": name, "widgets": widgets}


def _subscription(target: str, port: int | None) -> str:
    """Return the script that subscribes now, and again before the show forgets the surface."""
    argument = "" if port is None else f", {{type: 'i', value: {port}}}"
    send = f"send({json.dumps(target)}, '/subscribe'{argument})"
    return f"{send}\nsetInterval('subscribe', () => {{ {send} }}, {1000 * RENEWAL})"


class _WidgetMaker:
    """Makes the widgets of one session."""

    def __init__(self, target: str) -> None:
        self._target = target

    def section(self, section: Section) -> list[Widget]:
        """Return a captioned widget for each parameter of a section."""
        return [self._captioned(each, self._control(each)) for each in section.parameters]

    def look(self, name: str) -> Widget:
        """Return the button that loads a preset, and then polls its name: the show never echoes a change."""
        poll = f"send('{LOOK}', {{type: 's', value: '?'}})"
        return self._widget(
            "button", look_address(name), mode="momentary", onValue=poll, label=name, wrap="soft", width=150, height=60
        )

    def top_button(self, control: Parameter | Action) -> Widget:
        """Return a button of the top row, which stretches."""
        address = control.address
        own = {"id": f"top_{address.strip('/')}", "expand": True, "colorWidget": _COLOURS.get(address, "auto")}
        return (self._switch(control) if isinstance(control, Parameter) else self._button(control)) | own

    def on_air(self) -> Widget:
        """Return the text that names the look on air. It only listens."""
        return {"type": "text", "id": "on_air", "address": LOOK, "default": "–", "width": 200}

    def action(self, action: Action) -> Widget:
        """Return a button, or a field for an action that takes a text."""
        if not action.argument:
            return self._button(action) | {"width": 150, "height": 60}
        return self._captioned(action, self._widget("input", action.address, typeTags="s", align="left"))

    def _captioned(self, control: Parameter | Action, widget: Widget) -> Widget:
        """Return a panel with a widget under its name, and the value of a fader beside the name."""
        name = widget["id"]
        text: Widget = {"type": "text", "bypass": True, "height": 22}
        line = [{**text, "id": f"{name}_name", "default": caption(control), "align": "left", "expand": True}]
        if widget["type"] == "fader":
            line.append({**text, "id": f"{name}_value", "value": f"@{{{name}}}", "align": "right", "width": 80})
        top = {"type": "panel", "id": f"{name}_line", "layout": "horizontal", "height": 26, **_BARE, "widgets": line}
        return {
            "type": "panel",
            "id": f"{name}_cell",
            "comments": control.description,
            "layout": "vertical",
            "width": 320,
            "height": 76,
            **_BARE,
            "widgets": [top, {**widget, "expand": True}],
        }

    def _control(self, parameter: Parameter) -> Widget:
        if parameter.kind == "bool":
            return self._switch(parameter)
        if parameter.kind == "choice":
            values = list(parameter.choices)
            return self._widget("dropdown", parameter.address, values=values, default=parameter.default, typeTags="s")
        if parameter.kind == "text":
            # A default would come back whenever the field is emptied.
            return self._widget("input", parameter.address, typeTags="s", align="left")
        decimals, tags = (4, "f") if parameter.kind == "float" else (0, "i")
        number = {"decimals": decimals, "typeTags": tags, "default": parameter.default}
        if is_typed(parameter) or parameter.effect is Effect.REBUILD:
            # A fader would ask for another renderer at every step of its way.
            return self._widget("input", parameter.address, numeric=parameter.multiple_of or 1, **number)
        low, high = limits(parameter)
        return self._widget(
            "fader", parameter.address, horizontal=True, design="compact", range={"min": low, "max": high},
            doubleTap=True, **number,
        )  # fmt: skip

    def _switch(self, parameter: Parameter) -> Widget:
        default = int(bool(parameter.default))
        return self._widget(
            "button",
            parameter.address,
            mode="toggle",
            on=1,
            off=0,
            typeTags="i",
            default=default,
            label=caption(parameter),
        )

    def _button(self, action: Action) -> Widget:
        return self._widget("button", action.address, mode="momentary", label=caption(action))

    def _widget(self, kind: str, address: str, **properties: Any) -> Widget:
        name = address.strip("/").replace("/", "_")
        return {"type": kind, "id": name, "address": address, "target": self._target, **properties}
