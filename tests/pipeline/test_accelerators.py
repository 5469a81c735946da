"""Accelerators: OpenVINO matches eager torch, its cache is verified, and each choice has a reason."""

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from pipeline.accelerators import eager, registry
from pipeline.accelerators.candidates import Candidate, Choices
from pipeline.accelerators.engines import Engines, Preparation, Shapes
from pipeline.accelerators.openvino import compile_engines, parts_of, precisions
from pipeline.accelerators.openvino_convert import converted, names_of, openvino_core
from pipeline.accelerators.processor import Cores
from pipeline.accelerators.tuning_record import TuningKey, TuningRecord, write_record
from pipeline.denoiser import ConditioningRows
from pipeline.models import SHIPPED, Model, load_model
from pipeline.prepared_engines import PreparedEngines
from presets.errors import AcceleratorUnavailable, ModelError
from presets.parameters import Parameters

TINY = Shapes(64, 64, (4, 8, 8), (12, 16), 10)
SMALL = Shapes(64, 64, (4, 8, 8), (12, 16), 2)
"""Shapes with fewer batch sizes to compile, for tests of the code around the networks."""


def quiet(text: str, fraction: float) -> None:
    assert text
    assert 0 <= fraction <= 1


def compiled(
    model: Model,
    shapes: Shapes,
    cache: Path,
    precision: str = "float32",
    progress: Any = quiet,
    threads: int = 1,
    sizes: tuple[int, ...] = (),
) -> Engines:
    preparation = Preparation(progress, threads, cache=cache, sizes=sizes)
    return compile_engines(openvino_core(), model, shapes, precision, preparation)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def engines(tiny: Model, cache: Path) -> Engines:
    """Engines with two threads, so that larger batches are shared by two requests."""
    return compiled(tiny, TINY, cache, threads=2)


def test_reference_runs_on_processor(reference: Engines) -> None:
    assert eager.available_device().type == reference.device.type == "cpu"
    program = "import torch; print(torch.cuda.device_count())"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["0"], "nor do processes that tests start see another"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"


def inputs(shapes: Shapes, rows: int) -> tuple[torch.Tensor, torch.Tensor, ConditioningRows]:
    generator = torch.Generator().manual_seed(rows)
    return (
        torch.randn(rows, *shapes.inputs, generator=generator),
        torch.linspace(1000, 37.3, rows),
        ConditioningRows(torch.randn(rows, *shapes.embeds, generator=generator)),
    )


@pytest.mark.parametrize("compiled_sizes", [False, True])
def test_warm_up_calls_what_is_compiled(tiny: Model, reference: Engines, compiled_sizes: bool) -> None:
    assert reference.any_size, "torch compiles nothing on a processor"
    calls: list[int] = []

    def counted(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: ConditioningRows) -> torch.Tensor:
        calls.append(len(latents))
        return reference.denoiser(latents, timesteps, conditioning)

    engines = replace(reference, denoiser=counted, any_size=not compiled_sizes)
    choice = registry.AcceleratorChoice("eager", engines, "")
    PreparedEngines(choice, tiny, TINY, TINY.rows // 2, tiny.conditioning).warm_up()
    assert calls == ([*range(1, 11)] if compiled_sizes else [1])


@pytest.mark.parametrize("rows", [1, 3, 8, 10])
def test_openvino_is_eager_in_float32(reference: Engines, engines: Engines, rows: int) -> None:
    latents, timesteps, text = inputs(TINY, rows)
    expected = reference.denoiser(latents, timesteps, text)
    moved = reference.denoiser(latents, timesteps, ConditioningRows(text.embeds.flip(-1))) - expected
    assert moved.abs().max() > 100 * 1e-4  # the conditioning is heard far above the tolerance
    torch.testing.assert_close(engines.denoiser(latents, timesteps, text), expected, rtol=0, atol=1e-4)


def test_every_size_matches_single_rows(engines: Engines) -> None:
    assert engines.sizes == (1, 2, 3, 4, 5, 6, 8, 10)
    latents, timesteps, text = inputs(TINY, TINY.rows)

    def rows(start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor, ConditioningRows]:
        some = slice(start, stop)
        return latents[some].clone(), timesteps[some].clone(), ConditioningRows(text.embeds[some].clone())

    alone = torch.cat([engines.denoiser(*rows(i, i + 1)).clone() for i in range(10)])
    for size in engines.sizes:
        together = engines.denoiser(*rows(0, size))
        torch.testing.assert_close(together, alone[:size], rtol=0, atol=1e-4)


def test_even_batch_uses_two_requests() -> None:
    assert [parts_of(size, 1) for size in (1, 5, 8)] == [(1,), (5,), (8,)]
    assert [parts_of(size, 2) for size in (1, 2, 3, 4, 5, 8)] == [(1,), (2,), (3,), (2, 2), (5,), (4, 4)]


def test_autoencoder_matches_eager(reference: Engines, engines: Engines) -> None:
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    latent = reference.encode(pixels)
    assert latent.shape == (1, *TINY.latent)
    torch.testing.assert_close(engines.encode(pixels), latent, rtol=0, atol=1e-3)
    one, other = reference.decode(latent), engines.decode(latent)
    assert one.shape == other.shape == pixels.shape
    assert one.dtype == other.dtype == torch.uint8
    assert (one.int() - other.int()).abs().max() <= 1
    assert one.float().std() > 1  # the decoder draws something


def test_bfloat16_keeps_timesteps(reference: Engines, tiny: Model, cache: Path) -> None:
    """bfloat16 has one number for 750 and 753; the network must distinguish them as float32 does."""
    engines = compiled(tiny, SMALL, cache, "bfloat16")
    latents, _, text = inputs(SMALL, 1)
    pair = [latents.repeat(2, 1, 1, 1), torch.tensor([750.0, 753.0]), ConditioningRows(text.embeds.repeat(2, 1, 1))]
    step = [(out[1] - out[0]).clone() for out in (reference.denoiser(*pair), engines.denoiser(*pair))]
    assert step[0].norm() > 0
    assert step[1].norm() > 0.3 * step[0].norm()


def test_shipped_model_in_each_precision(tmp_path: Path) -> None:
    """Within 0.1 % of the output's size in float32, 10 % in bfloat16."""
    try:
        model = load_model(SHIPPED)
    except ModelError as error:
        pytest.skip(str(error))
    latent, words = (model.latent_channels, 32, 32), model.conditioning.embeds
    shapes = Shapes(256, 256, latent, words, 4, model.sees_source)
    reference = eager.build(model, shapes, Preparation(quiet))
    latents, timesteps, text = inputs(shapes, 4)
    expected = reference.denoiser(latents, timesteps, text)
    for precision, tolerance in (("float32", 1e-3), ("bfloat16", 0.1)):
        if precision not in precisions():
            continue
        engines = compiled(model, shapes, tmp_path, precision, threads=2, sizes=(4,))
        assert (engines.sizes, engines.requests) == ((4,), 2), "four rows are shared by two requests"
        out = engines.denoiser(latents, timesteps, text)
        assert (out - expected).norm() / expected.norm() < tolerance


@pytest.fixture(scope="module")
def least(least_folder: Path) -> Model:
    return load_model(least_folder)


@pytest.fixture(scope="module")
def kept(least: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the conversion. Read-only: copy it to change it."""
    folder = tmp_path_factory.mktemp("kept")
    converted(openvino_core(), least, SMALL, quiet, folder)
    return folder


def test_second_start_reads_conversion(least_folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    loaded: list[str] = []
    read_network = Model.read_network

    def noted(self: Model, component: str, *dtype: torch.dtype) -> torch.nn.Module:
        loaded.append(component)
        return read_network(self, component, *dtype)

    monkeypatch.setattr(Model, "read_network", noted)
    model = load_model(least_folder)
    compiled(model, SMALL, kept, progress=lambda text, fraction: said.append(text))
    assert "reading the converted network" in said
    assert loaded == [], "torch's networks are not loaded"
    assert model.autoencoder, "read on its first use"
    assert loaded == ["vae"]
    assert len(list(kept.iterdir())) == 1  # one entry, and nothing half-written beside it


@pytest.mark.parametrize("harm", ["changed", "no manifest"])
def test_damaged_conversion_is_repeated(least: Model, kept: Path, tmp_path: Path, harm: str) -> None:
    """`test_cache` has every kind of damage."""
    cache = Path(shutil.copytree(kept, tmp_path / "cache"))
    weights = next(cache.glob("*/denoiser.bin"))
    whole = weights.read_bytes()
    if harm == "changed":
        weights.write_bytes(bytes(byte ^ 0x55 for byte in whole))
    else:
        (weights.parent / "entry.json").write_text("[]")
    for expected in ("is damaged; converting the network again", "reading the converted network"):
        said: list[str] = []
        converted(openvino_core(), least, SMALL, lambda text, fraction, said=said: said.append(text), cache)
        assert any(expected in text for text in said)
    assert weights.read_bytes() == whole


def test_pruned_conversion_is_repeated(least: Model, kept: Path, tmp_path: Path) -> None:
    cache = Path(shutil.copytree(kept, tmp_path / "cache"))
    (entry,) = cache.iterdir()
    said: list[str] = []

    def progress(text: str, fraction: float) -> None:
        if text == "reading the converted network":
            shutil.rmtree(entry)
        said.append(text)

    assert set(converted(openvino_core(), least, SMALL, progress, cache)) == {*names_of(least, SMALL)}
    assert "reading the converted network" in said
    assert "converting the network" in said
    assert entry.is_dir()


def test_unwritable_cache_is_not_fatal(least: Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said: list[str] = []
    engines = compiled(least, SMALL, tmp_path / "file", progress=lambda text, fraction: said.append(text))
    assert any("can't be written" in text for text in said)
    assert torch.isfinite(engines.denoiser(*inputs(SMALL, 1))).all()


def test_auto_takes_likeliest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eager, "available_device", lambda: torch.device("cpu"))
    assert registry.choose("auto") == ("openvino", "likely the fastest on a processor")
    monkeypatch.setattr(eager, "available_device", lambda: torch.device("cuda"))
    assert registry.choose("auto") == ("cuda_graphs", "likely the fastest on this GPU")
    assert registry.choose("eager") == ("eager", "asked for")


def choices(name: str, tiny: Model, cache: Path, **asked: Any) -> Choices:
    return registry.select(name, tiny, TINY, Preparation(quiet, cache=cache, **asked)).choices


def test_choices_on_a_processor(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.accelerators.openvino.precisions", lambda model: ("bfloat16", "float32"))
    both = (("openvino", "bfloat16"), ("openvino", "float32"))
    for cores, threads, requests in (((1, 1), (1,), (1,)), ((2, 4), (2, 4), (2, 1)), ((8, 16), (8, 16, 4), (2, 1))):
        monkeypatch.setattr(registry, "usable_cores", lambda cores=cores: Cores(*cores))
        assert choices("auto", tiny, tmp_path) == Choices(both, requests, threads)
    assert choices("openvino", tiny, tmp_path, threads=3) == Choices(both, (2, 1), (3,))
    assert choices("auto", tiny, tmp_path, precision="float32", threads=1, requests=1) == Choices(both[1:], (1,), (1,))
    assert choices("eager", tiny, tmp_path) == Choices((("eager", ""),))
    fp8 = registry.select("auto", tiny, TINY, Preparation(quiet, cache=tmp_path, precision="fp8"))
    assert {candidate for candidate, _ in fp8.choices.kinds} == {"openvino"}
    assert fp8.candidate.precision == "float32"
    assert "no TensorRT engine of this model in fp8 is built here" in fp8.why


def test_choices_on_a_card(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision alone: no card is asked for anything."""
    monkeypatch.setattr(eager, "available_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(registry, "tuning_key", lambda *_: TuningKey("a card", "", 0, "", "", ""))
    graphs16, graphs_bf16 = ("cuda_graphs", "float16"), ("cuda_graphs", "bfloat16")
    for capability, kinds in (
        ((6, 1), (("cuda_graphs", "float32"), graphs16, ("eager", "float32"))),
        ((7, 5), (graphs16, ("eager", "float16"))),
        ((8, 9), (graphs16, graphs_bf16, ("eager", "float16"))),
    ):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda capability=capability: capability)
        assert choices("auto", tiny, tmp_path) == Choices(kinds)
    kept = registry.ACCELERATORS["tensorrt"]._replace(missing=lambda: "", module=__name__)
    monkeypatch.setitem(registry.ACCELERATORS, "tensorrt", kept)
    selection = registry.select("auto", tiny, TINY, Preparation(quiet, cache=tmp_path))
    assert selection.candidate == Candidate("tensorrt")
    assert selection.why == "likely the fastest on this GPU, and its engines are built; not measured yet"
    eight = registry.select("auto", tiny, TINY, Preparation(quiet, cache=tmp_path, precision="fp8"))
    assert eight.choices.kinds == (("tensorrt", "fp8"), graphs16, graphs_bf16, ("eager", "float16"))
    monkeypatch.setitem(registry.ACCELERATORS, "tensorrt", kept._replace(missing=lambda: "it is not installed"))
    eight = registry.select("auto", tiny, TINY, Preparation(quiet, cache=tmp_path, precision="fp8"))
    assert eight.candidate == Candidate(*graphs16), "half a precision plays where no engine has 8 bits"
    assert "; no TensorRT engine of this model in fp8 is built here" in eight.why
    assert choices("auto", tiny, tmp_path, precision="bfloat16") == Choices((graphs_bf16, ("eager", "bfloat16")))
    assert choices("cuda_graphs", tiny, tmp_path) == Choices((graphs16, graphs_bf16))
    assert choices("eager", tiny, tmp_path) == Choices((("eager", ""),))


def is_kept(*_: object) -> bool:
    """Stand in for the module of an accelerator whose engines are built."""
    return True


def test_measured_candidate_is_taken(least: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "usable_cores", lambda: Cores(2, 2))
    monkeypatch.setattr("pipeline.accelerators.openvino.precisions", lambda model: ("float32",))
    preparation = Preparation(quiet, cache=tmp_path)
    before = registry.select("auto", least, SMALL, preparation)
    assert before.candidate == Candidate("openvino", "float32", 2, 2)
    assert before.why == "likely the fastest on a processor; not measured yet"
    assert before.key is not None
    best = Candidate("openvino", "float32", 1, 2)
    write_record(tmp_path, before.key, TuningRecord(best, {before.candidate: 1.2}))
    after = registry.select("auto", least, SMALL, preparation)
    assert (after.candidate, after.key) == (best, None)
    assert after.why == "1 request: 1.20 × 2 requests here"
    engines = registry.build("auto", least, SMALL, preparation).engines
    assert (engines.precision, engines.requests, engines.threads) == ("float32", 1, 2)
    other = registry.select("auto", least, TINY, preparation)
    assert other.key is not None, "another size is measured anew"


def test_auto_without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eager, "available_device", lambda: torch.device("cpu"))
    monkeypatch.setitem(sys.modules, "openvino", None)  # makes its import fail
    name, why = registry.choose("auto")
    assert name == "eager"
    assert "OpenVINO, which is faster here, can't be used" in why
    with pytest.raises(AcceleratorUnavailable, match=r"can't be imported.*pip install openvino"):
        registry.choose("openvino")


def test_unknown_accelerator_is_refused() -> None:
    with pytest.raises(
        AcceleratorUnavailable,
        match="no accelerator 'warp'; it is one of " + ", ".join(registry.NAMES),
    ):
        registry.choose("warp")


def test_control_lists_every_accelerator() -> None:
    names = get_args(Parameters.model_fields["accelerator"].annotation)
    assert names == registry.NAMES
    for row in registry.ACCELERATORS.values():
        assert importlib.util.find_spec(row.module.partition(":")[0]) is not None
        assert row.missing() == "" or row.remedy


RELEASED_ELSEWHERE = """
import gc, os, signal, threading
from pipeline.accelerators.openvino_convert import openvino_core

held = [openvino_core()]
held[0].available_devices
worker = threading.Thread(target=held.clear)
worker.start()
worker.join()
gc.collect()
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send to oneself")
def test_signal_after_openvino() -> None:
    """A thread that drops its reference to OpenVINO's core leaves the signal stack of the main thread alone."""
    done = subprocess.run(
        [sys.executable, "-c", RELEASED_ELSEWHERE], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
