"""The engines that are kept, as a person wants them told: for what, how large, how old, whole or why not."""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pynvml

from pipeline.accelerators.cache import card, whole
from pipeline.accelerators.cache_shelf import CacheEntry, entries, entry_at, useless

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class KeptEngine:
    """One entry, and what is wrong with it, or why it would go."""

    entry: CacheEntry
    reason: str

    def as_json(self) -> dict[str, object]:
        """JSON-able."""
        key = asdict(self.entry.key) if self.entry.key else None
        told = {"path": str(self.entry.path), "made_for": self.entry.made_for, "made_at": self.entry.made_at}
        return told | {"bytes": self.entry.size, "key": key, "reason": self.reason}


def inspect_engines(root: Path, thorough: bool) -> list[KeptEngine]:
    """Every entry with what is wrong with it; `thorough` reads every byte."""
    return [KeptEngine(entry, whole(entry.path, thorough=thorough)) for entry in entries(root)]


@dataclass(frozen=True, slots=True)
class Pruning:
    """What goes: what is of no more use here, and with an age (days) all that is older.

    `everything` needs no other reason than the age, and none where no age is given.
    """

    everything: bool = False
    older_than: float | None = None
    cards: frozenset[str] = frozenset()
    """`cards_here`."""

    def going(self, root: Path) -> list[KeptEngine]:
        """All that would go, each with its reason."""
        return [KeptEngine(entry, reason) for entry in entries(root) if (reason := self._reason(entry))]

    def still(self, kept: KeptEngine) -> bool:
        """Whether it is there yet and has a reason to go: while a question waits for its answer, much may be built."""
        entry = entry_at(kept.entry.path)
        return entry is not None and bool(self._reason(entry))

    def _reason(self, entry: CacheEntry) -> str:
        if self.older_than is not None and time.time() - entry.made_at > self.older_than * DAY:
            return f"it is {age(entry.made_at)} old"
        if self.everything:
            return "all of it goes" if self.older_than is None else ""
        from pipeline.graphs import REVISION

        return useless(entry, REVISION, self.cards)


def cards_here() -> frozenset[str]:
    """The NVIDIA cards that are here, each as `pipeline.accelerators.cache.card` has it."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return frozenset()
    try:
        found = set()
        for place in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(place)
            major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
            found.add(card(f"{major}.{minor}", pynvml.nvmlDeviceGetName(handle)))
        return frozenset(found)
    except pynvml.NVMLError:
        return frozenset()
    finally:
        pynvml.nvmlShutdown()


def age(made_at: float) -> str:
    """``3 days``, ``5 hours``."""
    seconds = max(0.0, time.time() - made_at)
    for unit, length in (("day", DAY), ("hour", 3600.0), ("minute", 60.0)):
        if (count := int(seconds // length)) > 0:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "a moment"


def amount(size: float) -> str:
    """``5.9 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def total(kept: Iterable[KeptEngine]) -> int:
    """Bytes of all of them."""
    return sum(each.entry.size for each in kept)
