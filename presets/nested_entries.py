"""Entries of prompts, LFOs and processors, as a preset's file writes them and as their models take them."""

from collections.abc import Callable, Mapping
from typing import Any

from presets.lfo_parameters import Lfo
from presets.parameters import WeightedPrompt
from presets.processor_parameters import ProcessorPlace


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
    """Return the entries of a list of processors. One that is a text alone is a name."""
    return tuple({"name": entry} if isinstance(entry, str) else entry for entry in entries)


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
