"""Initial values of a show: the state of the last show, overridden by the preset, overridden by the size.

The presets that `render` loads later in a clip are read here too.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from daemon.stage.notices import Level, Notice
from daemon.stage.settings import Settings
from daemon.stage.source_switch import NO_SOURCE
from io_bridges.scheme import without_password
from presets.build import REBUILD_KEYS
from presets.declaration import LOCK
from presets.errors import SettingsError
from presets.library import Library
from presets.model_store import is_missing_depth_model, is_missing_model
from presets.parameter_table import PARAMETERS, Value
from presets.paths import home_path, is_there
from presets.preset_keys import LORA_KEYS

FIRST_PRESET = "neon"
"""Preset of a first show for which none was asked."""

ADDED_FILES = (
    "/engine",
    *(f"/{key}" for key in sorted(LORA_KEYS)),
    "/controlnet",
    "/ip_adapter",
    "/ip_adapter_encoder",
)
"""Parameters that name a file for the model on air, which has no use without it."""
FILE_ADDRESSES = ("/model", *ADDED_FILES)
"""Parameters that name a file or folder."""

DEPTH_ADDRESSES = ("/controlnet_preprocessor", "/controlnet_depth_model")

MOST_SOURCES = 2

DEFAULTS = {address: parameter.default for address, parameter in PARAMETERS.items()}


def initial_values(
    library: Library, restored: Mapping[str, Value], preset: str | None, size: tuple[int, int] | None
) -> dict[str, Value]:
    """Return the value of every parameter by address.

    `restored` are the values of the last show. A model, an engine, or an adapter that no longer exists is reset to
    its default.

    Raises:
        PresetError: The preset can't be read.
        SettingsError: The model can't draw at this size.
    """
    if preset is None and not restored:
        preset = FIRST_PRESET
    values = DEFAULTS | dict(restored)
    if is_missing_model(str(values["/model"])):
        values |= {address: DEFAULTS[address] for address in FILE_ADDRESSES}
    values |= {address: DEFAULTS[address] for address in ADDED_FILES if is_missing(values[address])}
    if is_missing_depth_model(*(str(values[address]) for address in DEPTH_ADDRESSES)):
        values |= {address: DEFAULTS[address] for address in DEPTH_ADDRESSES}
    if preset is not None:
        values |= library.resolve(preset)
    if size is not None:
        for address, side in zip(("/width", "/height"), size, strict=True):
            taken = PARAMETERS[address].coerce(side)
            if taken != side:
                raise SettingsError(
                    f"the model draws in steps of 32 pixels from 64 to 2048; {side} would become {taken}"
                )
            values[address] = taken
    return values


def with_sources(
    settings: Settings, given: Sequence[str], values: Mapping[str, Value]
) -> tuple[Settings, list[Notice]]:
    """Return the settings with the sources that the show begins with, and a notice for each that can't be used.

    `given` are those of the command line, which must open. The others are those of `values`, of the preset or the last
    show: they must not keep a show from starting.

    Raises:
        SettingsError: One of `given` is not valid or claims the port of a sink, or there are more than two.
    """
    if len(given) > MOST_SOURCES:
        raise SettingsError(
            f"--source is given {len(given)} times ({', '.join(given)}); {MOST_SOURCES} sources are supported"
        )
    notices: list[Notice] = []
    if given:
        settings = replace(settings, source=given[0])
    else:
        settings = _with_wanted(settings, "source", str(values["/source"]), "The test card plays.", notices)
    if len(given) > 1:
        second = "" if given[1] == NO_SOURCE else given[1]
        return replace(settings, source2=second, source2_must_open=True), notices
    return _with_wanted(settings, "source2", str(values["/source2"]), "The first one plays alone.", notices), notices


def _with_wanted(settings: Settings, key: str, uri: str, instead: str, notices: list[Notice]) -> Settings:
    """Return the settings with a source that need not open, or with the default and a notice if it can't be used."""
    wanted: dict[str, Any] = {key: uri, f"{key}_must_open": False}
    default: dict[str, Any] = {key: DEFAULTS[f"/{key}"]}
    try:
        return replace(settings, **wanted)
    except SettingsError as error:
        text = without_password(f"The source {uri} can't be used: {error}. {instead}")
        notices.append(Notice(f"start /{key}", "error", text, in_log=False, while_value=(key, default[key])))
        return replace(settings, **default)


def initial_notices(restored: Mapping[str, Value], values: Mapping[str, Value]) -> list[Notice]:
    """Return what the performer must know about the start: missing files, and values that leave the output still.

    `restored` are the values of the last show, `values` those that the show begins with.
    """
    notices = _lock_notice(restored, values)

    def add(level: Level, address: str, text: str) -> None:
        cause = (address[1:], values[address])
        notices.append(Notice(f"start {address}", level, text, in_log=False, while_value=cause))

    source = without_password(str(values["/source"]))
    if values["/source"] == restored.get("/source") != DEFAULTS["/source"]:
        text = f"Pictures come from {source}, the source of the last show."
        notices.append(Notice("start /source", "info", text, in_log=False, while_value=("source", source)))
    second = without_password(str(values["/source2"]))
    if values["/source2"] == restored.get("/source2") != DEFAULTS["/source2"]:
        text = f"The second source is {second}, that of the last show."
        notices.append(Notice("start /source2", "info", text, in_log=False, while_value=("source2", second)))
    for address in FILE_ADDRESSES:
        gone = restored.get(address, "")
        lost = is_missing_model(str(gone or DEFAULTS[address])) if address == "/model" else is_missing(gone)
        if lost and values[address] == DEFAULTS[address]:
            plays = "The shipped model plays." if address == "/model" else "The model plays without it."
            add("error", address, f"The {address[1:]} of the last show is not there any more: {gone}. {plays}")
    preprocessor, depth_model = (restored.get(address, "") for address in DEPTH_ADDRESSES)
    if preprocessor != values[DEPTH_ADDRESSES[0]] and is_missing_depth_model(str(preprocessor), str(depth_model)):
        add("error", DEPTH_ADDRESSES[0], "The depth model of the last show is not there any more. Nothing makes depth.")
    if values["/blackout"]:
        add(
            "warning",
            "/blackout",
            "Blackout is still on since the last show: the output is dark. Release it, or press PANIC.",
        )
    elif values["/brightness"] == 0:
        add(
            "warning",
            "/brightness",
            "Brightness is still 0 since the last show: the output is dark. Turn it up, or press PANIC.",
        )
    if values["/freeze"]:
        add(
            "warning",
            "/freeze",
            "Freeze is still on since the last show: the output holds its first picture. Release it, or press PANIC.",
        )
    if values["/mode"] == "text" and restored.get("/mode") == "text":
        add("info", "/mode", "Text mode is still on since the last show: pictures are drawn from the prompt alone.")
    size, default, before = (
        (side["/width"], side["/height"]) for side in (values, DEFAULTS, DEFAULTS | dict(restored))
    )
    if size == before != default:
        add("info", "/width", f"Drawing at {size[0]}x{size[1]}, the size of the last show.")
    return notices


def _lock_notice(restored: Mapping[str, Value], values: Mapping[str, Value]) -> list[Notice]:
    text = f"The show is still locked, as the last one was. {LOCK} 0 unlocks it."
    notice = Notice(f"start {LOCK}", "info", text, in_log=False, while_value=(LOCK[1:], True))
    return [notice] if values[LOCK] and restored.get(LOCK) else []


def restored_look(restored: Mapping[str, Value], preset: str | None) -> list[Notice]:
    """Return a notice for the log, not for the page, if a show begins with the look of the last one.

    `restored` are the values of the last show, `preset` is the one of the command line.
    """
    if not restored or preset is not None:
        return []
    name = restored.get("/preset")
    text = f"the look is {name}, as the last show left it" if name else "the controls are as the last show left them"
    return [Notice("start look", "info", text)]


def is_missing(name: Value) -> bool:
    """Return True if `name` is a path at which there is nothing. A bare name is no path."""
    text = str(name)
    return ("/" in text or os.sep in text) and not is_there(home_path(text))


def scheduled_values(
    library: Library, opening: Mapping[str, Value], given: Sequence[str]
) -> dict[float, dict[str, Value]]:
    """Return the value of every parameter by address, by the second at which a preset is loaded.

    Each preset is loaded on top of the one before it. Model, size and accelerator stay those of the opening.
    `given` has one ``SECONDS=PRESET`` each.

    Raises:
        SettingsError: A text is not in this form, or two name the same second.
        PresetError: A preset can't be read.
    """
    presets: dict[float, str] = {}
    for text in given:
        seconds, _, preset = text.partition("=")
        try:
            at = float(seconds)
        except ValueError:
            at = math.nan
        if not (0 < at < math.inf and preset):
            raise SettingsError(f"SECONDS=PRESET is expected, as in 4.5=fire; {text!r} was given")
        if at in presets:
            raise SettingsError(f"only one preset can be loaded at second {at:g}: {presets[at]} or {preset}")
        presets[at] = preset
    values, found = dict(opening), dict[float, dict[str, Value]]()
    for at in sorted(presets):
        loaded = library.resolve(presets[at])
        values |= {address: value for address, value in loaded.items() if address[1:] not in REBUILD_KEYS}
        found[at] = dict(values)
    return found


def frames_of(seconds: Iterable[float], fps: Fraction) -> dict[int, float]:
    """Return these seconds by the number of their frame.

    Raises:
        SettingsError: A second falls on the first frame, or two fall on the same frame.
    """
    frames: dict[int, float] = {}
    for at in seconds:
        frame = round(at * fps)
        if frame == 0:
            raise SettingsError(
                f"second {at:g} is within the first frame, which lasts {1 / float(fps):.3g} s:"
                " --preset sets the preset that the clip begins with"
            )
        if frame in frames:
            raise SettingsError(
                f"seconds {frames[frame]:g} and {at:g} are in the same frame: presets need"
                f" {1 / float(fps):.3g} s between them"
            )
        frames[frame] = at
    return frames
