"""Names of presets and of their files: which are allowed, which are alike, and which is meant by an unknown one."""

import importlib.resources
import os
import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from presets.errors import PresetError

SUFFIXES = (".yaml", ".yml")
"""Ends of the names of preset files."""

LONGEST, MOST_BYTES = 64, 200
"""Most characters of a name, and most bytes in UTF-8: a file's name has 255 on the usual disks, with its ending."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)  # Windows opens these instead of a file


def check_name(name: str) -> str:
    """Return `name` as `composed` has it, if a preset may have it. Raises `PresetError`."""
    own = composed(name)
    fits = 1 <= len(own) <= LONGEST and len(own.encode("utf-8", "replace")) <= MOST_BYTES
    if not fits or own != own.strip() or not all(map(_is_allowed, own)) or is_device(own):
        allowed = f"1 to {LONGEST} letters and digits of any script, spaces, _ and -"
        raise PresetError(f"{name[:64]!r} can't be a preset's name: use {allowed}")
    return own


def composed(name: str) -> str:
    """Return a name with each accent joined to its letter (NFC). Files of macOS have them apart."""
    return unicodedata.normalize("NFC", name)


def _is_allowed(character: str) -> bool:
    """Return True for a letter, an accent or a digit of any script, a space, _ and -."""
    return character in " _-" or unicodedata.category(character)[0] in "LMN"


def is_device(name: str) -> bool:
    """Return True for a name that Windows takes for a device, whatever its ending."""
    return _DEVICE.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """Return a name in which case, spaces, - and _ are alike, and so are the forms of accents and of full width."""
    return re.sub(r"[\s_-]+", "-", unicodedata.normalize("NFKC", name).strip()).casefold()


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
            paths = [Path(file.path) for file in files if is_preset_file(file.name)]
            return {composed(path.stem): path for path in paths}, ""
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError) as error:  # the shipped presets are still there
        return {}, f"{folder}: presets can't be listed: {getattr(error, 'strerror', None) or error}"
