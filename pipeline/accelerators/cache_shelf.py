"""Inventory of the engine cache: its entries, and the reasons why one is of no more use here."""

import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.accelerators.cache import EngineKey, installed, read_manifest, whole
from pipeline.accelerators.cache_aside import size_of

NAME = re.compile(r"[!-~ ]+-[0-9a-f]{32}")
"""Names of entries, as `EngineKey.folder` makes them. A cache may lie among other files."""


class CacheEntry(NamedTuple):
    """An entry, as far as it can be read."""

    path: Path
    key: EngineKey | None
    """None if the manifest can't be read."""
    made_for: str
    """Name of a model and a size, for people. Not a part of the key."""
    made_at: float
    """Unix time."""
    size: int
    """bytes"""


def entries(root: Path) -> list[CacheEntry]:
    """Return all entries, the newest first, damaged ones included."""
    paths = list(root.iterdir()) if root.is_dir() else []
    return sorted(filter(None, map(entry_at, paths)), key=lambda entry: -entry.made_at)


def entry_at(path: Path) -> CacheEntry | None:
    """Return the entry in a folder; None if the folder is no entry, or is gone."""
    if not NAME.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
        return None
    try:
        made_for, made_at, key = "", path.stat().st_mtime, None
        with suppress(OSError, ValueError):  # `whole` tells what is wrong
            key, made_for, made_at, _ = read_manifest(path)
        return CacheEntry(path, key, made_for, made_at, size_of(path))
    except FileNotFoundError:  # another process removed it
        return None


def useless(entry: CacheEntry, revision: int, cards: Collection[str]) -> str:
    """Return the reason why an entry is of no more use on this machine; empty if it may be.

    Args:
        entry: One of `entries`.
        revision: `pipeline.graphs.REVISION`, whose import takes torch's seconds.
        cards: Cards of this machine, as `cache.card` names them. Without one, engines are built for other machines, and
            none is useless for its card.
    """
    if damage := whole(entry.path):
        return f"it is damaged: {damage}"
    key = entry.key
    if key is None:
        return ""
    if key.revision not in (0, revision):
        return "it was made by another version of streamflow-live"
    for made_by in filter(None, key.version.split(", ")):
        name, _, was = made_by.rpartition(" ")
        now = installed(name).partition("+")[0] or "absent"
        if now not in (was, "absent"):
            return f"it was made by {made_by}, and {now} is installed"
    if cards and key.device != "any" and not any(_runs(key.device, card) for card in cards):
        return f"it is for a card of compute capability {key.device}, and here is {' and '.join(sorted(cards))}"
    return ""


def _runs(device: str, card: str) -> bool:
    """Return True if an engine for `device` may run on `card`: it is for its capability, or for a slice of it, which
    has its name."""
    return device == card.partition(" ")[0] or device.startswith(card)
