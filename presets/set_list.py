"""Set lists: the looks of a show in their order, read from strict YAML. Every problem names its line and column."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from presets import strict_yaml
from presets.errors import ParameterRefused, PresetError
from presets.files import read_bytes
from presets.library import Library
from presets.preset_problems import expected
from presets.strict_yaml import Document, Problem
from presets.timecode import Timecode, parse_timecode

MOST_CUES = 1000
_NODES = 8 * MOST_CUES
"""Most keys and values: a cue with everything has eight, and few have."""


class Cue(BaseModel):
    """One cue: a preset, how it comes in, and when the next one follows by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    preset: Annotated[str, Field(min_length=1, max_length=100)]
    morph: Annotated[float | None, Field(ge=0, le=60)] = None
    """Seconds in place of the morph that is set."""
    morph_beats: Annotated[float | None, Field(ge=0, le=400)] = None
    after: Annotated[float | None, Field(gt=0, le=86_400)] = None
    """Seconds after which the next cue follows."""
    after_beats: Annotated[float | None, Field(gt=0, le=100_000)] = None
    at: Annotated[str | None, Field(max_length=20)] = None
    """Place of a timeline at which MIDI timecode calls the cue."""

    @property
    def time(self) -> Timecode | None:
        """Place at which it is called, None for any other cue."""
        return None if self.at is None else parse_timecode(self.at)

    def seconds(self, name: str, bpm: float) -> float | None:
        """Return a length, ``morph`` or ``after``, in seconds at a tempo; None if the cue names none."""
        beats: float | None = getattr(self, f"{name}_beats")
        seconds: float | None = getattr(self, name)
        return seconds if beats is None else beats * 60.0 / bpm


def read_set_list(path: Path, library: Library) -> tuple[Cue, ...]:
    """Read a set list whose presets are in the library. Raises `PresetError` with every problem on a line."""
    document = strict_yaml.parse(read_bytes(path), _NODES)
    problems = list(document.problems)
    entries = document.value.get("cues") if isinstance(document.value, dict) else None
    if not problems and (not isinstance(entries, list) or not entries or set(document.value or {}) != {"cues"}):
        problems.append(Problem(1, 1, "a set list has one key, cues, with a list of presets"))
    if isinstance(entries, list) and len(entries) > MOST_CUES:
        problems.append(Problem(1, 1, f"a set list has at most {MOST_CUES} cues; {len(entries)} came"))
    cues: list[Cue] = []
    for place, entry in enumerate(entries if isinstance(entries, list) and not problems else ()):
        found, wrong = _cue(place, entry, document, library)
        problems += wrong
        cues += found
    if problems:
        raise PresetError("\n".join(f"{path}:{line}:{column}: {text}" for line, column, text in sorted(problems)))
    return tuple(cues)


def cue_times(cues: Sequence[Cue]) -> list[tuple[Timecode, int]]:
    """Return the time and the number, from 1, of each cue that has a time."""
    return [(cue.time, number) for number, cue in enumerate(cues, 1) if cue.time is not None]


def _cue(place: int, entry: Any, document: Document, library: Library) -> tuple[list[Cue], list[Problem]]:
    here = document.values[("cues", place)]
    try:
        cue = Cue.model_validate({"preset": entry} if isinstance(entry, str) else entry)
    except ValidationError as error:
        return [], [_problem(place, detail, document) for detail in error.errors(include_url=False)]
    for name in ("morph", "after"):
        if getattr(cue, name) is not None and getattr(cue, f"{name}_beats") is not None:
            return [], [here._replace(message=f"give {name} or {name}_beats, not both")]
    try:
        cue.time  # noqa: B018  refuses what is no time
    except ParameterRefused as refusal:
        return [], [document.values["cues", place, "at"]._replace(message=f"at: {refusal}")]
    try:
        found, _ = library.find(cue.preset)
    except PresetError as error:
        return [], [here._replace(message=str(error).splitlines()[0])]
    return [cue.model_copy(update={"preset": found.name})], []


def _problem(place: int, detail: Any, document: Document) -> Problem:
    at = ("cues", place, *detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = ", ".join(Cue.model_fields)
        return document.keys[at]._replace(message=f"{str(at[-1])[:40]!r} is not a key of a cue; the keys are {known}")
    while at not in document.values:
        at = at[:-1]
    if detail["type"] == "missing":
        return document.values[at]._replace(message="a cue names a preset")
    value = document.values[at]
    if at[-1] == "at":
        return value._replace(message=f"at must be a time such as 01:02:03:04; {value.message} was given")
    if detail["type"] == "model_type":
        return value._replace(message=f"a cue is a preset's name or a mapping; {value.message} was given")
    return value._replace(message=f"{at[-1]} must {expected(detail)}; {value.message} was given")
