"""The session of Chataigne: keys as the program saves them, a tree that it reads, and every message sent to a show."""

from typing import Any

from layout_messages import ARGUMENTLESS, TAKING, TYPED, assert_taken, send
from pythonoscquery.shared.osc_path_node import OSCPathNode

from daemon.stage.show_wrapper import ShowWrapper
from presets.declaration import Group
from presets.parameter_table import PARAMETERS

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


KINDS = {
    "Trigger": {"N", "I"},
    "Parameter": {"i", "h", "f", "d", "ii", "ff", "iii", "fff", "iiii", "ffff", "r", "s", "S", "c", "T", "F"},
}
"""Types of OSCQuery of which the module makes a trigger, and a parameter. Of any other it makes nothing, and an item of
a dashboard would show nothing. From `createOrUpdateControllableFromData` in GenericOSCQueryModule.cpp of
benkuper/Chataigne (01cd0bc)."""


def test_tree_is_made_into_controls(noisette: Any) -> None:
    """The module names containers and controls as the tree does, and makes a menu of a text with a range."""
    (module,) = noisette["modules"]["items"]
    for item in dashboard_items(noisette):
        node, names = module["treeData"], item["controllable"].split("/")[4:]
        for name in names:
            node = node["CONTENTS"][name]
        assert "CONTENTS" not in node, "the module makes a container of it"
        assert node["TYPE"] in KINDS[item["type"].removeprefix("Dashboard").removesuffix("Item")], names
        if node["TYPE"] in ("i", "f"):
            assert {"MIN", "MAX"} <= node["RANGE"][0].keys(), names
            assert node["RANGE"][0]["MIN"] <= node["VALUE"][0] <= node["RANGE"][0]["MAX"], names
        if node["TYPE"] == "s" and "RANGE" in node:
            assert node["VALUE"][0] in node["RANGE"][0]["VALS"] or names == ["preset"], "the menu shows the value"


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
