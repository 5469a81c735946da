"""Text of a complete preset for people: every key, with the preset that it comes from and those that stay."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from presets.files import Preset, preset_text
from presets.parameters import Parameters
from presets.preset_keys import PRESET_KEYS


def annotated_text(preset: Preset) -> str:
    """Return the text of a complete preset's file. It can be loaded, and extends no other.

    Comments tell which preset the values after them come from, if it is put together from several. Keys that the preset
    leaves as they are follow as comments at the end.
    """
    text = "".join(_parts(preset)) if preset.extends else _text(preset)
    kept = {key: getattr(Parameters(), key) for key in PRESET_KEYS if key not in preset.values}
    if kept:
        text += "# Not set, so they stay as they are when the preset is loaded (defaults):\n"
        text += "".join(f"# {line}\n" for line in _text(Preset(preset.name, values=kept)).splitlines())
    return text


def _parts(preset: Preset) -> Iterator[str]:
    """Yield the values in their order, those that come from one preset together."""
    names = [path.stem for path in preset.files]
    if names.count(names[-1]) > 1:
        names[-1] = f"the shipped {names[-1]}"
    origins = dict(zip(preset.files, names, strict=True))
    yield f"# {', which extends '.join([f'{names[0]} extends {names[1]}', *names[2:]])}.\n"
    if preset.description:
        yield _text(replace(preset, values={}))
    keys = [key for key in PRESET_KEYS if key in preset.values]
    for origin, group in groupby(keys, preset.origins.get):
        yield f"# {f'From {origins[origin]}' if origin else 'Default'}:\n"
        yield _text(Preset(preset.name, values={key: preset.values[key] for key in group}))


def _text(preset: Preset) -> str:
    return preset_text(replace(preset, extends=None), stem=preset.name)
