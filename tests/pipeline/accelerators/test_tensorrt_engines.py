"""The cached TensorRT engines of a model: found by their full key, verified, and built again if damaged."""

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorrt_rig import CAPABILITY, SHAPES, builder_of, check_progress

from pipeline.accelerators import (
    cache,
    cache_inventory,
    engine_key,
    registry,
    tensorrt,
    tensorrt_engines,
    tensorrt_library,
)
from pipeline.accelerators.cache_manifest import MANIFEST
from pipeline.accelerators.engine_key import EngineKey
from pipeline.accelerators.engines import Preparation, Progress
from pipeline.accelerators.tensorrt_engines import PLAN, EngineSource, all_cached, engine_plans, engine_sources
from pipeline.accelerators.tensorrt_library import TENSORRT
from pipeline.accelerators.tensorrt_network import RTX_MAGIC
from pipeline.models import Model
from presets.errors import AcceleratorUnavailable, StreamflowError

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX has wheels for x86-64 Linux and Windows only")


@pytest.fixture(scope="module")
def built(tiny: Model, onnx_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with all engines of the tiny model. Read-only: copy it to change it."""
    root = Path(shutil.copytree(onnx_cache, tmp_path_factory.mktemp("built") / "engines"))
    fractions: list[float] = []

    def progress(text: str, fraction: float) -> None:
        check_progress(text, fraction)
        fractions.append(fraction)

    tensorrt.RTX.prepare(tiny, SHAPES, Preparation(progress, cache=root, precision="float32"), CAPABILITY)
    assert fractions == sorted(fractions), "progress never decreases"
    assert fractions[-1] == 1.0
    return root


def test_unet_and_autoencoder_are_built(tiny: Model, built: Path) -> None:
    entries = [entry for entry in cache_inventory.entries(built) if entry.key and entry.key.accelerator != "onnx"]
    assert {entry.key.part for entry in entries if entry.key} == {"denoiser", "encoder", "decoder"}
    for entry in entries:
        assert cache.damage(entry.path) == ""
        assert (entry.path / PLAN).stat().st_size > 10_000
        assert (entry.path / PLAN).read_bytes().startswith(RTX_MAGIC)
    builder = builder_of(tiny, built)
    assert all_cached(builder, engine_sources(builder, tiny, SHAPES))


@pytest.mark.parametrize("damage", ["a bit", "truncated", "missing", "foreign manifest", "another's manifest"])
def test_damaged_engine_is_built_again(tiny: Model, built: Path, tmp_path: Path, damage: str) -> None:
    root = Path(shutil.copytree(built, tmp_path / "engines"))
    builder = builder_of(tiny, root)
    (decoder,) = engine_sources(builder, tiny, SHAPES, ["decoder"])
    entry = root / builder.key(decoder).folder
    plan, manifest = entry / PLAN, entry / MANIFEST
    data = bytearray(plan.read_bytes())
    if damage == "a bit":
        data[len(data) // 2] ^= 1
        plan.write_bytes(data)
    elif damage == "truncated":
        plan.write_bytes(data[:-1])
    elif damage == "missing":
        plan.unlink()
    elif damage == "foreign manifest":
        manifest.write_text('{"format": 99}')
    else:
        (encoder,) = engine_sources(builder, tiny, SHAPES, ["encoder"])
        shutil.copy(root / builder.key(encoder).folder / MANIFEST, manifest)
    messages: list[str] = []
    for expected in ("is damaged; building it again", "already built"):
        messages.clear()
        assert len(list(engine_plans(builder, [decoder], lambda text, fraction: messages.append(text)))) == 1
        assert any(expected in text for text in messages)
    assert cache.damage(entry) == ""


@pytest.mark.parametrize(
    "change",
    [{"capability": "12.0"}, {"precision": "float16"}, {"weights": "ff" * 32}, {"flavour": TENSORRT}],
    ids=lambda change: next(iter(change)),
)
def test_engines_of_another_key_are_not_used(tiny: Model, built: Path, change: dict[str, Any]) -> None:
    builder = builder_of(tiny, built)
    sources = engine_sources(builder, tiny, SHAPES)
    assert all_cached(builder, sources)
    assert not any(all_cached(dataclasses.replace(builder, **change), [source]) for source in sources)
    other = dataclasses.replace(SHAPES, rows=8)
    assert not all_cached(builder, engine_sources(builder, tiny, other, ["denoiser"])), "the batch sizes differ"


def test_classic_engines_are_bound_to_card(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classic = dataclasses.replace(builder_of(tiny, tmp_path), flavour=TENSORRT)
    (source,) = engine_sources(classic, tiny, SHAPES, ["decoder"])
    rtx_key = builder_of(tiny, tmp_path).key(source)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    keys = []
    for name, capability, driver in (
        ("NVIDIA GeForce RTX 4090", (8, 9), "580.95"),
        ("NVIDIA GeForce RTX 4070", (8, 9), "580.95"),
        ("NVIDIA GeForce RTX 4090", (8, 9), "590.10"),
        ("NVIDIA GeForce RTX 4090", (9, 0), "580.95"),
    ):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name=name: name)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda capability=capability: capability)
        monkeypatch.setattr(tensorrt_library, "driver_version", lambda driver=driver: driver)
        keys += [classic.key(source), tensorrt_engines._timings_key(classic)]
        assert builder_of(tiny, tmp_path).key(source) == rtx_key, (
            "TensorRT-RTX engines are bound to the capability only"
        )
    assert len({key.digest for key in keys}) == len(keys)
    assert (keys[0].device, keys[0].driver) == ("8.9 NVIDIA GeForce RTX 4090", "580.95")


def test_package_versions_are_in_the_key(tiny: Model, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = builder_of(tiny, built)
    sources = engine_sources(builder, tiny, SHAPES)
    installed = engine_key.installed_version
    for package in ("tensorrt_rtx_cu13", "torch", "diffusers", "onnxscript"):
        with monkeypatch.context() as patched:
            patched.setattr(
                engine_key, "installed_version", lambda name, p=package: "0.0.1" if name == p else installed(name)
            )
            assert not any(all_cached(builder, [source]) for source in sources)


def test_cancelled_build_stores_nothing(tiny: Model, onnx_cache: Path, tmp_path: Path) -> None:
    class Cancelled(StreamflowError):
        pass

    root = Path(shutil.copytree(onnx_cache, tmp_path / "engines"))
    before = {path.name for path in root.iterdir()}
    reports: list[str] = []

    def progress(text: str, fraction: float) -> None:
        if "building" in text:
            reports.append(text)
        if len(reports) == 4:
            raise Cancelled

    builder = builder_of(tiny, root)
    with pytest.raises(Cancelled):
        list(engine_plans(builder, engine_sources(builder, tiny, SHAPES, ["decoder"]), progress))
    assert len(reports) == 4
    assert {path.name for path in root.iterdir()} == before


def test_engine_plays_without_a_cache(tiny: Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    messages: list[str] = []
    builder = builder_of(tiny, tmp_path / "file")
    sources = engine_sources(builder, tiny, SHAPES, ["decoder"])
    (plan,) = engine_plans(builder, sources, lambda text, fraction: messages.append(text))
    assert len(bytes(plan)) > 10_000
    assert any("can't be written" in text for text in messages)
    assert not all_cached(builder, sources)


@pytest.fixture
def pruned_after_lookup(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Remove each entry right after a lookup finds it, as another process could. The value lists these entries."""
    lookup, pruned = cache.lookup, []

    def lookup_and_prune(root: Path, key: EngineKey) -> tuple[Path | None, str]:
        entry, reason = lookup(root, key)
        if entry is not None:
            shutil.rmtree(entry)
            pruned.append(entry)
        return entry, reason

    monkeypatch.setattr(cache, "lookup", lookup_and_prune)
    return pruned


def test_pruned_engine_is_built_again(tiny: Model, tmp_path: Path, pruned_after_lookup: list[Path]) -> None:
    (tmp_path / "graph.onnx").write_bytes(b"no network")

    @contextmanager
    def exported(progress: Progress) -> Iterator[Path]:
        yield tmp_path / "graph.onnx"

    builder = builder_of(tiny, tmp_path / "engines")
    source = EngineSource("encoder", exported, "none", (), 1.0)
    key = builder.key(source)
    cache.store(builder.root, key, lambda folder: (folder / PLAN).write_bytes(b"plan") and None)
    with pytest.raises(AcceleratorUnavailable, match="can't read the encoder: "):  # raised by the build
        list(engine_plans(builder, [source], check_progress))
    assert pruned_after_lookup == [builder.root / key.folder]


def test_pruned_timings_are_empty(tiny: Model, tmp_path: Path, pruned_after_lookup: list[Path]) -> None:
    builder = dataclasses.replace(builder_of(tiny, tmp_path), flavour=TENSORRT)
    tensorrt_engines._store_timings(builder, b"measured")
    assert tensorrt_engines._read_timings(builder) == b""
    assert len(pruned_after_lookup) == 1


def test_table_finds_cached_engines(tiny: Model, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 9))
    monkeypatch.setattr(tensorrt_library, "driver_cuda_version", lambda: 13)
    row = registry.ACCELERATORS["tensorrt_rtx"]
    assert row.ahead
    assert row.is_kept(tiny, SHAPES, Preparation(check_progress, cache=built, precision="float32"))
    assert not row.is_kept(tiny, SHAPES, Preparation(check_progress, cache=built, precision="bfloat16"))
    assert not row.is_kept(tiny, SHAPES, Preparation(check_progress, cache=built / "elsewhere", precision="float32"))
