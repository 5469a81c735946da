"""TensorRT-RTX builds engines here without a GPU: every family, strongly typed, whole or not at all."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper

from pipeline.accelerators import (
    cache,
    cache_shelf,
    registry,
    tensorrt,
    tensorrt_build,
    tensorrt_library,
    tensorrt_parts,
)
from pipeline.accelerators.engines import Preparation, Progress, Shapes
from pipeline.accelerators.onnx_export import export
from pipeline.accelerators.tensorrt_library import TENSORRT, TENSORRT_RTX
from pipeline.accelerators.tensorrt_network import TensorRTNetwork, open_engine
from pipeline.accelerators.tensorrt_parts import PLAN, Maker, Part, kept, parts, plans
from pipeline.families.flux import FluxDenoiser
from pipeline.families.sana import SanaDenoiser
from pipeline.families.sd3 import SD3Denoiser
from pipeline.graphs import FamilyGraph, precise
from pipeline.models import Model
from presets.errors import AcceleratorUnavailable, CacheError, ModelError, StreamflowError
from tests.pipeline.families.tiny_networks import flux_network, sana_network, sd3_network

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX has wheels for x86-64 Linux and Windows alone")

SHAPES = Shapes(64, 64, (4, 8, 8), (12, 16), 10)
CARD = "8.9"


def unheard(text: str, fraction: float) -> None:
    assert text
    assert 0 <= fraction <= 1


@pytest.fixture(scope="module")
def built(tiny: Model, onnx_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with all engines of the tiny model. Read-only: copy it to change it."""
    root = Path(shutil.copytree(onnx_cache, tmp_path_factory.mktemp("built") / "engines"))
    told: list[float] = []

    def progress(text: str, fraction: float) -> None:
        unheard(text, fraction)
        told.append(fraction)

    tensorrt.prepare(TENSORRT_RTX, tiny, SHAPES, Preparation(progress, cache=root, precision="float32"), CARD)
    assert told == sorted(told), "a bar that goes back is no bar"
    assert told[-1] == 1.0
    return root


def made(tiny: Model, root: Path) -> Maker:
    return tensorrt.maker(TENSORRT_RTX, CARD, "float32", tiny, SHAPES, root)


def test_model_becomes_engines(tiny: Model, built: Path) -> None:
    mine = [entry for entry in cache_shelf.entries(built) if entry.key and entry.key.accelerator == "tensorrt_rtx"]
    assert {entry.key.part for entry in mine if entry.key} == {"denoiser", "encoder", "decoder"}
    for entry in mine:
        assert cache.whole(entry.path) == ""
        assert (entry.path / PLAN).stat().st_size > 10_000
        assert (entry.path / PLAN).read_bytes()[:4] == b"vtrt"  # TensorRT-RTX's own mark
    assert kept(made(tiny, built), parts(made(tiny, built), tiny, SHAPES))


def shorter(transformer: Any, blocks: slice) -> Any:
    """Fewer of the same layers: the exporter needs seconds for each."""
    transformer.transformer_blocks = transformer.transformer_blocks[blocks]
    return transformer


FAMILIES: dict[str, Callable[[], tuple[FamilyGraph, tuple[int, int, int]]]] = {
    "sd3": lambda: (FamilyGraph(SD3Denoiser(shorter(sd3_network(), slice(-1, None))), 7), (4, 8, 8)),
    "flux": lambda: (FamilyGraph(FluxDenoiser(flux_network(True), (4, 8, 8)), 7), (4, 8, 8)),
    "sana": lambda: (FamilyGraph(SanaDenoiser(shorter(sana_network(), slice(1))), 7), (4, 4, 4)),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_families_become_half_engines(family: str, tmp_path: Path) -> None:
    graph, latent = FAMILIES[family]()
    shape = graph.adapter.conditioning(7)
    whole = {
        "latents": torch.zeros(2, *latent),
        "timesteps": torch.tensor([1000.0, 500.0]),
        "embeds": torch.zeros(2, *shape.embeds),
        "mask": torch.ones(2, 7),
        "pooled": torch.zeros(2, shape.pooled or 1),
        "guidance": torch.ones(2),
    }

    @contextmanager
    def exported(progress: Progress) -> Iterator[Path]:
        example = tuple(whole[name] for name in graph.names)
        export(precise(graph, "float16"), example, graph.names, tmp_path / "graph.onnx", True)
        yield tmp_path / "graph.onnx"

    part = Part("denoiser", exported, str(latent), (1, 2, 4), 1.0)
    maker = Maker(TENSORRT_RTX, CARD, "float16", family, family, tmp_path / "engines")
    (plan,) = plans(maker, [part], unheard)
    entry, reason = cache.lookup(maker.root, maker.key(part))
    assert reason == ""
    assert entry is not None
    assert (entry / PLAN).read_bytes() == bytes(plan)
    assert len(bytes(plan)) > 100_000
    (again,) = plans(maker, [part], unheard)
    assert bytes(again) == bytes(plan)


@pytest.mark.parametrize("harm", ["a bit", "truncated", "missing", "foreign manifest", "another's manifest"])
def test_damaged_engine_is_built_again(tiny: Model, built: Path, tmp_path: Path, harm: str) -> None:
    root = Path(shutil.copytree(built, tmp_path / "engines"))
    maker = made(tiny, root)
    (decoder,) = parts(maker, tiny, SHAPES, ["decoder"])
    entry = root / maker.key(decoder).folder
    plan, manifest = entry / PLAN, entry / cache.MANIFEST
    whole = bytearray(plan.read_bytes())
    if harm == "a bit":
        whole[len(whole) // 2] ^= 1
        plan.write_bytes(whole)
    elif harm == "truncated":
        plan.write_bytes(whole[:-1])
    elif harm == "missing":
        plan.unlink()
    elif harm == "foreign manifest":
        manifest.write_text('{"format": 99}')
    else:
        (encoder,) = parts(maker, tiny, SHAPES, ["encoder"])
        shutil.copy(root / maker.key(encoder).folder / cache.MANIFEST, manifest)
    said: list[str] = []
    for expected in ("is damaged; building it again", "is kept already"):
        said.clear()
        assert len(list(plans(maker, [decoder], lambda text, fraction: said.append(text)))) == 1
        assert any(expected in text for text in said)
    assert cache.whole(entry) == ""


@pytest.mark.parametrize(
    "change",
    [{"capability": "12.0"}, {"precision": "float16"}, {"weights": "ff" * 32}, {"flavour": TENSORRT}],
    ids=lambda change: next(iter(change)),
)
def test_other_engine_is_not_taken(tiny: Model, built: Path, change: dict[str, Any]) -> None:
    maker = made(tiny, built)
    wanted = parts(maker, tiny, SHAPES)
    assert kept(maker, wanted)
    assert not any(kept(dataclasses.replace(maker, **change), [part]) for part in wanted)
    other = dataclasses.replace(SHAPES, rows=8)
    assert not kept(maker, parts(maker, tiny, other, ["denoiser"])), "other batch sizes are another denoiser"


def test_classic_engine_key_has_card(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classic = dataclasses.replace(made(tiny, tmp_path), flavour=TENSORRT)
    (part,) = parts(classic, tiny, SHAPES, ["decoder"])
    ahead = made(tiny, tmp_path).key(part)
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
        monkeypatch.setattr(tensorrt_library, "driver", lambda driver=driver: driver)
        keys += [classic.key(part), tensorrt_parts._timings_key(classic)]
        assert made(tiny, tmp_path).key(part) == ahead, "TensorRT-RTX's is the same for every card of a capability"
    assert len({key.digest for key in keys}) == len(keys)
    assert (keys[0].device, keys[0].driver) == ("8.9 NVIDIA GeForce RTX 4090", "580.95")


def test_package_version_is_in_key(tiny: Model, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = made(tiny, built)
    wanted = parts(maker, tiny, SHAPES)
    for package in ("tensorrt_rtx_cu13", "torch", "diffusers", "onnxscript"):
        with monkeypatch.context() as patched:
            known = cache.installed
            patched.setattr(cache, "installed", lambda name, p=package, k=known: "0.0.1" if name == p else k(name))
            assert not any(kept(maker, [part]) for part in wanted)


def test_raised_error_ends_build(tiny: Model, onnx_cache: Path, tmp_path: Path) -> None:
    class Enough(StreamflowError):
        pass

    root = Path(shutil.copytree(onnx_cache, tmp_path / "engines"))
    before = {path.name for path in root.iterdir()}
    begun: list[str] = []

    def progress(text: str, fraction: float) -> None:
        if "building" in text:
            begun.append(text)
        if len(begun) == 4:
            raise Enough

    maker = made(tiny, root)
    with pytest.raises(Enough):
        list(plans(maker, parts(maker, tiny, SHAPES, ["decoder"]), progress))
    assert len(begun) == 4
    assert {path.name for path in root.iterdir()} == before


def test_unwritable_cache_ends_prebuild(tiny: Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said: list[str] = []
    maker = made(tiny, tmp_path / "file")
    wanted = parts(maker, tiny, SHAPES, ["decoder"])
    (plan,) = plans(maker, wanted, lambda text, fraction: said.append(text))
    assert len(bytes(plan)) > 10_000, "what is built plays all the same"
    assert any("can't be kept in" in text for text in said)
    assert not kept(maker, wanted)


def _reversed_bytes(path: Path) -> None:
    """A network that TensorRT has no layer for: it transposes bytes."""
    node = helper.make_node("Transpose", ["pixels"], ["out"], name="turn", perm=[1, 0])
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [2, 3])
    out = helper.make_tensor_value_info("out", TensorProto.UINT8, [3, 2])
    graph = helper.make_graph([node], "graph", [pixels], [out])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def test_parser_error_names_node(tmp_path: Path) -> None:
    _reversed_bytes(tmp_path / "graph.onnx")
    with pytest.raises(AcceleratorUnavailable, match="TensorRT-RTX can't read the encoder: Transpose 'turn'"):
        tensorrt_build.build_plan(TENSORRT_RTX, "encoder", tmp_path / "graph.onnx", None, CARD, unheard)
    (tmp_path / "graph.onnx").write_bytes(b"no network")
    with pytest.raises(AcceleratorUnavailable, match="can't read the encoder: "):
        tensorrt_build.build_plan(TENSORRT_RTX, "encoder", tmp_path / "graph.onnx", None, CARD, unheard)


def test_mendable_errors_come_first() -> None:
    reason = tensorrt_build.reason
    assert "the memory of the card or the machine ran out" in reason(["x", "Error Code 2: OutOfMemory (no 5 GB)", "y"])
    assert "driver is missing or too old" in reason(["In getCurrentCC (cudaError 35: CUDA driver version is ...)"])
    assert reason(["first", "last"]) == "last"
    assert reason([]) == "it gives no reason."


def test_unknown_cards_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert tensorrt_build.target(TENSORRT_RTX, "12.0") == "12.0"
    with pytest.raises(AcceleratorUnavailable, match=r"can't build for compute capability 9\.9; it can for 7\.5, 8\.0"):
        tensorrt_build.target(TENSORRT_RTX, "9.9")
    with pytest.raises(AcceleratorUnavailable, match=r"finds no NVIDIA GPU here to build for; .* --for: 7\.5, 8\.0"):
        tensorrt_build.target(TENSORRT_RTX)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    with pytest.raises(AcceleratorUnavailable, match=r"can't build for compute capability 9\.0"):
        tensorrt_build.target(TENSORRT_RTX)
    assert "this GPU has compute capability 9.0, and it knows 7.5" in tensorrt_library.missing(TENSORRT_RTX)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 9))
    assert tensorrt_build.target(TENSORRT_RTX) == "8.9"
    monkeypatch.setattr(tensorrt_library, "cuda_of_driver", lambda: 12)
    assert "it wants CUDA 13, and the NVIDIA driver" in tensorrt_library.missing(TENSORRT_RTX)


def test_reason_without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(AcceleratorUnavailable, match=r"TensorRT-RTX can't be used: there is no NVIDIA GPU.*RTX card"):
        registry.choose("tensorrt_rtx")
    with pytest.raises(AcceleratorUnavailable, match="can't load the denoiser: there is no NVIDIA GPU"):
        TensorRTNetwork(TENSORRT_RTX, b"", "denoiser", torch.device("cuda"))


def test_foreign_engine_flavour_by_mark(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cuda, other = torch.device("cuda"), tmp_path / "other.engine"
    plan = next(built.glob("tensorrt_rtx-denoiser-*")) / PLAN
    with pytest.raises(AcceleratorUnavailable, match=r"TensorRT-RTX can't load the engine engine\.plan: there is no"):
        open_engine(plan, cuda)
    other.write_bytes(b"ftrt" + bytes(60))
    with pytest.raises(AcceleratorUnavailable, match=r"^TensorRT can't load the engine other\.engine: "):
        open_engine(other, cuda)
    other.write_bytes(b"")
    with pytest.raises(ModelError, match="is empty"):
        open_engine(other, cuda)
    with pytest.raises(ModelError, match="can't be read: No such file"):
        open_engine(tmp_path / "none.engine", cuda)


def test_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    sparse = tmp_path / "sparse.engine"
    with sparse.open("wb") as file:
        file.write(b"vtrt")
        file.truncate(1 << 40)
    with pytest.raises(AcceleratorUnavailable, match=r"can't load the engine sparse\.engine: there is no NVIDIA GPU"):
        open_engine(sparse, torch.device("cuda"))
    monkeypatch.setattr(tensorrt_library, "missing", lambda flavour: "")
    with pytest.raises(ModelError, match=r"sparse\.engine is 1099\.5 GB long"):
        open_engine(sparse, torch.device("cuda"))


@pytest.fixture
def pruned_once_found(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Another process removes each entry right after it was found whole."""
    look, found = cache.lookup, []

    def looked(root: Path, key: cache.EngineKey) -> tuple[Path | None, str]:
        entry, reason = look(root, key)
        if entry is not None:
            shutil.rmtree(entry)
            found.append(entry)
        return entry, reason

    monkeypatch.setattr(cache, "lookup", looked)
    return found


def test_pruned_engine_is_built_again(tiny: Model, tmp_path: Path, pruned_once_found: list[Path]) -> None:
    _reversed_bytes(tmp_path / "graph.onnx")

    @contextmanager
    def source(progress: Progress) -> Iterator[Path]:
        yield tmp_path / "graph.onnx"

    maker = made(tiny, tmp_path / "engines")
    part = Part("encoder", source, "none", None, 1.0)
    key = maker.key(part)
    cache.keep(maker.root, key, lambda folder: (folder / PLAN).write_bytes(b"plan") and None)
    with pytest.raises(AcceleratorUnavailable, match="can't read the encoder: Transpose"):  # so it was to be built
        list(plans(maker, [part], unheard))
    assert pruned_once_found == [maker.root / key.folder]


def test_pruned_timings_are_none(tiny: Model, tmp_path: Path, pruned_once_found: list[Path]) -> None:
    maker = dataclasses.replace(made(tiny, tmp_path), flavour=TENSORRT)
    tensorrt_parts._keep_timings(maker, b"measured")
    assert tensorrt_parts._timings(maker) == b""
    assert len(pruned_once_found) == 1


def test_unknown_precision_is_refused(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(AcceleratorUnavailable, match="TensorRT-RTX can't build in fp4; it can in float32, float16"):
        tensorrt.maker(TENSORRT_RTX, CARD, "fp4", tiny, SHAPES, tmp_path)


def test_auto_needs_built_engines(tiny: Model, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 9))
    monkeypatch.setattr(tensorrt_library, "cuda_of_driver", lambda: 13)
    row = registry.ACCELERATORS["tensorrt_rtx"]
    assert row.ahead
    assert row.is_kept(tiny, SHAPES, Preparation(unheard, cache=built, precision="float32"))
    assert not row.is_kept(tiny, SHAPES, Preparation(unheard, cache=built, precision="bfloat16"))
    assert not row.is_kept(tiny, SHAPES, Preparation(unheard, cache=built / "elsewhere", precision="float32"))


def test_prepared_sizes() -> None:
    assert tensorrt.sizes(1) == (1,)
    assert tensorrt.sizes(9) == (1, 2, 3, 4, 6, 8, 9)
    assert tensorrt.sizes(16) == (1, 2, 3, 4, 6, 8, 10, 12, 14, 16)


def test_unkept_prebuild_is_an_error(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt, "plans", lambda maker, wanted, progress: iter(()))
    with pytest.raises(CacheError, match="could not all be kept in"):
        tensorrt.prepare(TENSORRT_RTX, tiny, SHAPES, Preparation(unheard, cache=tmp_path), CARD)
