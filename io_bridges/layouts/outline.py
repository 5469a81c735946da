"""`Outline`: the controls of a surface in the order in which a performer looks for them, without a file format.

It is made from the declaration, so a new parameter, group or action comes by itself.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from presets.declaration import ACTIONS, Action, Group
from presets.errors import SettingsError
from presets.parameter_table import PARAMETERS, Parameter

TOP_ROW = ("/panic", "/freeze", "/blackout", "/next", "/previous")
"""Controls that are always at hand, on every page of a surface."""

LOOK = "/preset"
"""Address of the look on air. A look has a button of its own."""

_WIDEST_FADER = 10_000
"""Most whole numbers on a fader. A number with more, such as a seed, is typed where a surface has a field for it."""


@dataclass(frozen=True, slots=True)
class Section:
    """Controls of one group."""

    group: Group
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """Everything that a surface shows."""

    top_row: tuple[Parameter | Action, ...]
    looks: tuple[str, ...]
    """Names of presets, one button each."""
    sections: tuple[Section, ...]
    """Groups that have any control, in the order of `Group`. Those of the top row are left out."""
    actions: tuple[Action, ...]
    """Actions that are not in the top row."""

    @property
    def controls(self) -> int:
        """Number of controls, buttons of looks included."""
        return (
            len(self.top_row)
            + len(self.looks)
            + len(self.actions)
            + sum(len(each.parameters) for each in self.sections)
        )


def make_outline(looks: Sequence[str], groups: Sequence[str] = ()) -> Outline:
    """Return the outline of a surface with these looks, and the groups of these names; without any, all groups.

    Raises `SettingsError` for a group that does not exist.
    """
    actions = {action.address: action for action in ACTIONS}
    everything: dict[str, Parameter | Action] = {**PARAMETERS, **actions}
    chosen = _chosen_groups(groups)
    sections = [
        Section(
            group,
            tuple(
                each
                for each in PARAMETERS.values()
                if each.group is group and each.address not in TOP_ROW and each.address != LOOK
            ),
        )
        for group in Group
        if group in chosen
    ]
    return Outline(
        top_row=tuple(everything[address] for address in TOP_ROW),
        looks=tuple(looks),
        sections=tuple(section for section in sections if section.parameters),
        actions=tuple(action for address, action in actions.items() if address not in TOP_ROW),
    )


def _chosen_groups(names: Sequence[str]) -> frozenset[Group]:
    known = {group.value: group for group in Group}
    for name in names:
        if name.strip().lower() not in known:
            raise SettingsError(f"there is no group {name!r}: the groups are {', '.join(known)}")
    return frozenset(known[name.strip().lower()] for name in names) or frozenset(Group)


def look_address(name: str) -> str:
    """Return the OSC address that loads a preset by itself. OSC allows no space in an address."""
    return f"{LOOK}/" + re.sub(r"\s+", "-", name)


def caption(control: Parameter | Action) -> str:
    """Return the short name of a control, with its unit: ``feedback rotate (°)``."""
    name = control.address.strip("/").replace("/", " ").replace("_", " ")
    unit = control.unit if isinstance(control, Parameter) else ""
    return f"{name} ({unit})" if unit else name


def is_typed(parameter: Parameter) -> bool:
    """Return True for a whole number with too many values for a fader."""
    return parameter.kind == "int" and limits(parameter)[1] - limits(parameter)[0] > _WIDEST_FADER


def limits(parameter: Parameter) -> tuple[float, float]:
    """Return the range of a number. Raises `ValueError` for one without: no fader can have it."""
    if parameter.minimum is None or parameter.maximum is None:
        raise ValueError(f"{parameter.address} has no range")
    return parameter.minimum, parameter.maximum
