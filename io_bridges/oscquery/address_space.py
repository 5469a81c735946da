"""`AddressSpace`: the OSCQuery description of every control, built from the declaration.

Follows the OSCQuery proposal (github.com/Vidvox/OSCQueryProposal): each node is a JSON object with ``FULL_PATH``, and a
method has ``TYPE``, ``ACCESS``, ``VALUE``, ``RANGE``, ``DESCRIPTION``, ``UNIT``, ``CLIPMODE`` and ``TAGS``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from io_bridges.osc.surface_requests import PING, PONG
from presets.declaration import Action
from presets.parameter_table import Parameter, Value

Node = dict[str, Any]
"""JSON object of one node."""

NO_VALUE, READ, WRITE, READ_WRITE = 0, 1, 2, 3
"""Values of ``ACCESS``."""

ATTRIBUTES: Final = frozenset(
    ("FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "VALUE", "RANGE", "DESCRIPTION", "UNIT", "CLIPMODE", "TAGS")
)
"""Attributes that a client can ask for, one a request: ``/strength?VALUE``."""

EXTENSIONS: Final = {
    **dict.fromkeys(("ACCESS", "VALUE", "RANGE", "DESCRIPTION", "UNIT", "CLIPMODE", "TAGS", "LISTEN"), True),
    **dict.fromkeys(("CRITICAL", "OVERLOADS", "HTML", "ECHO", "PATH_CHANGED", "PATH_ADDED", "PATH_REMOVED"), False),
}
"""Optional parts of the protocol, and True for those that this server has."""

MEASURED: Final = {
    "/streamflow/fps": ("fps", "pictures drawn a second", "pictures/s"),
    "/streamflow/latency": ("latency_ms", "time from the arrival of a frame to its picture", "ms"),
}
"""Read-only numbers by address: their key in the status, description and unit."""

_TYPES = {"float": "f", "int": "i", "text": "s", "choice": "s"}


class DescribedShow(Protocol):
    """The part of a show that a description needs; `ShowControl` has all of it."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Return the controls by address."""
        ...

    @property
    def actions(self) -> Mapping[str, Action]:
        """Return the actions by address."""
        ...

    def values(self) -> dict[str, Value]:
        """Return the value of each control by address."""
        ...

    def preset_names(self) -> list[str]:
        """Return the names of the presets that can be loaded."""
        ...

    def status(self) -> dict[str, object]:
        """Return the state of the show."""
        ...


class AddressSpace:
    """The tree of nodes of one show. Values are read when a node is asked for."""

    def __init__(self, show: DescribedShow) -> None:
        self._show = show
        self._children = _children([*show.parameters, *show.actions, PING, *MEASURED])
        self._methods = {path: tuple(self._found_methods(path)) for path in self._children}

    def __contains__(self, path: str) -> bool:
        return path in self._children

    def node(self, path: str) -> Node:
        """Return the node of a path, with all nodes below it. Raises `KeyError` for an unknown path."""
        return self._node(path, self._show.values())

    def route_paths(self) -> list[str]:
        """Return the paths of Starlette's routes to all nodes but the root."""
        return [path for name in self._children["/"] for path in (f"/{name}", f"/{name}/{{rest:path}}")]

    def methods(self, path: str) -> Sequence[str]:
        """Return the path itself and all paths below it that have a value. Raises `KeyError` for an unknown path."""
        return self._methods[path]

    def _found_methods(self, path: str) -> list[str]:
        below = [method for name in self._children[path] for method in self._found_methods(_join(path, name))]
        return [path, *below] if path in self._show.parameters or path in MEASURED else below

    def values(self) -> dict[str, Value]:
        """Return the value of every method that can be read, by its path."""
        return {**self._show.values(), **self.measured()}

    def measured(self) -> dict[str, Value]:
        """Return the read-only numbers by their paths."""
        status = self._show.status()
        return {path: _measured(status, path) for path in MEASURED}

    def _node(self, path: str, values: Mapping[str, Value]) -> Node:
        node = {"FULL_PATH": path, **self._method(path, values)}
        if names := self._children[path]:
            node["CONTENTS"] = {name: self._node(_join(path, name), values) for name in names}
        return node

    def _method(self, path: str, values: Mapping[str, Value]) -> Node:
        if path in self._show.parameters:
            return self._parameter(self._show.parameters[path], values[path])
        if path in self._show.actions and not self._children[path]:
            # An action that is also a container, /prompt, is described as a container: some clients refuse both.
            return _action(self._show.actions[path])
        if path == PING:
            return _action(Action(PING, f"answer {PONG} with the same arguments, and count nothing"))
        if path in MEASURED:
            _, description, unit = MEASURED[path]
            value = _measured(self._show.status(), path)
            return {"TYPE": "f", "ACCESS": READ, "VALUE": [value], "DESCRIPTION": description, "UNIT": [unit]}
        return {"ACCESS": NO_VALUE}

    def _parameter(self, parameter: Parameter, value: Value) -> Node:
        node: Node = {
            "TYPE": ("T" if value else "F") if parameter.kind == "bool" else _TYPES[parameter.kind],
            "ACCESS": READ_WRITE,
            "VALUE": [value],
            "DESCRIPTION": parameter.description,
            "TAGS": [parameter.group.value, parameter.effect.value],
        }
        if limits := self._limits(parameter):
            node["RANGE"] = [limits]
        if "MIN" in limits and "MAX" in limits:
            node["CLIPMODE"] = ["both"]
        if parameter.unit:
            node["UNIT"] = [parameter.unit]
        return node

    def _limits(self, parameter: Parameter) -> Mapping[str, Any]:
        if parameter.address == "/preset":
            return {"VALS": self._show.preset_names()}
        if parameter.choices:
            return {"VALS": list(parameter.choices)}
        limits = {"MIN": parameter.minimum, "MAX": parameter.maximum}
        return {name: limit for name, limit in limits.items() if limit is not None}


def _measured(status: Mapping[str, object], path: str) -> float:
    """Return a measured number, 0 while there is none."""
    number = status.get(MEASURED[path][0])
    return float(number) if isinstance(number, int | float) and math.isfinite(number) else 0.0


def _action(action: Action) -> Node:
    # An action has no value. The placeholder is for clients that refuse a method without one.
    kind, value, takes = ("s", "", f"; takes {action.argument}") if action.argument else ("I", None, "")
    return {
        "TYPE": kind,
        "ACCESS": WRITE,
        "VALUE": [value],
        "DESCRIPTION": f"{action.description}{takes}",
        "TAGS": ["action"],
    }


def _join(path: str, name: str) -> str:
    return f"{path.rstrip('/')}/{name}"


def _children(paths: Sequence[str]) -> dict[str, list[str]]:
    """Return the names directly below every path, the root ``/`` included, in the order of the paths."""
    children: dict[str, list[str]] = {"/": []}
    for path in paths:
        parent = "/"
        for name in path.strip("/").split("/"):
            if name not in children[parent]:
                children[parent].append(name)
            parent = _join(parent, name)
            children.setdefault(parent, [])
    return children
