"""`layout_of_touchosc`: a layout of TouchOSC with every control of a show.

TouchOSC has no field to type in, so texts are shown and not set. A choice with too many names for buttons is stepped.
The host and the ports are settings of the program, no part of a layout. A script renews the subscription to feedback.
"""

from collections.abc import Sequence
from itertools import cycle

from io_bridges.layouts.outline import LOOK, Outline, caption, limits, look_address
from io_bridges.layouts.tosc_messages import CHANGED, PRESSED, RELEASED, Argument, osc_message, shown_in
from io_bridges.layouts.tosc_nodes import Clear, Rectangle, Tint, layout_file, node
from presets.declaration import ADD, Action, Effect
from presets.parameter_table import Parameter

WIDTH, HEIGHT = 1024, 768
"""Size of the layout in points. The program scales it to its screen."""
TOP, TABS, GAP = 70, 40, 4
MOST_BUTTONS = 10
"""Most choices of a control that get a button each."""

_IN_A_LINE = 5
"""Most buttons of choices side by side."""
_LOOK_COLUMNS = 6
_TALLEST = 64
_GREY = Tint(0.25, 0.27, 0.32)
_TOP_TINTS = {"/panic": Tint(0.88, 0.2, 0.28), "/freeze": Tint(0.3, 0.62, 0.9), "/blackout": Tint(0.9, 0.6, 0.2)}
_TINTS = (Tint(0.2, 0.75, 0.65), Tint(0.4, 0.6, 0.95), Tint(0.75, 0.5, 0.9), Tint(0.95, 0.7, 0.3))

_SCRIPT = """local due = 0
function update()
  if getMillis() >= due then
    due = getMillis() + 60000
    sendOSC({{ '/subscribe', {{ {{ tag = 'i', value = {port} }} }} }})
  end
end
"""
"""Script that subscribes to feedback once a minute. A show forgets a surface after ten minutes."""


def layout_of_touchosc(outline: Outline, feedback_port: int) -> bytes:
    """Return the file. `feedback_port` is the receive port of the program's connection."""
    body = Rectangle(0, TOP, WIDTH, HEIGHT - TOP)
    page = Rectangle(0, TABS, WIDTH, body.h - TABS)
    pages = [_page("looks", page, _looks(outline.looks, page))] if outline.looks else []
    for section, tint in zip(outline.sections, cycle(_TINTS), strict=False):
        pages.append(_page(section.group.value, page, _cells(section.parameters, page, tint)))
    if buttons := [action for action in outline.actions if not action.argument]:
        pages.append(_page("actions", page, _actions(buttons, page)))
    pager = node("PAGER", "pages", body, _GREY, {"page": 0.0}, children=pages)
    root = node(
        "GROUP",
        "streamflow-live",
        Rectangle(0, 0, WIDTH, HEIGHT),
        Tint(0.05, 0.05, 0.07),
        {},
        children=[*_top_row(outline.top_row), pager],
        background=True,
        script=_SCRIPT.format(port=feedback_port),
    )
    return layout_file(root)


def left_out(outline: Outline) -> list[str]:
    """Return the addresses of the texts, which the layout shows and cannot set, and of the actions that need one."""
    texts = [each.address for section in outline.sections for each in section.parameters if each.kind == "text"]
    return texts + [action.address for action in outline.actions if action.argument]


def _page(name: str, frame: Rectangle, children: Sequence[str]) -> str:
    dark, light = Tint(0.2, 0.2, 0.24), Tint(0.2, 0.75, 0.65)
    return node(
        "GROUP", f"page {name}", frame, Clear, {}, children=children, tabLabel=name, tabColorOff=dark, tabColorOn=light,
        textColorOff=Tint(1, 1, 1), textColorOn=Tint(0, 0, 0),
    )  # fmt: skip


def _top_row(controls: Sequence[Parameter | Action]) -> list[str]:
    """Return the buttons of the top row, and the name of the look on air."""
    width = WIDTH / (len(controls) + 1)
    nodes: list[str] = []
    for place, control in enumerate(controls):
        frame = Rectangle(place * width + GAP, GAP, width - 2 * GAP, TOP - 2 * GAP)
        tint = _TOP_TINTS.get(control.address, _GREY)
        nodes += _switch(control, frame, tint) if isinstance(control, Parameter) else _press(control, frame, tint)
    frame = Rectangle(len(controls) * width + GAP, GAP, width - 2 * GAP, TOP - 2 * GAP)
    return [*nodes, _shown(LOOK, "look on air", frame)]


def _looks(names: Sequence[str], page: Rectangle) -> list[str]:
    nodes: list[str] = []
    for name, frame in zip(names, _grid(page, len(names), _LOOK_COLUMNS), strict=True):
        messages = [osc_message(look_address(name), on=PRESSED), _asking(LOOK)]
        nodes += _button(f"look {name}", name, frame, _GREY, messages)
    return nodes


def _actions(actions: Sequence[Action], page: Rectangle) -> list[str]:
    frames = _grid(page, len(actions), _LOOK_COLUMNS)
    return [xml for action, frame in zip(actions, frames, strict=True) for xml in _press(action, frame, _GREY)]


def _cells(parameters: Sequence[Parameter], page: Rectangle, tint: Tint) -> list[str]:
    """Return the nodes of a section, in two columns: name and value at the left, control at the right."""
    nodes: list[str] = []
    for parameter, cell in zip(parameters, _grid(page, len(parameters), 2), strict=True):
        key, half = parameter.address, cell.h / 2
        side = Rectangle(cell.x, cell.y, cell.w * 0.28, half)
        control = Rectangle(cell.x + cell.w * 0.29, cell.y, cell.w * 0.71, cell.h)
        below = side._replace(y=cell.y + half)
        nodes.append(_text(f"name {key}", caption(parameter), side))
        if parameter.kind == "text":
            nodes.append(_shown(key, f"value {key}", control))
        elif parameter.kind == "bool":
            nodes += _switch(parameter, control, tint, with_name=False)
        elif len(parameter.choices) > MOST_BUTTONS:
            nodes += [_shown(key, f"value {key}", control), *_steps(parameter, control, tint)]
        elif parameter.choices:
            nodes += [_shown(key, f"value {key}", below), *_choices(parameter, control, tint)]
        else:
            low, high = limits(parameter)
            nodes += [
                _text(f"value {key}", f"{parameter.default:g}", below),
                _fader(parameter, control, tint, low, high),
            ]
    return nodes


def _fader(parameter: Parameter, frame: Rectangle, tint: Tint, low: float, high: float) -> str:
    value = Argument("VALUE", "FLOAT" if parameter.kind == "float" else "INTEGER", "x", low, high)
    # A control of the renderer sends when it is let go: each value asks for another renderer.
    sent = (RELEASED, "touch") if parameter.effect is Effect.REBUILD else (CHANGED, "x")
    message = osc_message(parameter.address, value, on=sent[0], of=sent[1], receives=True)
    start = (float(parameter.default) - low) / (high - low)
    shown = shown_in(f"value {parameter.address}", low, high)
    return node("FADER", parameter.address, frame, tint, {"x": start}, [message, shown])


def _switch(parameter: Parameter, frame: Rectangle, tint: Tint, with_name: bool = True) -> list[str]:
    value = Argument("VALUE", "INTEGER", "x")
    message = osc_message(parameter.address, value, on=CHANGED, receives=True)
    start = float(bool(parameter.default))
    button = node("BUTTON", parameter.address, frame, tint, {"x": start}, [message], buttonType=2)
    return [button, _text(f"name {parameter.address}", caption(parameter), frame)] if with_name else [button]


def _press(action: Action, frame: Rectangle, tint: Tint) -> list[str]:
    return _button(action.address, caption(action), frame, tint, [osc_message(action.address, on=PRESSED)])


def _choices(parameter: Parameter, frame: Rectangle, tint: Tint) -> list[str]:
    """Return a button for each choice. Each sends its name, and the label beside them shows the name on air."""
    nodes: list[str] = []
    columns = min(len(parameter.choices), _IN_A_LINE)
    lines = -(-len(parameter.choices) // columns)
    for place, choice in enumerate(parameter.choices):
        width, height = frame.w / columns, frame.h / lines
        part = Rectangle(frame.x + place % columns * width, frame.y + place // columns * height, width - 2, height - 2)
        message = osc_message(parameter.address, Argument("CONSTANT", "STRING", choice), on=PRESSED)
        messages = [message, _asking(parameter.address)]
        nodes += _button(f"{parameter.address} {choice}", choice.replace("_", " "), part, tint, messages, size=11)
    return nodes


def _steps(parameter: Parameter, frame: Rectangle, tint: Tint) -> list[str]:
    """Return two buttons at the ends of a place that go to the choice before and after."""
    nodes: list[str] = []
    width = frame.w / 5
    for step, name, x in ((-1, "<", frame.x), (1, ">", frame.x + frame.w - width)):
        message = osc_message(parameter.address + ADD, Argument("CONSTANT", "INTEGER", str(step)), on=PRESSED)
        place = Rectangle(x, frame.y, width, frame.h)
        messages = [message, _asking(parameter.address)]
        nodes += _button(f"{parameter.address} {name}", name, place, tint, messages, size=22)
    return nodes


def _asking(address: str) -> str:
    """Return the message that polls an address when a button is let go, for the label that shows it.

    The show never echoes a change to the surface that made it.
    """
    return osc_message(address, Argument("CONSTANT", "STRING", "?"), on=RELEASED)


def _button(key: str, name: str, frame: Rectangle, tint: Tint, messages: Sequence[str], size: int = 14) -> list[str]:
    return [node("BUTTON", key, frame, tint, {"x": 0.0}, messages), _text(f"name {key}", name, frame, size)]


def _text(key: str, text: str, frame: Rectangle, size: int = 14) -> str:
    return node("LABEL", key, frame, Clear, {"text": text}, textSize=size)


def _shown(address: str, key: str, frame: Rectangle) -> str:
    """Return a label with the text that the show has at an address."""
    message = osc_message(address, Argument("VALUE", "STRING", "text"), receives=True)
    return node("LABEL", key, frame, Clear, {"text": "–"}, [message])


def _grid(page: Rectangle, number: int, columns: int) -> list[Rectangle]:
    """Return places in columns, filled line by line, for a number of controls on a page."""
    lines = -(-number // columns)
    width, height = page.w / columns, min(page.h / max(lines, 1), _TALLEST)
    return [
        Rectangle(place % columns * width + GAP, place // columns * height + GAP, width - 2 * GAP, height - 2 * GAP)
        for place in range(number)
    ]
