"""`session_of_chataigne`: a session of Chataigne with an OSCQuery module and a dashboard for each group of controls.

A ``.noisette`` file is JSON. Its keys are those of files that Chataigne 1.9.24 saved. The module has the tree that the
page of a show serves, so that the dashboards find their controls before a show runs; the program reads it again from
the show. Each container of the tree listens to the show. The program itself listens to no control outside a container.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from io_bridges.layouts.outline import LOOK, Outline, caption
from io_bridges.local_network import is_loopback
from io_bridges.oscquery.address_space import AddressSpace
from presets.declaration import ACTIONS, Action
from presets.parameter_table import PARAMETERS, Parameter, Value

Json = dict[str, Any]

MODULE = "Streamflow"
VALUES = "/modules/streamflow/values"
"""Address of the module's values in the session, which the program makes from the module's name."""

_META = {"version": "1.9.24", "versionNumber": 67864}
_VIEW = {"viewOffset": [0, 0], "viewZoom": 1.0}
_HIDDEN = {"hideInEditor": True, **_VIEW}
_WIDTH, _HEIGHT, _GAP, _COLUMNS = 360, 36, 8, 2
_PANELS = {"Modules": 300, "Dashboard": 900, "Inspector": 300}
_PANEL_HEIGHT = 900


@dataclass(frozen=True, slots=True)
class _DeclaredShow:
    """The controls as they are declared, without a show that runs."""

    looks: Sequence[str]

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return PARAMETERS

    @property
    def actions(self) -> Mapping[str, Action]:
        return {action.address: action for action in ACTIONS}

    def values(self) -> dict[str, Value]:
        return {address: parameter.default for address, parameter in PARAMETERS.items()}

    def preset_names(self) -> list[str]:
        return list(self.looks)

    def status(self) -> dict[str, object]:
        return {}


def session_of_chataigne(outline: Outline, host: str, osc_port: int, page_port: int) -> bytes:
    """Return the session.

    Args:
        outline: The controls of the dashboards, with the looks of the menu.
        host: Host of the show, as Chataigne reaches it.
        osc_port: UDP port of the show's OSC.
        page_port: TCP port of the show's page, which serves OSCQuery.
    """
    tree = AddressSpace(_DeclaredShow(outline.looks)).node("/")
    looks = [PARAMETERS[LOOK]] if outline.looks else []
    boards = [("show", [*outline.top_row, *looks])]
    boards += [(each.group.value, list(each.parameters)) for each in outline.sections]
    boards += [("actions", list(outline.actions))]
    session = {
        "metaData": _META,
        "projectSettings": {"containers": {"dashboardSettings": {}, "customDefinitions": {}}},
        "dashboardManager": {"items": [_dashboard(name, controls, tree) for name, controls in boards], **_VIEW},
        "parrots": _VIEW,
        "layout": {"mainLayout": _panels(), "windows": None},
        "modules": {"items": [_module(tree, host, osc_port, page_port)], **_VIEW},
        "customVariables": _VIEW,
        "states": {**_VIEW, "transitions": _HIDDEN, "comments": _HIDDEN},
        "sequences": _VIEW,
        "routers": _VIEW,
    }
    return json.dumps(session, indent=1, ensure_ascii=False).encode()


def _module(tree: Json, host: str, osc_port: int, page_port: int) -> Json:
    output = {
        "parameters": [
            _set("/local", is_loopback(host)),
            _set("/remoteHost", host),
            _set("/remotePort", page_port, hexMode=False),
            _set("/customOSCPort", osc_port, hexMode=False, enabled=True),
        ]
    }
    return {
        "niceName": MODULE,
        "type": "OSCQuery",
        "scripts": _VIEW,
        "params": {"containers": {"output": output}},
        "templates": _VIEW,
        "values": {"containers": _listening(tree)},
        "treeData": tree,
        "hasListenExtension": True,
    }


def _listening(node: Json) -> Json:
    """Return the containers of a node by name, each with its switch to listen turned on."""
    return {
        name: {
            "parameters": [_set("/listen", True)],
            "editorIsCollapsed": True,
            "containers": _listening(child),
            "owned": True,
            "niceName": name,
        }
        for name, child in node["CONTENTS"].items()
        if "CONTENTS" in child
    }


def _dashboard(name: str, controls: Sequence[Parameter | Action], tree: Json) -> Json:
    items: list[Json] = []
    for control in controls:
        kind = _kind(control.address, tree)
        if not kind:
            continue  # /prompt, which is a container: the prompts have fields of their own
        column, line = len(items) % _COLUMNS, len(items) // _COLUMNS
        place = [(column - _COLUMNS / 2) * (_WIDTH + _GAP), line * (_HEIGHT + _GAP) - _PANEL_HEIGHT / 3]
        address = VALUES + control.address
        parameters = [
            _set("/viewUIPosition", place),
            _set("/viewUISize", [_WIDTH, _HEIGHT]),
            _set("/target", address),
            _set("/customText", caption(control), enabled=True),
        ]
        item = {"niceName": caption(control), "hideInEditor": True, "type": f"Dashboard{kind}Item"}
        items.append({"parameters": parameters, **item, "ghostAddress": address, "controllable": address})
    canvas = _set("/canvasSize", [1200, 800], enabled=False)
    return {"niceName": name, "type": "BaseItem", "itemManager": {"parameters": [canvas], "items": items, **_VIEW}}


def _kind(address: str, tree: Json) -> str:
    """Return the kind of item for an address: ``Trigger``, ``Parameter``, or nothing for a container."""
    node = tree
    for name in address.strip("/").split("/"):
        node = node["CONTENTS"][name]
    return {"": "", "I": "Trigger"}.get(node.get("TYPE", ""), "Parameter")


def _panels() -> Json:
    """Return the panels of the window, side by side. Kind 1 holds others, 0 shows one; direction 1 is across."""
    panels = [
        {"type": 0, "width": width, "height": _PANEL_HEIGHT, "currentContent": name, "tabs": [{"name": name}]}
        for name, width in _PANELS.items()
    ]
    size = {"type": 1, "width": sum(_PANELS.values()), "height": _PANEL_HEIGHT}
    return {**size, "direction": 2, "shifters": [{**size, "direction": 1, "shifters": panels}]}


def _set(address: str, value: object, **properties: object) -> Json:
    return {"value": value, "controlAddress": address, **properties}
