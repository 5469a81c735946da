"""Entries of prompts, LFOs and processors, as a preset's file writes them and as their models take them."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from presets.lfo_parameters import Lfo
from presets.parameters import WeightedPrompt
from presets.processor_parameters import ProcessorPlace
from presets.strict_yaml import Document


class NamedNumber(NamedTuple):
    """A number of a processor under the name that the processor's file gives it, in that file's unit."""

    place: int
    """Place of the processor, counted from 1."""
    name: str
    value: float
    at: str
    """Path, line and column of the value."""


def _prompt_entries(entries: list[Any]) -> tuple[Any, ...]:
    """Return the entries of a list of prompts. One that is a text alone has full weight."""
    return tuple({"text": entry} if isinstance(entry, str) else entry for entry in entries)


def _lfo_entries(entries: list[Any]) -> tuple[Any, ...]:
    """Return the entries of a list of LFOs. A target may be written as its address, with the slash."""
    return tuple(
        {**entry, "target": entry["target"].removeprefix("/")}
        if isinstance(entry, dict) and isinstance(entry.get("target"), str)
        else entry
        for entry in entries
    )


def _processor_entries(entries: list[Any]) -> tuple[Any, ...]:
    """Return the entries of a list of processors. One that is a text alone is a name. Named numbers are left out."""
    whole = ({"name": entry} if isinstance(entry, str) else entry for entry in entries)
    return tuple(
        {key: value for key, value in entry.items() if not _is_named_number(key, value)}
        if isinstance(entry, dict)
        else entry
        for entry in whole
    )


def named_numbers(entries: Any, document: Document, label: str) -> Iterator[NamedNumber]:
    """Yield the numbers of processors that are no field of a place, as the ``processor`` of a file has them."""
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        for key, value in entry.items() if isinstance(entry, dict) else ():
            if _is_named_number(key, value):
                at = document.values["processor", index, key]
                yield NamedNumber(index + 1, key, float(value), f"{label}:{at.line}:{at.column}")


def with_numbers(lines: list[Any], numbers: Iterable[NamedNumber]) -> list[Any]:
    """Return the lines of processors, as `LINES` writes them, with their named numbers."""
    written = list(lines)
    for number in numbers:
        line = written[number.place - 1]
        written[number.place - 1] = {**({"name": line} if isinstance(line, str) else line), number.name: number.value}
    return written


def _is_named_number(key: str, value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return is_number and key not in ProcessorPlace.model_fields and key.isidentifier()


def _lfo_lines(lfos: tuple[Lfo, ...]) -> list[dict[str, Any]]:
    """Return the entries of LFOs with what differs from the defaults."""
    return [{"target": lfo.target, **lfo.model_dump(exclude_defaults=True)} for lfo in lfos]


def _prompt_lines(prompt: tuple[WeightedPrompt, ...]) -> str | list[dict[str, Any]]:
    if len(prompt) == 1 and prompt[0].weight == 1:
        return prompt[0].text
    return [{"text": entry.text, "weight": entry.weight} for entry in prompt]


def _processor_lines(places: tuple[ProcessorPlace, ...]) -> list[str | dict[str, Any]]:
    """Return the entries of processors. A number that is set is written: one left out is the processor's own."""
    written = [{"name": place.name, **place.model_dump(exclude_unset=True)} for place in places]
    for entry in written:
        if entry.get("active") is True:
            del entry["active"]
    return [entry["name"] if len(entry) == 1 else entry for entry in written]


ENTRIES: Mapping[str, Callable[[list[Any]], tuple[Any, ...]]] = {
    "prompt": _prompt_entries,
    "lfo": _lfo_entries,
    "processor": _processor_entries,
}
"""Reader of the list that a file has, by key. What is wrong in it stays, for the check to find."""

LINES: Mapping[str, Callable[[Any], Any]] = {
    "prompt": _prompt_lines,
    "lfo": _lfo_lines,
    "processor": _processor_lines,
}
"""Writer of what a file has, by key."""
