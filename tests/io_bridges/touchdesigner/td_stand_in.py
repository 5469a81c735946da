"""Stand-ins for the objects of TouchDesigner that the component touches, as Derivative documents them.

Names that Derivative's pages do not have are refused: operators, parameters, members of parameters (Par Class, Page
Class, Execute DAT, Parameter Execute DAT, Script TOP; docs.derivative.ca, as andrewdoud/TD-Docs on GitHub keeps them).
"""

# ruff: noqa: N802

import re
from collections.abc import Callable
from typing import Any

import numpy as np

FILE_AND_COMMON = {"file", "syncfile", "loadonstart", "write", "language", "extension", "customext", "wordwrap", "edit"}
PARAMETERS = {
    "baseCOMP": set(),
    "inTOP": {"label"},
    "outTOP": {"label"},
    "textDAT": FILE_AND_COMMON,
    "scriptTOP": {"callbacks", "setuppars"},
    "executeDAT": {"active", "start", "create", "exit", "framestart", "frameend", "playstatechange", "devicechange"}
    | {"executeloc", "fromop"}
    | FILE_AND_COMMON,
    "parameterexecuteDAT": {"active", "op", "pars", "valuechange", "valueschanged", "onpulse", "expressionchange"}
    | {"exportchange", "enablechange", "modechange", "custom", "builtin", "executeloc", "fromop"}
    | FILE_AND_COMMON,
}
"""Built-in parameters of each operator that the component has."""
MEMBERS = {"val", "name", "label", "help", "default", "min", "max", "clampMin", "clampMax", "normMin", "normMax"} | {
    "menuNames",
    "menuLabels",
    "owner",
}
"""Members of a parameter."""


class Par:
    """A custom parameter."""

    def __setattr__(self, member: str, value: Any) -> None:
        if member not in MEMBERS and member not in ("kind", "_value"):
            raise AttributeError(f"a parameter has no {member}")
        super().__setattr__(member, value)

    def __init__(self, name: str, owner: "Op", kind: str) -> None:
        if not re.fullmatch(r"[A-Z][a-z0-9]*", name):
            raise ValueError(f"TouchDesigner refuses the parameter name {name!r}")
        self.name, self.owner, self.kind = name, owner, kind
        self._value: Any = {"Float": 0.0, "Int": 0, "Toggle": False}.get(kind, "")
        self.menuNames: list[str] = []

    @property
    def val(self) -> Any:
        return self._value

    @val.setter
    def val(self, value: Any) -> None:
        if value != self._value:
            self._value = value
            self.owner.changed(self)

    def eval(self) -> Any:
        return self._value

    def pulse(self) -> None:
        self.owner.pulsed(self)


class Page:
    """A page of custom parameters."""

    def __init__(self, owner: "Op") -> None:
        self._owner = owner

    def __getattr__(self, method: str) -> Callable[..., tuple[Par]]:
        kind = method.removeprefix("append")
        if kind not in ("Float", "Int", "Toggle", "Menu", "StrMenu", "Str", "Pulse"):
            raise AttributeError(method)

        def append(name: str, label: str = "") -> tuple[Par]:
            if hasattr(self._owner.par, name):
                raise ValueError(f"{name} is there already")
            parameter = Par(name, self._owner, kind)
            setattr(self._owner.par, name, parameter)
            return (parameter,)

        return append


class Pars:
    """The parameters of an operator, as attributes. Names of custom ones begin with a capital."""

    def __init__(self, kind: str) -> None:
        self._known = PARAMETERS[kind]

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not name[0].isupper() and name not in self._known:
            raise AttributeError(f"the operator has no parameter {name}")
        super().__setattr__(name, value)


class Connector:
    def __init__(self) -> None:
        self.connected: Op | None = None

    def connect(self, other: "Op") -> None:
        self.connected = other


class Op:
    """An operator of any kind."""

    def __init__(self, kind: str, name: str, parent: "Op | None" = None) -> None:
        self.kind, self.name, self._parent = kind, name, parent
        self.path = f"{parent.path if parent else ''}/{name}"
        self.par = Pars(kind)
        self.text = ""
        self.children: dict[str, Op] = {}
        self.inputConnectors = [Connector()]
        self.input_pixels: Any = None
        self.output_pixels: Any = None

    def create(self, kind: str, name: str) -> "Op":
        self.children[name] = Op(kind, name, self)
        return self.children[name]

    def op(self, name: str) -> "Op | None":
        return self.children.get(name)

    def destroy(self) -> None:
        assert self._parent is not None
        del self._parent.children[self.name]

    def appendCustomPage(self, name: str) -> Page:
        return Page(self)

    # TOPs

    def numpyArray(self, delayed: bool = False) -> Any:
        assert delayed, "reading the present frame stops the GPU"
        return self.input_pixels

    def copyNumpyArray(self, array: Any) -> None:
        assert array.dtype in (np.uint8, np.float32)
        assert array.ndim == 3
        assert array.shape[2] == 4
        self.output_pixels = array.copy()

    def cook(self, force: bool = False) -> None:
        if self.kind == "scriptTOP":
            self.run(self.par.callbacks.text, "onCook", self)  # type: ignore[attr-defined]

    # Callbacks

    def changed(self, parameter: Par) -> None:
        watcher = self.children.get("on_change")
        if watcher is not None and watcher.par.valuechange:  # type: ignore[attr-defined]
            watcher.run(watcher.text, "onValueChange", parameter, None)

    def pulsed(self, parameter: Par) -> None:
        watcher = self.children["on_change"]
        watcher.run(watcher.text, "onPulse", parameter)

    def frame(self) -> None:
        """Play one frame of the project."""
        dat = self.children["each_frame"]
        dat.run(dat.text, "onFrameStart", 1)

    def run(self, text: str, function: str, *arguments: Any) -> None:
        names: dict[str, Any] = {"parent": lambda: self._parent, "op": self.op}
        exec(text, names)
        names[function](*arguments)
