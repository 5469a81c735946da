"""Inventory of the engines that are kept on disk: their use, size, age and damage, and which of them to remove."""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pynvml

from pipeline.accelerators.cache import damage
from pipeline.accelerators.cache_inventory import CacheEntry, entries, prune_reason, read_entry
from pipeline.accelerators.engine_key import card_name

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class KeptEngine:
    """One engine, with its damage or the reason for its removal. The reason is empty for an intact engine."""

    entry: CacheEntry
    reason: str

    def as_json(self) -> dict[str, object]:
        """Return plain values for JSON."""
        key = asdict(self.entry.key) if self.entry.key else None
        facts = {"path": str(self.entry.path), "made_for": self.entry.made_for, "made_at": self.entry.made_at}
        return facts | {"bytes": self.entry.size, "key": key, "reason": self.reason}


def inspect_engines(root: Path, thorough: bool) -> list[KeptEngine]:
    """Return every engine with its damage. `thorough` reads every byte; otherwise only sizes are checked."""
    return [KeptEngine(entry, damage(entry.path, thorough=thorough)) for entry in entries(root)]


@dataclass(frozen=True, slots=True)
class Pruning:
    """Rules for the removal of engines. Unusable engines are removed, and with `older_than` (days) all older ones.

    With `everything`, age is the only rule; without an age, every engine is removed.
    """

    everything: bool = False
    older_than: float | None = None
    cards: frozenset[str] = frozenset()
    """NVIDIA cards of this machine, from `cards_here`."""

    def find(self, root: Path) -> list[KeptEngine]:
        """Return every engine to remove, with the reason."""
        return [KeptEngine(entry, reason) for entry in entries(root) if (reason := self._reason(entry))]

    def applies(self, kept: KeptEngine) -> bool:
        """Return True if the engine still exists and is to be removed. It may have been built again meanwhile."""
        entry = read_entry(kept.entry.path)
        return entry is not None and bool(self._reason(entry))

    def _reason(self, entry: CacheEntry) -> str:
        if self.older_than is not None and time.time() - entry.made_at > self.older_than * DAY:
            return f"it is {age(entry.made_at)} old"
        if self.everything:
            return "--all was given" if self.older_than is None else ""
        from pipeline.graphs import REVISION

        return prune_reason(entry, REVISION, self.cards)


def cards_here() -> frozenset[str]:
    """Return the NVIDIA cards of this machine, named as by `pipeline.accelerators.engine_key.card_name`."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return frozenset()
    try:
        found = set()
        for place in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(place)
            major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
            found.add(card_name(f"{major}.{minor}", pynvml.nvmlDeviceGetName(handle)))
        return frozenset(found)
    except pynvml.NVMLError:
        return frozenset()
    finally:
        pynvml.nvmlShutdown()


def age(made_at: float) -> str:
    """Return an age in words, such as ``3 days`` or ``5 hours``."""
    seconds = max(0.0, time.time() - made_at)
    for unit, length in (("day", DAY), ("hour", 3600.0), ("minute", 60.0)):
        if (count := int(seconds // length)) > 0:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "a moment"


def amount(size: float) -> str:
    """Return a size in words, such as ``5.9 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def total(kept: Iterable[KeptEngine]) -> int:
    """Return the size of all engines in bytes."""
    return sum(each.entry.size for each in kept)
