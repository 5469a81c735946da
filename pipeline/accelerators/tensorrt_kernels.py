"""Kernels that TensorRT-RTX compiled for this machine's card, kept in the engine cache beside the plan.

Without them every start compiles every kernel of every batch size again. TensorRT-RTX itself refuses kernels of another
card, driver or version, and compiles them anew. Not run on hardware yet; all but TensorRT-RTX's own part, which needs a
card, is tested.
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
"""Most bytes of one network's kernels. A larger file is neither kept nor read."""


class Kernels:
    """Compiled kernels of one network. Their faults are reported and end nothing."""

    def __init__(self, root: Path, engine: EngineKey, device: str, made_for: str, tell: Callable[[str], None]) -> None:
        """
        Args:
            root: Folder of the engine cache.
            engine: Key of the plan that they are compiled from.
            device: The card, as `cache.card` names it.
            made_for: Name of a model and a size, for people.
            tell: Receives their faults.
        """
        self._root, self._made_for, self._tell = root, made_for, tell
        # The key omits the driver, which TensorRT-RTX checks itself: a newer one mostly accepts the kernels, and one
        # that refuses them overwrites the entry.
        self._key = replace(engine, part=f"kernels-{engine.part}", device=device)
        self._held: Any = None
        self._kept = ""
        """Digest of the kept kernels; empty if there are none, or none of use."""

    def attach(self, configured: Any) -> Any:
        """Make the contexts of this runtime configuration load and store their kernels here.

        Return TensorRT-RTX's object, which must outlive those contexts; None if it makes none.
        """
        held = configured.create_runtime_cache()
        if held is None or not configured.set_runtime_cache(held):
            self._tell("TensorRT-RTX accepts no cache for its kernels, and compiles them at every start")
            return held  # the configuration may refer to it even so
        self._held = held
        compiled = self._read()
        if compiled and held.deserialize(compiled):
            self._kept = hashlib.sha256(compiled).hexdigest()
        elif compiled:
            self._tell("its compiled kernels are of another driver or version; TensorRT-RTX compiles them again")
        return held

    def keep(self) -> None:
        """Keep the kernels compiled so far, if they differ from the kept ones. Call it once every size was called."""
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
        except OSError:  # removed meanwhile
            return b""


def _write(folder: Path, data: bytes) -> None:
    (folder / KERNELS).write_bytes(data)
