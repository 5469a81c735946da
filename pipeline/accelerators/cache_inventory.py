"""List the entries of the engine cache, and say why an entry can be removed."""

import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.accelerators.cache import damage
from pipeline.accelerators.cache_manifest import read_manifest
from pipeline.accelerators.cache_staging import folder_size
from pipeline.accelerators.engine_key import EngineKey, installed_version

ENTRY_NAME = re.compile(r"[!-~ ]+-[0-9a-f]{32}")
"""Form of `EngineKey.folder`. Anything else in the cache folder belongs to somebody else."""


class CacheEntry(NamedTuple):
    """An entry of the cache. It may be damaged."""

    path: Path
    key: EngineKey | None
    """None if the manifest can't be read."""
    made_for: str
    """Name of the model and frame size, for people. Not part of the key."""
    made_at: float
    """Unix time."""
    size: int
    """Bytes of all its files."""


def entries(root: Path) -> list[CacheEntry]:
    """Return all entries, damaged ones too, the newest first."""
    paths = list(root.iterdir()) if root.is_dir() else []
    return sorted(filter(None, map(read_entry, paths)), key=lambda entry: -entry.made_at)


def read_entry(path: Path) -> CacheEntry | None:
    """Return the entry in a folder, or None if the folder is not an entry or was removed."""
    if not ENTRY_NAME.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
        return None
    try:
        made_for, made_at, key = "", path.stat().st_mtime, None
        with suppress(OSError, ValueError):  # `damage` gives the reason
            key, made_for, made_at, _ = read_manifest(path)
        return CacheEntry(path, key, made_for, made_at, folder_size(path))
    except FileNotFoundError:  # another process removes it
        return None


def prune_reason(entry: CacheEntry, revision: int, cards: Collection[str]) -> str:
    """Return the reason why this machine can't use an entry any more, or an empty text if it can.

    Args:
        entry: One of `entries`.
        revision: `pipeline.graphs.REVISION`. A parameter, because importing that module imports torch.
        cards: `card_name` of each GPU of this machine. Without a GPU the engines are built for other machines, and no
            entry is removed because of its card.
    """
    if reason := damage(entry.path):
        return f"it is damaged: {reason}"
    key = entry.key
    if key is None:
        return ""
    if key.revision not in (0, revision):
        return "it was made by another version of streamflow-live"
    for package in filter(None, key.version.split(", ")):
        name, _, built_with = package.rpartition(" ")
        installed = installed_version(name).partition("+")[0] or "absent"
        if installed not in (built_with, "absent"):
            return f"it was made with {package}, but {installed} is installed"
    if cards and key.device != "any" and not any(_runs_on(key.device, card) for card in cards):
        return f"it is for {key.device}, but the GPU here is {' and '.join(sorted(cards))}"
    return ""


def _runs_on(device: str, card: str) -> bool:
    """Return True if `device` is the compute capability of `card`, the card itself, or a MIG slice of it."""
    return device == card.partition(" ")[0] or device.startswith(card)
