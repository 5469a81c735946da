"""What TensorRT-RTX compiled for the card that is here, kept from start to start: in the engine cache, beside the plan.

Without it every start compiles every kernel of every batch size again. TensorRT-RTX itself refuses what was compiled
for another card, driver or version, and then it compiles anew. Written for hardware and not yet run on any; all but
TensorRT-RTX's own part, which exists on a card alone, is tested.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.accelerators import cache
from pipeline.accelerators.cache import EngineKey
from presets.errors import CacheError

KERNELS = "kernels.cache"

LARGEST = 512_000_000
"""Bytes of one network's kernels: what is larger is neither kept nor read, for it is nothing that a network needs."""


class Kernels:
    """The compiled kernels of one network. Whatever is the matter with them is told, and ends nothing."""

    def __init__(self, root: Path, engine: EngineKey, device: str, made_for: str, tell: Callable[[str], None]) -> None:
        """
        Args:
            root: The engine cache.
            engine: Of the plan that they are compiled from.
            device: The card, as `cache.card` has it.
            made_for: A model's name and a size, for people.
            tell: Told what is the matter with them.
        """
        self._root, self._made_for, self._tell = root, made_for, tell
        # Not by the driver, which TensorRT-RTX judges itself: a newer one mostly takes them, and where it does not they
        # are written over, and do not pile up.
        self._key = replace(engine, part=f"kernels-{engine.part}", device=device)
        self._held: Any = None
        self._kept = ""
        """Digest of what is kept; empty where nothing is, or nothing of use."""

    def attach(self, configured: Any) -> Any:
        """Has the contexts of this runtime configuration take and leave their kernels here.

        Answers TensorRT-RTX's object, which must outlive those contexts; None where it makes none.
        """
        held = configured.create_runtime_cache()
        if held is None or not configured.set_runtime_cache(held):
            self._tell("TensorRT-RTX takes no cache for its kernels, and compiles them at every start")
            return held  # a configuration may know of it all the same
        self._held = held
        compiled = self._read()
        if compiled and held.deserialize(compiled):
            self._kept = hashlib.sha256(compiled).hexdigest()
        elif compiled:
            self._tell("its compiled kernels are of another driver or version; TensorRT-RTX compiles them again")
        return held

    def keep(self) -> None:
        """Keeps what was compiled by now, where that is something else than is kept: once every size was called."""
        compiled = None if self._held is None else self._held.serialize()
        if compiled is None:
            return
        if compiled.nbytes > LARGEST:
            self._tell(f"its compiled kernels are not kept: {compiled.nbytes} bytes, and {LARGEST} are the most")
            return
        data = bytes(compiled)
        digest = hashlib.sha256(data).hexdigest()
        if not data or digest == self._kept:
            return
        try:
            cache.forget(self._root, self._key)
            cache.keep(self._root, self._key, lambda folder: _write(folder, data), self._made_for)
        except CacheError as error:
            self._tell(f"{error} The next start compiles its kernels again.")
        else:
            self._kept = digest

    def _read(self) -> bytes:
        entry, reason = cache.lookup(self._root, self._key)
        if reason:
            self._tell(f"{self._root / self._key.folder} is damaged; compiling its kernels again: {reason}")
        if entry is None:
            return b""
        try:
            size = (entry / KERNELS).stat().st_size
            if size > LARGEST:
                self._tell(f"its compiled kernels are not read: {size} bytes, and {LARGEST} are the most")
                return b""
            return (entry / KERNELS).read_bytes()
        except OSError:  # removed since it was looked at
            return b""


def _write(folder: Path, data: bytes) -> None:
    (folder / KERNELS).write_bytes(data)
