"""Names of presets and of their files: which are allowed, which are alike, and which is meant by an unknown one."""

import importlib.resources
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from presets.errors import PresetError

SUFFIXES = (".yaml", ".yml")
"""Ends of the names of preset files."""

_NAME = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9 _-]{0,62}[A-Za-z0-9_-])?")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)  # Windows opens these instead of a file


def check_name(name: str) -> str:
    """Return `name` if a preset may have it. Raises `PresetError`."""
    if not _NAME.fullmatch(name) or is_device(name):
        raise PresetError(
            f"{name[:64]!r} can't be a preset's name: use 1 to 64 letters from A to Z, digits, spaces, _ and -"
        )
    return name


def is_device(name: str) -> bool:
    """Return True for a name that Windows takes for a device, whatever its ending."""
    return _DEVICE.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """Return a name in which case, spaces, - and _ are alike."""
    return re.sub(r"[\s_-]+", "-", name.strip()).casefold()


def find_name(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that is meant: the same, or else the first that is alike; None if there is none."""
    known = list(names)
    return name if name in known else next((each for each in known if folded(each) == folded(name[:200])), None)


def unknown_name(name: str, names: Iterable[str]) -> str:
    """Return that there is no preset of this name, with the nearest ones."""
    known = list(names)
    near = get_close_matches(name[:100], known, n=1)
    if near:
        advice = f"did you mean {near[0]}?"
    else:
        advice = f"there are {', '.join(sorted(known)[:20])}" if known else "there are none"
    return f"there is no preset {name[:64]!r}; {advice}"


def is_preset_file(name: str) -> bool:
    """Return True if a file of this name is a preset."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def is_path(text: str) -> bool:
    """Return True for what is typed as the path of a preset file, and not as a name."""
    return text.lower().endswith(SUFFIXES) or "/" in text or os.sep in text


def shipped_files() -> dict[str, Path]:
    """Return the shipped presets by name."""
    folder = Path(str(importlib.resources.files("presets") / "looks"))
    return {path.stem: path for path in folder.glob("*.yaml")}


def preset_files(folder: Path) -> tuple[dict[str, Path], str]:
    """Return the presets of a folder by name, and why they can't be listed; empty if they can."""
    try:
        with os.scandir(folder) as files:
            return {path.stem: path for file in files if is_preset_file(file.name) for path in [Path(file.path)]}, ""
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError) as error:  # the shipped presets are still there
        return {}, f"{folder}: presets can't be listed: {getattr(error, 'strerror', None) or error}"
