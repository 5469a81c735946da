"""The kernel cache of TensorRT-RTX: the next start reads the stored kernels, and problems are reported.

TensorRT-RTX creates its runtime cache on a GPU only. The substitute here follows its documentation: it serializes the
kernels that it holds, and refuses kernels of another driver.
"""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.accelerators import cache, cache_inventory, tensorrt, tensorrt_kernels, tensorrt_library
from pipeline.accelerators.cache_manifest import MANIFEST
from pipeline.accelerators.engine_key import EngineKey
from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.accelerators.tensorrt_kernels import KERNELS, KernelCache
from pipeline.accelerators.tensorrt_library import TENSORRT_RTX
from pipeline.models import load_model

ENGINE = EngineKey(
    "tensorrt_rtx", "tensorrt_rtx_cu13 1.7.1", "denoiser", "ab" * 32, 2, "64x64, rows 1 to 4", "float16", "8.9"
)
CARD = "8.9 NVIDIA GeForce RTX 4090"


class RuntimeCache:
    """A substitute for TensorRT-RTX's ``IRuntimeCache`` on a machine with one driver."""

    def __init__(self, driver: bytes) -> None:
        self._driver, self.kernels = driver, b""

    def serialize(self) -> memoryview:
        return memoryview(self._driver + self.kernels)

    def deserialize(self, blob: bytes) -> bool:
        fits = blob.startswith(self._driver)
        if fits:
            self.kernels = blob.removeprefix(self._driver)
        return fits


class RuntimeConfig:
    """A substitute for TensorRT-RTX's ``IRuntimeConfig``."""

    def __init__(self, driver: bytes = b"580:", accepts: bool = True) -> None:
        self._driver, self._accepts = driver, accepts
        self.runtime_cache: RuntimeCache | None = None

    def create_runtime_cache(self) -> RuntimeCache:
        return RuntimeCache(self._driver)

    def set_runtime_cache(self, runtime_cache: RuntimeCache) -> bool:
        self.runtime_cache = runtime_cache if self._accepts else None
        return self._accepts


class Start:
    """One start of the program: the kernels it read, and the problems it reported."""

    def __init__(self, root: Path, driver: bytes = b"580:", engine: EngineKey = ENGINE, card: str = CARD) -> None:
        self.reports: list[str] = []
        self.kernel_cache = KernelCache(root, engine, card, "shipped 64x64", self.reports.append)
        config = RuntimeConfig(driver)
        self.runtime_cache: RuntimeCache = self.kernel_cache.attach(config)
        assert config.runtime_cache is self.runtime_cache
        self.found = self.runtime_cache.kernels

    def save(self, kernels: bytes) -> "Start":
        self.runtime_cache.kernels = kernels
        self.kernel_cache.save()
        return self


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    """The only entry of a cache, with the kernels of an earlier start."""
    start = Start(tmp_path).save(b"kernels of every size")
    assert (start.found, start.reports) == (b"", [])
    (path,) = tmp_path.iterdir()
    return path


def test_next_start_reads_the_kernels(entry: Path) -> None:
    before = (entry / MANIFEST).stat().st_mtime_ns, (entry / MANIFEST).stat().st_ino
    start = Start(entry.parent)
    assert start.found == b"kernels of every size"
    start.save(start.found)
    assert ((entry / MANIFEST).stat().st_mtime_ns, (entry / MANIFEST).stat().st_ino) == before
    assert start.reports == []
    Start(entry.parent).save(b"kernels of every size, and of another")
    assert Start(entry.parent).found == b"kernels of every size, and of another"
    assert list(entry.parent.iterdir()) == [entry], "the entry is replaced"
    assert cache.damage(entry) == ""


@pytest.mark.parametrize("damage", ["a bit", "truncated", "missing", "foreign manifest"])
def test_damage_is_reported(entry: Path, damage: str) -> None:
    kernels = entry / KERNELS
    data = bytearray(kernels.read_bytes())
    if damage == "a bit":
        data[-1] ^= 1
        kernels.write_bytes(data)
    elif damage == "truncated":
        kernels.write_bytes(data[:-1])
    elif damage == "missing":
        kernels.unlink()
    else:
        (entry / MANIFEST).write_text('{"format": 99}')
    start = Start(entry.parent)
    assert start.found == b""
    assert len(start.reports) == 1
    assert "is damaged; compiling the kernels again: " in start.reports[0]
    start.save(b"anew")
    replaced = Start(entry.parent)
    assert (replaced.found, replaced.reports) == (b"anew", [])


def test_refused_kernels_are_replaced(entry: Path) -> None:
    start = Start(entry.parent, driver=b"470:")
    assert start.found == b""
    assert start.reports == ["the stored kernels are for another driver or version; TensorRT-RTX compiles them again"]
    start.save(b"anew")
    assert Start(entry.parent, driver=b"470:").found == b"anew"
    assert list(entry.parent.iterdir()) == [entry]


@pytest.mark.parametrize("part", ["version", "part", "weights", "shapes", "precision", "card"])
def test_kernels_of_another_key_are_not_read(entry: Path, part: str) -> None:
    if part == "card":
        other = Start(entry.parent, card="8.9 NVIDIA GeForce RTX 4070")
    else:
        other = Start(entry.parent, engine=dataclasses.replace(ENGINE, **{part: "another"}))
    assert (other.found, other.reports) == (b"", [])
    other.save(b"its own")
    assert Start(entry.parent).found == b"kernels of every size"


def test_kernels_are_pruned(entry: Path) -> None:
    (listed,) = cache_inventory.entries(entry.parent)
    assert listed.key is not None
    assert (listed.key.part, listed.made_for) == ("kernels-denoiser", "shipped 64x64")
    nightly = cache_inventory.CacheEntry(listed.path, dataclasses.replace(listed.key, version="nightly"), "", 0.0, 0)
    assert cache_inventory.prune_reason(nightly, ENGINE.revision, {CARD}) == ""
    assert "RTX 4090, but the GPU here is 8.9 NVIDIA GeForce RTX 4070" in cache_inventory.prune_reason(
        nightly, ENGINE.revision, {"8.9 NVIDIA GeForce RTX 4070"}
    )


def test_oversized_kernels_are_ignored(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt_kernels, "MAX_KERNEL_BYTES", 10)
    start = Start(entry.parent)
    assert start.found == b""
    assert start.reports == ["the stored kernels are not read: 25 bytes, the limit is 10"]
    start.save(b"as many as before")
    assert start.reports[1:] == ["the kernels are not stored: 21 bytes, the limit is 10"]


def test_unwritable_cache_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    start = Start(tmp_path / "file").save(b"kernels")
    assert len(start.reports) == 1
    assert "can't be written" in start.reports[0]
    assert "The next start compiles the kernels again." in start.reports[0]


def test_pruned_kernels_are_absent(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = cache.lookup

    def lookup_and_prune(root: Path, key: EngineKey) -> tuple[Path | None, str]:
        found = lookup(root, key)
        shutil.rmtree(entry)
        return found

    monkeypatch.setattr(cache, "lookup", lookup_and_prune)
    start = Start(entry.parent)
    assert (start.found, start.reports) == (b"", [])


def test_refused_runtime_cache_is_reported(tmp_path: Path) -> None:
    reports: list[str] = []
    kernel_cache = KernelCache(tmp_path, ENGINE, CARD, "shipped 64x64", reports.append)
    kernel_cache.attach(RuntimeConfig(accepts=False))
    kernel_cache.save()
    assert reports == ["TensorRT-RTX accepts no kernel cache, so it compiles the kernels at every start"]
    assert list(tmp_path.iterdir()) == []


def test_tensorrt_rtx_has_the_api() -> None:
    trt: Any = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX has wheels for x86-64 Linux and Windows only")
    for kind, names in (
        (trt.ICudaEngine, ("create_runtime_config", "create_execution_context")),
        (trt.IRuntimeConfig, ("create_runtime_cache", "set_runtime_cache")),
        (trt.IRuntimeCache, ("serialize", "deserialize")),
        (trt.IHostMemory, ("nbytes",)),
    ):
        assert all(hasattr(kind, name) for name in names)


@pytest.mark.gpu
def test_second_start_on_a_gpu(tiny_folder: Path, onnx_cache: Path, tmp_path: Path) -> None:
    if reason := tensorrt_library.unavailable_reason(TENSORRT_RTX):
        pytest.skip(reason)
    root = Path(shutil.copytree(onnx_cache, tmp_path / "engines"))
    shapes = Shapes(64, 64, (4, 8, 8), (12, 16), 2)
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    decoded: list[torch.Tensor] = []
    made_at: list[dict[Path, float]] = []
    messages: list[str] = []
    for _ in range(2):
        messages.clear()
        preparation = Preparation(lambda text, fraction: messages.append(text), cache=root)
        engines = tensorrt.RTX.build(load_model(tiny_folder), shapes, preparation)
        decoded.append(engines.decode(engines.encode(pixels)).clone())
        entries = [each for each in cache_inventory.entries(root) if each.key and each.key.part.startswith("kernels-")]
        made_at.append({each.path: each.made_at for each in entries})
    assert len(made_at[0]) == 3
    assert made_at[1].keys() == made_at[0].keys()
    assert not any("kernels are" in text or "is damaged" in text for text in messages)
    assert torch.equal(decoded[0], decoded[1])
