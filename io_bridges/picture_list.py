"""`PictureList`: the still images of a folder, or of a numbered sequence, in natural order, while files come and go."""

import bisect
import re
import time
from pathlib import Path

from io_bridges.image_files import has_still_suffix
from presets.errors import BridgeError

MOST_PICTURES = 100_000
_SETTLED_SECONDS = 1.0
"""Age at which a file that was added is taken to be complete."""

_NUMBER = re.compile(r"(\d+)")
_PATTERN = re.compile(r"%0?(\d*)d")

Key = tuple[tuple[int, int, str], ...]


def is_pattern(path: Path) -> bool:
    """Return True for the name of a numbered sequence, such as ``frame-%05d.png``, which is not itself a file."""
    return _PATTERN.search(path.name) is not None and not path.exists()


def natural_key(name: str) -> Key:
    """Return a key that sorts numbers by value, so that ``2.png`` comes before ``10.png``."""
    parts = _NUMBER.split(name.casefold())
    return (*((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part), (1, 0, name))


class PictureList:
    """The names of the pictures, read again when the folder changes. Hidden files and other types are left out."""

    def __init__(self, path: Path) -> None:
        """Read a folder, or the folder of a pattern. Raises `BridgeError` if it cannot be read."""
        self.folder = path if path.is_dir() else path.parent
        self._match = re.compile(".+") if path.is_dir() else _matcher(path.name)
        self._keys: list[Key] = []
        self._names: list[str] = []
        self._unsettled = False
        self._changed_at = -1
        self._is_first = True
        self.refresh()

    def __len__(self) -> int:
        return len(self._names)

    def refresh(self) -> None:
        """Read the folder again if it changed. Raises `BridgeError` if it is gone."""
        try:
            changed_at = self.folder.stat().st_mtime_ns
            # A folder's time has coarse steps: a change soon after the last look may not show.
            recent = time.time_ns() - changed_at < 2_000_000_000
            if changed_at == self._changed_at and not self._unsettled and not recent:
                return
            self._unsettled = False
            names = [entry.name for entry in self.folder.iterdir() if self._takes(entry)]
        except OSError as error:
            raise BridgeError(f"Cannot read the folder {self.folder}: {error.strerror}") from error
        pairs = sorted((natural_key(name), name) for name in names[:MOST_PICTURES])
        self._keys = [key for key, _ in pairs]
        self._names = [name for _, name in pairs]
        self._changed_at = changed_at
        self._is_first = False

    def after(self, name: str | None) -> str | None:
        """Return the name that follows one, present or gone, or the first one. None after the last."""
        place = 0 if name is None else bisect.bisect_right(self._keys, natural_key(name))
        return self._names[place] if place < len(self._names) else None

    def is_numbered(self) -> bool:
        """Return True if the names differ by a number only."""
        return len(self._names) > 1 and len({_NUMBER.sub("0", name.casefold()) for name in self._names}) == 1

    def _takes(self, entry: Path) -> bool:
        name = entry.name
        if name.startswith(".") or not has_still_suffix(entry) or not self._match.fullmatch(name):
            return False
        if self._is_first or name in self._names:
            return True
        age = time.time() - entry.stat().st_mtime
        if 0 <= age < _SETTLED_SECONDS:  # It may still be copied.
            self._unsettled = True
            return False
        return True


def _matcher(name: str) -> re.Pattern[str]:
    """Return the expression of a pattern's names. ``%05d`` takes five digits or more, ``%d`` any number."""
    found = _PATTERN.search(name)
    if found is None:
        raise BridgeError(f"{name} is neither a folder nor a pattern such as frame-%05d.png")
    least = int(found[1] or 1)
    before, after = re.escape(name[: found.start()]), re.escape(name[found.end() :])
    return re.compile(rf"{before}\d{{{min(least, 20)},}}{after}")
