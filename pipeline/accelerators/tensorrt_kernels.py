"""Cache of the kernels that TensorRT-RTX compiles for a card, stored in the engine cache beside the engine.

Without it, every start compiles the kernels of every batch size again. TensorRT-RTX refuses kernels that were compiled
for another card, driver or version, and compiles them again. TensorRT-RTX creates its runtime cache on a GPU only, so
that part has not run on hardware; the rest is tested.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.accelerators import cache
from pipeline.accelerators.engine_key import EngineKey
from presets.errors import CacheError

KERNELS = "kernels.cache"

MAX_KERNEL_BYTES = 512_000_000
"""Limit for the kernels of one network. Larger ones are neither stored nor read: no network needs as much."""


class KernelCache:
    """The compiled kernels of one network. Problems are reported and stop nothing."""

    def __init__(self, root: Path, engine: EngineKey, card: str, made_for: str, report: Callable[[str], None]) -> None:
        """
        Args:
            root: Folder of the engine cache.
            engine: Key of the engine that the kernels are compiled from.
            card: `card_name` of the GPU.
            made_for: Name of the model and frame size, for people.
            report: Receives each problem as a sentence.
        """
        self._root, self._made_for, self._report = root, made_for, report
        # The driver is not part of the key: TensorRT-RTX accepts kernels of most older drivers, and those that it
        # refuses are overwritten instead of piling up.
        self._key = replace(engine, part=f"kernels-{engine.part}", device=card)
        self._runtime_cache: Any = None
        self._stored_digest = ""
        """SHA-256 of the stored kernels; empty if nothing usable is stored."""

    def attach(self, config: Any) -> Any:
        """Give the execution contexts of this runtime configuration a runtime cache with the stored kernels.

        Return TensorRT-RTX's runtime cache, which must outlive those contexts, or None if it creates none.
        """
        runtime_cache = config.create_runtime_cache()
        if runtime_cache is None or not config.set_runtime_cache(runtime_cache):
            self._report("TensorRT-RTX accepts no kernel cache, so it compiles the kernels at every start")
            return runtime_cache  # the configuration may refer to it all the same
        self._runtime_cache = runtime_cache
        data = self._read()
        if data and runtime_cache.deserialize(data):
            self._stored_digest = hashlib.sha256(data).hexdigest()
        elif data:
            self._report("the stored kernels are for another driver or version; TensorRT-RTX compiles them again")
        return runtime_cache

    def save(self) -> None:
        """Store the kernels if they differ from the stored ones. Call it after one call of every batch size."""
        serialized = None if self._runtime_cache is None else self._runtime_cache.serialize()
        if serialized is None:
            return
        if serialized.nbytes > MAX_KERNEL_BYTES:
            self._report(f"the kernels are not stored: {serialized.nbytes} bytes, the limit is {MAX_KERNEL_BYTES}")
            return
        data = bytes(serialized)
        digest = hashlib.sha256(data).hexdigest()
        if not data or digest == self._stored_digest:
            return
        try:
            cache.delete(self._root, self._key)
            cache.store(self._root, self._key, lambda folder: _write(folder, data), self._made_for)
        except CacheError as error:
            self._report(f"{error} The next start compiles the kernels again.")
        else:
            self._stored_digest = digest

    def _read(self) -> bytes:
        entry, reason = cache.lookup(self._root, self._key)
        if reason:
            self._report(f"{self._root / self._key.folder} is damaged; compiling the kernels again: {reason}")
        if entry is None:
            return b""
        try:
            size = (entry / KERNELS).stat().st_size
            if size > MAX_KERNEL_BYTES:
                self._report(f"the stored kernels are not read: {size} bytes, the limit is {MAX_KERNEL_BYTES}")
                return b""
            return (entry / KERNELS).read_bytes()
        except OSError:  # removed after the lookup
            return b""


def _write(folder: Path, data: bytes) -> None:
    (folder / KERNELS).write_bytes(data)
