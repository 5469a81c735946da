"""The table of transports in ``docs/connections.md`` has every scheme, its directions and its systems."""

import re
from pathlib import Path

from io_bridges.schemes import SCHEMES

TEXT = (Path(__file__).parent.parent / "docs" / "connections.md").read_text(encoding="utf-8")
STATES = ("tested", "untested", "typed", "not there", "its documented bytes tested")
SYSTEMS = {"linux": 2, "win32": 3, "darwin": 4}
UNLISTED = {"none"}
"""The source without frames needs no system."""


def rows() -> list[list[str]]:
    """Return the cells of each row."""
    (table,) = re.findall(r"^\| scheme \| direction \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_every_scheme_is_listed() -> None:
    listed = {
        (name, {"in": "source", "out": "sink"}[direction])
        for first, directions, *_ in rows()
        for name in re.findall(r"`([a-z+]+):", first)
        for direction in directions.split(", ")
    }
    assert listed == {(scheme.name, scheme.kind) for scheme in SCHEMES if scheme.name not in UNLISTED}


def test_states_match_the_schemes() -> None:
    systems = {scheme.name: scheme.systems for scheme in SCHEMES if scheme.systems}
    for row in rows():
        assert all(state.startswith(STATES) for state in row[2:]), row
        name = re.findall(r"`([a-z+]+):", row[0])[0]
        absent = {system for system, column in SYSTEMS.items() if row[column].startswith("not there")}
        assert absent == (SYSTEMS.keys() - set(systems[name]) if name in systems else set()), row
