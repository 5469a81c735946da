"""Measurements of the pipeline without a show: timing, and the time of each part."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import where
from benchmarks.plan import BenchPlan, EvaluationSettings
from benchmarks.stream.built_model import BuiltModel
from benchmarks.stream.candidate_pipeline import CandidatePipeline
from benchmarks.stream.measure_auto import share_of_best
from benchmarks.stream.measure_pipeline import NAME, build_request, measured_name
from benchmarks.stream.stream_costs import StreamCosts
from benchmarks.stream.timing import interleaved, recorded, repeat_for
from pipeline.accelerators.candidates import read_candidate
from pipeline.graph_capture import WARM_UPS
from presets.build import Build

SIDE = 64
pytestmark = pytest.mark.usefixtures("one_thread")


def test_repeat_for_keeps_minimum() -> None:
    assert [*repeat_for(0.0, at_least=3)] == [0, 1, 2]


def test_interleaved_drops_warm_up() -> None:
    calls: list[str] = []
    first, second = interleaved(0.0, lambda: calls.append("a"), lambda: calls.append("b"), at_least=2, warm_up=1)
    assert calls == ["a", "b"] * 3
    assert len(first) == len(second) == 2


def test_recorded_work_is_replayed() -> None:
    calls: list[str] = []

    def recorder(work: Callable[[], None]) -> Callable[[], Any]:
        calls.append("recording")
        work()
        return lambda: calls.append("replay")

    replay = recorded(lambda: calls.append("call"), recorder)
    replay()
    assert calls == ["call"] * WARM_UPS + ["recording", "call", "replay"]
    plain = calls.clear
    assert recorded(plain, None) == plain


@pytest.fixture(scope="module")
def build(perflow_folder: Path) -> Build:
    return Build(model=str(perflow_folder), width=SIDE, height=SIDE, precision="bfloat16").with_accelerator("eager")


def test_parts_after_converted_model(build: Build) -> None:
    # eager in bfloat16 converts the model in place, as a GPU accelerator moves it.
    found = where.measure(build, 0.01)
    assert {"encoder", "denoiser, one call of 4 rows", "decoder", "whole turn of the stream"} == set(
        found["milliseconds"]
    )
    assert all(milliseconds > 0 for milliseconds in found["milliseconds"].values())
    assert all(count > 0 for count in found["gigaoperations"].values())
    assert found["stream"]["precision"] == "bfloat16"
    assert found["matrix_product_gigaoperations_a_second"] > 0


def test_parts_of_recorded_denoiser(build: Build) -> None:
    built = BuiltModel.build(build.model, SIDE, SIDE, "eager", rows=8)
    records: list[Callable[[], None]] = []

    def recorder(work: Callable[[], None]) -> Callable[[], Any]:
        records.append(work)
        return work

    parts = where.parts_of(replace(built, engines=replace(built.engines, recorder=recorder)))
    assert len(records) == 1
    assert "denoiser, one call of 4 rows, not recorded" in parts
    with torch.inference_mode():
        assert all(where.median_ms(parts, 0.0, torch.device("cpu")).values())


def test_parts_file_per_configuration(build: Build) -> None:
    facts = {"date": "2026-11-26T10:00:00", "device": "AMD EPYC", "gpu": "NVIDIA H100"}
    processor = {"device": "cpu", "accelerator": "openvino"}
    builds = [build, build.model_copy(update={"width": 512}), build.model_copy(update={"precision": ""})]
    names = {where.result_path(Path(), facts, each, processor).name for each in builds}
    names.add(where.result_path(Path(), facts, build, {"device": "cuda", "accelerator": "compile"}).name)
    assert names == {
        "2026-11-26-amd-epyc-where-model-64-openvino-bfloat16.json",
        "2026-11-26-amd-epyc-where-model-512-openvino-bfloat16.json",
        "2026-11-26-amd-epyc-where-model-64-openvino.json",
        "2026-11-26-nvidia-h100-where-model-64-compile-bfloat16.json",
    }


def test_stream_costs_warm_up_recorder(perflow_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded_steps: list[Callable[[], None]] = []

    def recorder(work: Callable[[], None]) -> Callable[[], Any]:
        recorded_steps.append(work)
        return work

    plain = BuiltModel.build

    def with_recorder(*given: Any, **settings: Any) -> BuiltModel:
        built = plain(*given, **settings)
        return replace(built, engines=replace(built.engines, recorder=recorder))

    monkeypatch.setattr(BuiltModel, "build", with_recorder)
    costs = StreamCosts()
    costs.build(str(perflow_folder), 8, 2, "eager")
    steps = len(recorded_steps)
    assert steps > 0, "steps are recorded before they are measured"
    answer = costs.pipelining(2, 3)
    assert answer["speed_up_if_a_batch_cost_one_call"] == 1.5
    assert answer["fps"] > 0
    assert costs.mixed([(1, 1.0), (2, 1.0)], (2, 1.0), 0.0)["turns"] == 3
    assert len(recorded_steps) == steps, "no step is recorded in a turn"


def test_daemon_measures_named_model(tmp_path: Path) -> None:
    assert measured_name(BenchPlan(tmp_path)) == NAME
    settings = EvaluationSettings("folder", "sd15", 512, accelerators=("cuda_graphs", "eager"), cache=tmp_path)
    plan = BenchPlan(tmp_path, settings=settings)
    assert measured_name(plan) == "sd15 at 512x512, 4 steps"
    assert build_request(plan) == {
        "model": "folder",
        "width": 512,
        "height": 512,
        "accelerator": "cuda_graphs",
        "cache": str(tmp_path),
    }


def test_share_of_best_is_paired() -> None:
    """A load that halves one turn of all ways changes nothing."""
    rates = {"auto": [19.0, 9.5, 19.0], "quick": [20.0, 10.0, 20.0], "slow": [5.0, 2.5, 5.0]}
    assert share_of_best(rates) == pytest.approx(0.95)
    assert share_of_best({"auto": [30.0], "slow": [10.0]}) == 3.0


def test_candidates_are_ways_of_this_machine(perflow_folder: Path, tmp_path: Path) -> None:
    preset = {"model": str(perflow_folder), "width": SIDE, "height": SIDE, "accelerator": "auto"}
    pipeline = CandidatePipeline()
    found = pipeline.candidates(preset, str(tmp_path))
    candidates = [read_candidate(value) for value in found["candidates"]]
    assert {"openvino", "eager"} <= {candidate.accelerator for candidate in candidates}
    assert "cuda_graphs" in found["missing"]
    eager = next(value for value in found["candidates"] if value["accelerator"] == "eager")
    assert pipeline.play(preset, eager, str(tmp_path))["description"]["accelerator"] == "eager"
    assert pipeline.stream({"steps": 1}, 0.1)["fps"] > 0
