"""Alias tables: OSC addresses of other programs and what they mean here, read from strict YAML.

A patch that was made for another program drives this one without a change. A table maps an address to one of this
program, with its numbers or texts mapped too, or to nothing. Every problem of a file names its line and column.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from presets import strict_yaml
from presets.alias_readings import READINGS, Call
from presets.coercion import as_number
from presets.declaration import ACTIONS
from presets.errors import ParameterRefused, PresetError
from presets.files import read_bytes
from presets.parameter_table import PARAMETERS, TWINS, Value
from presets.preset_problems import expected
from presets.strict_yaml import Document, Problem

MOST_ALIASES = 1000
_NODES = 10 * MOST_ALIASES
_OWN = frozenset({*PARAMETERS, *TWINS, *(action.address for action in ACTIONS)})
_REQUESTS = frozenset({"/subscribe", "/subscribe/norm", "/unsubscribe", "/sources", "/ping", "/pong"})
"""Addresses that OSC control itself answers."""
_FEEDBACK = "/streamflow/"


class Alias(BaseModel):
    """The meaning of one address of another program. One without an address and a reading means nothing here."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    to: str = ""
    """Address of this program."""
    value: bool | int | float | str | None = None
    """Value in place of those that come."""
    values: Annotated[dict[str, bool | int | float | str], Field(min_length=1)] | None = None
    """Values by the text that comes."""
    span: Annotated[tuple[float, float], Field(alias="from", strict=False)] = (0.0, 1.0)
    range: Annotated[tuple[float, float], Field(strict=False)] | None = None
    """Numbers at both ends of `span`."""
    reading: str = ""
    """Name of a reading of several arguments, in place of an address."""

    def calls(self, address: str, arguments: Sequence[object]) -> list[Call]:
        """Return the addresses of this program and their arguments. Raises `ParameterRefused`."""
        if self.reading:
            return READINGS[self.reading](address, arguments)
        if not self.to:
            return []
        if self.value is not None:
            return [] if _is_release(arguments) else [(self.to, [self.value])]
        if self.values is not None and len(arguments) == 1:
            return [(self.to, [self._named(address, self.values, arguments[0])])]
        if self.range is not None and len(arguments) == 1:
            return [(self.to, [self._scaled(self.range, as_number(arguments[0]))])]
        return [(self.to, list(arguments))]

    def _named(self, address: str, values: Mapping[str, Value], argument: object) -> Value:
        is_whole = isinstance(argument, float) and argument.is_integer()
        word = str(int(argument) if is_whole else argument).strip().lower()  # type: ignore[call-overload]
        value = next((each for name, each in values.items() if name.strip().lower() == word), None)
        if value is None:
            raise ParameterRefused(f"{address} takes {', '.join(values)}, not {str(argument)[:40]!r}")
        return value

    def _scaled(self, ends: tuple[float, float], number: float) -> float:
        low, high = self.span
        share = min(max((number - low) / (high - low), 0.0), 1.0)
        return ends[0] * (1.0 - share) + ends[1] * share


class AliasTable:
    """Aliases by address. A key that ends with ``/*`` stands for every address below it that has no key of its own.

    Addresses of this program keep their meaning, and of two such keys the longer one holds.
    """

    def __init__(self, aliases: Mapping[str, Alias] | None = None, programs: Iterable[str] = ()) -> None:
        """Take the aliases. `programs` names the shipped tables that they come from."""
        self.programs = frozenset(programs)
        self._exact = dict(aliases or {})
        below = sorted((key for key in self._exact if key.endswith("/*")), key=len, reverse=True)
        self._below = {key[:-1]: self._exact[key] for key in below}

    def find(self, address: str) -> Alias | None:
        """Return the alias of an address, None if there is none."""
        alias = self._exact.get(address)
        if alias is None and self._below and not _is_own(address):
            alias = next((each for start, each in self._below.items() if address.startswith(start)), None)
        return alias

    def __len__(self) -> int:
        return len(self._exact)


def shipped_tables() -> list[str]:
    """Return the names of the tables that come with the program, in order."""
    return sorted(file.name.removesuffix(".yaml") for file in (resources.files("presets") / "aliases").iterdir())


def read_alias_tables(tables: Iterable[str]) -> AliasTable:
    """Read tables by the name of a shipped one, or by path. A later one wins over an earlier one.

    Raises `PresetError` with every problem of a file on a line.
    """
    aliases: dict[str, Alias] = {}
    tables = list(tables)
    for table in tables:
        if table in shipped_tables():
            data = (resources.files("presets") / "aliases" / f"{table}.yaml").read_bytes()
            aliases |= parse_aliases(data, table)
        elif Path(table).suffix.lower() in (".yaml", ".yml"):
            aliases |= parse_aliases(read_bytes(Path(table)), table)
        else:
            raise PresetError(f"{table}: no such alias table; there are {', '.join(shipped_tables())}, or give a .yaml")
    return AliasTable(aliases, {*tables} & {*shipped_tables()})


def parse_aliases(data: bytes, name: str) -> dict[str, Alias]:
    """Return the aliases of a file. `name` stands before its problems. Raises `PresetError`."""
    document = strict_yaml.parse(data, _NODES)
    problems = list(document.problems)
    entries = document.value
    if not problems and (not isinstance(entries, dict) or not entries):
        problems.append(Problem(1, 1, "an alias table maps addresses of another program to addresses of this one"))
    elif not problems and len(entries) > MOST_ALIASES:
        problems.append(Problem(1, 1, f"an alias table has at most {MOST_ALIASES} addresses; {len(entries)} came"))
    aliases: dict[str, Alias] = {}
    if not problems:
        for address, entry in entries.items():
            found = _alias(address, entry, document)
            if isinstance(found, Alias):
                aliases[address] = found
            else:
                problems.append(found)
    if problems:
        raise PresetError("\n".join(f"{name}:{line}:{column}: {text}" for line, column, text in sorted(problems)))
    return aliases


def _alias(address: Any, entry: Any, document: Document) -> Alias | Problem:
    key, value = document.keys[address,], document.values[address,]
    if not isinstance(address, str) or not address.startswith("/"):
        return key._replace(message=f"an OSC address starts with /; {str(address)[:40]!r} was given")
    if _is_own(address) or _plain(address) in _REQUESTS or address.startswith(_FEEDBACK):
        return key._replace(message=f"{address[:60]} is an address of this program and keeps its meaning")
    if any(sign in address.removesuffix("/*") for sign in "?*[]{}"):
        return key._replace(message=f"{address[:60]}: an address has no pattern but /* at its end")
    try:
        alias = Alias.model_validate({"to": entry} if isinstance(entry, str) else entry or {})
    except ValidationError as error:
        return _problem(address, error.errors(include_url=False)[0], document)
    sentence = _fault(alias, empty=entry is None)
    return value._replace(message=f"{address}: {sentence}") if sentence else alias


def _is_own(address: str) -> bool:
    """Return True for an address of this program, also in the other forms that control takes."""
    return address in _OWN or _plain(address) in _OWN


def _plain(address: str) -> str:
    return address.rstrip("/").lower()


def _fault(alias: Alias, empty: bool) -> str:
    """Return what is wrong with an alias; an empty string if nothing is."""
    if empty:
        return ""
    if bool(alias.to) == bool(alias.reading):
        return "give to, an address, or reading"
    if alias.reading:
        if alias.reading not in READINGS:
            return f"{alias.reading[:40]!r} is not a reading; they are {', '.join(READINGS)}"
        return "a reading has no other key beside it" if len(alias.model_fields_set) > 1 else ""
    if alias.to not in _OWN:
        return f"{alias.to[:60]} is not an address of this program"
    if alias.span[0] == alias.span[1] or not all(map(math.isfinite, alias.span)):
        return "from takes two different numbers"
    if "span" in alias.model_fields_set and alias.range is None:
        return "from goes with range"
    if sum(each is not None for each in (alias.value, alias.values, alias.range)) > 1:
        return "give one of value, values and range"
    return _unfit(alias)


def _unfit(alias: Alias) -> str:
    """Return which of the values that an alias sets does not fit its address; an empty string if all do."""
    parameter = PARAMETERS.get(alias.to)
    is_number = alias.to in TWINS or alias.range is not None
    for value in (alias.value, *(alias.values or {}).values(), *(alias.range or ())):
        try:
            if is_number or isinstance(value, float):
                as_number(0 if value is None else value)
            if value is not None and parameter is not None and parameter.kind != "text":
                parameter.coerce(value)
        except ParameterRefused as refusal:
            return f"{alias.to}: {refusal}"
    return ""


def _problem(address: str, detail: Any, document: Document) -> Problem:
    at = (address, *detail["loc"])
    if detail["type"] == "extra_forbidden":
        return document.keys[at]._replace(message=f"{str(at[-1])[:40]!r} is not a key of an alias")
    while at not in document.values:
        at = at[:-1]
    value = document.values[at]
    if detail["type"] == "model_type":
        return value._replace(message=f"{address} maps to an address, a mapping or null; {value.message} was given")
    return value._replace(message=f"{address}: {at[-1]} must {expected(detail)}; {value.message} was given")


def _is_release(arguments: Sequence[object]) -> bool:
    """Return True for the 0 that a button sends when it is let go."""
    return len(arguments) == 1 and isinstance(arguments[0], int | float) and not arguments[0]
