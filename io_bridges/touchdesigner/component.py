"""Builds the component in a TouchDesigner project: `build` makes a COMP with every control of a running show.

The component has a TOP input, which goes to the show, and a TOP output, which is the show's picture. Its custom
parameters are made from the declaration that the show serves, so they are always those of the show.
"""

import re
from typing import Any

from io_bridges.touchdesigner.remote import controls
from io_bridges.touchdesigner.session import SESSIONS, Session

_FIND = """import sys

def session():
    module = sys.modules.get('io_bridges.touchdesigner.session')
    return module.SESSIONS.get(parent().path) if module else None

"""
_CALLBACKS = {
    "video_callbacks": """def onCook(scriptOp):
    if session():
        session().cook(scriptOp)
""",
    "each_frame": """def onFrameStart(frame):
    if session():
        session().frame()
""",
    "on_change": """def onValueChange(par, prev):
    if session():
        session().value_changed(par)

def onPulse(par):
    if session():
        session().pulsed(par)
""",
}
"""Texts of the DATs. They do nothing until `build` has made the session of this run of TouchDesigner."""

_LONGEST_NAME = 30


def build(
    parent: Any,
    page: str = "http://127.0.0.1:8090",
    osc: tuple[str, int] = ("127.0.0.1", 9000),
    name: str = "streamflow",
    send_as: str = "touchdesigner",
    receive_from: str = "streamflow",
) -> Any:
    """Make the component, or make it anew, and return it. The show must be running.

    Args:
        parent: COMP to make it in, such as ``op('/project1')``.
        page: Address of the show's page.
        osc: Host and port of the show's OSC.
        name: Name of the component.
        send_as: Shared memory that the input goes to; the show has ``--source shm:touchdesigner``.
        receive_from: Shared memory that the output comes from; the show has ``--sink shm:streamflow``.

    Raises:
        OSError: there is no show at `page`.
    """
    declaration = controls(page)
    old = parent.op(name)
    if old is not None:
        if session := SESSIONS.pop(old.path, None):
            session.close()
        old.destroy()
    component = parent.create("baseCOMP", name)
    addresses = _add_parameters(component, declaration, send_as, receive_from)
    _add_operators(component)
    SESSIONS[component.path] = Session(component, addresses, page, osc)
    return component


def _add_operators(component: Any) -> None:
    source = component.create("inTOP", "in1")
    callbacks = component.create("textDAT", "video_callbacks")
    callbacks.text = _FIND + _CALLBACKS["video_callbacks"]
    video = component.create("scriptTOP", "video")
    video.par.callbacks = callbacks
    output = component.create("outTOP", "out1")
    output.inputConnectors[0].connect(video)
    each_frame = component.create("executeDAT", "each_frame")
    each_frame.text = _FIND + _CALLBACKS["each_frame"]
    each_frame.par.framestart = True
    each_frame.par.active = True
    on_change = component.create("parameterexecuteDAT", "on_change")
    on_change.text = _FIND + _CALLBACKS["on_change"]
    on_change.par.op = component.path
    on_change.par.pars = "*"
    on_change.par.custom = True
    on_change.par.builtin = False
    on_change.par.valuechange = True
    on_change.par.onpulse = True
    on_change.par.active = True
    for place, operator in enumerate((source, video, output, callbacks, each_frame, on_change)):
        operator.nodeX, operator.nodeY = 200 * (place % 3), -200 * (place // 3)


def _add_parameters(component: Any, declaration: dict[str, Any], send_as: str, receive_from: str) -> dict[str, str]:
    """Add a custom parameter for each control and action. Return the OSC addresses by parameter name."""
    page = component.appendCustomPage("StreamFlow")
    page.appendToggle("Send", label="Send the input")[0].val = True
    page.appendStr("Sendas", label="Send as")[0].val = send_as
    page.appendStr("Receivefrom", label="Receive from")[0].val = receive_from
    addresses: dict[str, str] = {}
    for action in declaration["actions"]:
        if not action["argument"]:
            name = parameter_name(action["address"], addresses)
            page.appendPulse(name, label=_label(action["address"]))
            addresses[name] = action["address"]
    pages: dict[str, Any] = {}
    for control in declaration["declaration"]:
        title = str(control["group"]).capitalize()
        if title not in pages:
            pages[title] = component.appendCustomPage(title)
        name = parameter_name(control["address"], addresses)
        looks = declaration["presets"] if control["address"] == "/preset" else None
        _add_parameter(pages[title], name, control, looks)
        addresses[name] = control["address"]
    return addresses


def _add_parameter(page: Any, name: str, control: dict[str, Any], names: list[str] | None) -> None:
    """Add a custom parameter. A text with known `names` is a menu that takes others too."""
    label, kind = _label(control["address"]), control["kind"]
    if kind in ("float", "int"):
        append = page.appendFloat if kind == "float" else page.appendInt
        parameter = append(name, label=label)[0]
        low, high = control["minimum"], control["maximum"]
        if low is not None:
            parameter.min, parameter.clampMin, parameter.normMin = low, True, low
        if high is not None:
            parameter.max, parameter.clampMax, parameter.normMax = high, True, high
    elif kind == "bool":
        parameter = page.appendToggle(name, label=label)[0]
    elif kind == "choice" or names is not None:
        append = page.appendMenu if names is None else page.appendStrMenu
        parameter = append(name, label=label)[0]
        parameter.menuNames = parameter.menuLabels = list(control["choices"] if names is None else names)
    else:
        parameter = page.appendStr(name, label=label)[0]
    parameter.default = parameter.val = control["default"]
    parameter.help = str(control["description"])


def parameter_name(address: str, taken: Any) -> str:
    """Return a name that TouchDesigner allows: a capital, then small letters and digits. It is not in `taken`."""
    plain = re.sub(r"[^a-z0-9]", "", address.lower()) or "control"
    stem = (plain if plain[0].isalpha() else f"p{plain}")[:_LONGEST_NAME].capitalize()
    number, name = 2, stem
    while name in taken or name in ("Send", "Sendas", "Receivefrom"):
        name, number = f"{stem}x{number}", number + 1
    return name


def _label(address: str) -> str:
    return address.strip("/").replace("/", " ").replace("_", " ").capitalize()
