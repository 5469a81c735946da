"""Kernels that TensorRT-RTX compiled are found at the next start, whole and for this card, or the reason is reported.

TensorRT-RTX makes its own object for them on a card only, so doubles take its place here.
"""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.accelerators import cache, cache_shelf, tensorrt_kernels, tensorrt_library, tensorrt_rtx
from pipeline.accelerators.cache import EngineKey
from pipeline.accelerators.engines import Preparation, Shapes
from pipeline.accelerators.tensorrt_kernels import KERNELS, Kernels
from pipeline.accelerators.tensorrt_library import TENSORRT_RTX
from pipeline.models import load_model

ENGINE = EngineKey(
    "tensorrt_rtx", "tensorrt_rtx_cu13 1.7.1", "denoiser", "ab" * 32, 2, "64x64, rows 1 to 4", "float16", "8.9"
)
CARD = "8.9 NVIDIA GeForce RTX 4090"


class Held:
    """A double of TensorRT-RTX's ``IRuntimeCache``, on a machine with one driver."""

    def __init__(self, driver: bytes) -> None:
        self._driver, self.kernels = driver, b""

    def serialize(self) -> memoryview:
        return memoryview(self._driver + self.kernels)

    def deserialize(self, blob: bytes) -> bool:
        fits = blob.startswith(self._driver)
        if fits:
            self.kernels = blob.removeprefix(self._driver)
        return fits


class Configured:
    """A double of its ``IRuntimeConfig``."""

    def __init__(self, driver: bytes = b"580:", takes: bool = True) -> None:
        self._driver, self._takes = driver, takes
        self.held: Held | None = None

    def create_runtime_cache(self) -> Held:
        return Held(self._driver)

    def set_runtime_cache(self, held: Held) -> bool:
        self.held = held if self._takes else None
        return self._takes


class Start:
    """One start of the program: the kernels that it found, and its messages."""

    def __init__(self, root: Path, driver: bytes = b"580:", engine: EngineKey = ENGINE, card: str = CARD) -> None:
        self.told: list[str] = []
        self.kernels = Kernels(root, engine, card, "shipped 64x64", self.told.append)
        configured = Configured(driver)
        self.held: Held = self.kernels.attach(configured)
        assert configured.held is self.held
        self.found = self.held.kernels

    def compiles(self, kernels: bytes) -> "Start":
        self.held.kernels = kernels
        self.kernels.keep()
        return self


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    """The only entry of a cache, compiled by an earlier start."""
    start = Start(tmp_path).compiles(b"kernels of every size")
    assert (start.found, start.told) == (b"", [])
    (path,) = tmp_path.iterdir()
    return path


def test_second_start_finds_kernels(entry: Path) -> None:
    before = (entry / cache.MANIFEST).stat().st_mtime_ns, (entry / cache.MANIFEST).stat().st_ino
    start = Start(entry.parent)
    assert start.found == b"kernels of every size"
    start.compiles(start.found)
    assert ((entry / cache.MANIFEST).stat().st_mtime_ns, (entry / cache.MANIFEST).stat().st_ino) == before
    assert start.told == []
    Start(entry.parent).compiles(b"kernels of every size, and of another")
    assert Start(entry.parent).found == b"kernels of every size, and of another"
    assert list(entry.parent.iterdir()) == [entry], "it is written over, and nothing lies beside it"
    assert cache.whole(entry) == ""


@pytest.mark.parametrize("harm", ["a bit", "truncated", "missing", "foreign manifest"])
def test_damage_is_told_and_heals(entry: Path, harm: str) -> None:
    kernels = entry / KERNELS
    data = bytearray(kernels.read_bytes())
    if harm == "a bit":
        data[-1] ^= 1
        kernels.write_bytes(data)
    elif harm == "truncated":
        kernels.write_bytes(data[:-1])
    elif harm == "missing":
        kernels.unlink()
    else:
        (entry / cache.MANIFEST).write_text('{"format": 99}')
    start = Start(entry.parent)
    assert start.found == b""
    assert len(start.told) == 1
    assert "is damaged; compiling its kernels again: " in start.told[0]
    start.compiles(b"anew")
    healed = Start(entry.parent)
    assert (healed.found, healed.told) == (b"anew", [])


def test_refused_kernels_are_overwritten(entry: Path) -> None:
    start = Start(entry.parent, driver=b"470:")
    assert start.found == b""
    assert start.told == ["its compiled kernels are of another driver or version; TensorRT-RTX compiles them again"]
    start.compiles(b"anew")
    assert Start(entry.parent, driver=b"470:").found == b"anew"
    assert list(entry.parent.iterdir()) == [entry]


@pytest.mark.parametrize("part", ["version", "part", "weights", "shapes", "precision", "card"])
def test_other_kernels_are_not_read(entry: Path, part: str) -> None:
    if part == "card":
        other = Start(entry.parent, card="8.9 NVIDIA GeForce RTX 4070")
    else:
        other = Start(entry.parent, engine=dataclasses.replace(ENGINE, **{part: "another"}))
    assert (other.found, other.told) == (b"", [])
    other.compiles(b"its own")
    assert Start(entry.parent).found == b"kernels of every size"


def test_useless_kernels_are_pruned(entry: Path) -> None:
    (listed,) = cache_shelf.entries(entry.parent)
    assert listed.key is not None
    assert (listed.key.part, listed.made_for) == ("kernels-denoiser", "shipped 64x64")
    here = {CARD}
    nightly = cache_shelf.CacheEntry(listed.path, dataclasses.replace(listed.key, version="nightly"), "", 0.0, 0)
    assert cache_shelf.useless(nightly, ENGINE.revision, here) == ""
    assert "RTX 4090, and here is 8.9 NVIDIA GeForce RTX 4070" in cache_shelf.useless(
        nightly, ENGINE.revision, {"8.9 NVIDIA GeForce RTX 4070"}
    )


def test_huge_kernels_are_ignored(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt_kernels, "LARGEST", 10)
    start = Start(entry.parent)
    assert start.found == b""
    assert start.told == ["its compiled kernels are not read: 25 bytes, and 10 are the most"]
    start.compiles(b"as many as before")
    assert start.told[1:] == ["its compiled kernels are not kept: 21 bytes, and 10 are the most"]


def test_unwritable_cache_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    start = Start(tmp_path / "file").compiles(b"kernels")
    assert len(start.told) == 1
    assert "can't be kept in" in start.told[0]
    assert "The next start compiles its kernels again." in start.told[0]


def test_pruned_kernels_are_none(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = cache.lookup

    def looked(root: Path, key: EngineKey) -> tuple[Path | None, str]:
        found = look(root, key)
        shutil.rmtree(entry)
        return found

    monkeypatch.setattr(cache, "lookup", looked)
    start = Start(entry.parent)
    assert (start.found, start.told) == (b"", [])


def test_refused_cache_is_reported(tmp_path: Path) -> None:
    told: list[str] = []
    kernels = Kernels(tmp_path, ENGINE, CARD, "shipped 64x64", told.append)
    kernels.attach(Configured(takes=False))
    kernels.keep()
    assert told == ["TensorRT-RTX accepts no cache for its kernels, and compiles them at every start"]
    assert list(tmp_path.iterdir()) == []


def test_tensorrt_rtx_api_exists() -> None:
    trt: Any = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX has wheels for x86-64 Linux and Windows alone")
    for kind, asked in (
        (trt.ICudaEngine, ("create_runtime_config", "create_execution_context")),
        (trt.IRuntimeConfig, ("create_runtime_cache", "set_runtime_cache")),
        (trt.IRuntimeCache, ("serialize", "deserialize")),
        (trt.IHostMemory, ("nbytes",)),
    ):
        assert all(hasattr(kind, name) for name in asked)


@pytest.mark.gpu
def test_kernels_on_a_card(tiny_folder: Path, onnx_cache: Path, tmp_path: Path) -> None:
    if missing := tensorrt_library.missing(TENSORRT_RTX):
        pytest.skip(missing)
    root = Path(shutil.copytree(onnx_cache, tmp_path / "engines"))
    shapes = Shapes(64, 64, (4, 8, 8), (12, 16), 2)
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    drawn: list[torch.Tensor] = []
    made_at: list[dict[Path, float]] = []
    told: list[str] = []
    for _ in range(2):
        told.clear()
        preparation = Preparation(lambda text, fraction: told.append(text), cache=root)
        engines = tensorrt_rtx.build(load_model(tiny_folder), shapes, preparation)
        drawn.append(engines.decode(engines.encode(pixels)).clone())
        kept = [each for each in cache_shelf.entries(root) if each.key and each.key.part.startswith("kernels-")]
        made_at.append({each.path: each.made_at for each in kept})
    assert len(made_at[0]) == 3
    assert made_at[1].keys() == made_at[0].keys()
    assert not any("compiled kernels are" in text or "is damaged" in text for text in told)
    assert torch.equal(drawn[0], drawn[1])
