"""Measurements of the paper's evaluation, run at a small size with the real contenders."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from benchmarks.catalogue import MEASUREMENTS
from benchmarks.paper import (
    available_contenders,
    comparison,
    contender_process,
    measure_latency,
    measure_quality,
    paired_runs,
    streamdiffusion_rival,
)
from benchmarks.paper.available_contenders import CONTENDER_PROCESS, RIVAL, VANILLA, AvailableContenders
from benchmarks.paper.contender import ContenderSpec, SamplingSettings
from benchmarks.plan import BenchPlan, EvaluationSettings
from benchmarks.report.document import Results
from benchmarks.report.findings import NotMeasured, Row, SpeedTarget
from presets.errors import StreamflowError

SIDE = 64
CASES = [*product(("text", "image"), (1.0, 2.0))]
pytestmark = pytest.mark.usefixtures("one_thread")


class InProcess:
    """`ChildProcess` with the same handlers in this process, because starting a process takes seconds."""

    def __init__(self, module: str, folder: Path) -> None:
        assert module == CONTENDER_PROCESS
        self._handlers = contender_process.handlers()

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def ask(self, request: Row, seconds: float = 0.0) -> Row:
        given = json.loads(json.dumps(request))
        try:
            answer = self._handlers[given.pop("do")](**given)
        except StreamflowError as error:
            raise NotMeasured(str(error)) from error
        return json.loads(json.dumps(answer))  # type: ignore[no-any-return]


@pytest.fixture
def plan(perflow_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BenchPlan:
    """Return the plan of a quick evaluation of a very small network on eager torch."""
    for module in (paired_runs, available_contenders, measure_latency, measure_quality):
        monkeypatch.setattr(module, "ChildProcess", InProcess)
    monkeypatch.setattr(contender_process, "CARDS", 8)
    settings = EvaluationSettings(
        model=str(perflow_folder), name="tiny", size=SIDE, steps=(2,), accelerators=("eager",), largest=SIDE, pictures=3
    )
    return BenchPlan(tmp_path, seconds=0.01, pairs=1, settings=settings)


def measure(name: str, plan: BenchPlan) -> Results:
    """Return the results of one measurement."""
    results = Results({})
    measurement = next(each for each in MEASUREMENTS if each.name == name)
    for finding in measurement.measure(plan, lambda text: None):
        results.add(name, finding)
    return results


def rows_of(plan: BenchPlan, available: AvailableContenders, question: comparison.ContenderComparison) -> list[Row]:
    """Return the rows of a comparison."""
    findings = comparison.compare(plan, available, question, lambda text: None)
    return [row for row in findings if not isinstance(row, SpeedTarget)]


def test_table_1_against_vanilla_loop(plan: BenchPlan) -> None:
    plan = replace(plan, settings=replace(plan.settings, full_autoencoder=True))
    rows = measure("table1", plan).rows
    names = list(dict.fromkeys(row["axes"]["contender"] for row in rows))
    streamed = ["vanilla loop + tiny autoencoder", "+ stream batch (eager)"]
    assert names == ["vanilla loop", "diffusers pipeline", "StreamDiffusion's pipeline", *streamed]
    assert {(row["axes"]["mode"], row["axes"]["guidance"]) for row in rows} == set(CASES)
    for row in rows:
        if "missing" in row:
            assert row["axes"]["contender"] == RIVAL
            assert streamdiffusion_rival.INSTALL in row["missing"]
            continue
        assert row["fps"] > 0 < row["peak_memory_mib"]
        assert row["precision"] == "float32"
        assert row["ratio"] == 1.0 if row["axes"]["contender"] == "vanilla loop" else row["base_fps"] > 0
        full = row["axes"]["contender"] in ("vanilla loop", "diffusers pipeline", RIVAL)
        assert row["autoencoder"] == ("AutoencoderKL" if full else "AutoencoderTiny")
    assert len({row["configuration"] for row in rows}) == len(rows)
    known = {row["configuration"] for row in rows if "missing" not in row}
    again = measure("table1", replace(plan, known=frozenset(known))).rows
    rival = [RIVAL] if streamdiffusion_rival.missing() else []
    assert [row["axes"]["contender"] for row in again] == rival, "known rows are skipped"
    without_diffusers = frozenset(name for name in known if "diffusers" not in name)
    again = measure("table1", replace(plan, known=without_diffusers)).rows
    assert {row["axes"]["contender"] for row in again if "missing" not in row} == {"diffusers pipeline"}


def test_shipped_autoencoder_is_tiny(plan: BenchPlan) -> None:
    rows = measure("table1", replace(plan, quick=True)).rows
    assert {row["axes"]["mode"] for row in rows} == {"image"}
    assert "tiny already" in next(row["missing"] for row in rows if "tiny autoencoder" in row["configuration"])


def test_ablation_removes_one_part(plan: BenchPlan) -> None:
    results = measure("ablation", plan)
    rows = {row["axes"]["contender"]: row for row in results.rows if row["axes"]["panel"] == "parts"}
    assert rows["without the accelerator (eager)"]["accelerator"] == "eager"
    assert rows["without the tiny autoencoder"]["autoencoder"] == "AutoencoderKL"
    overlap = rows["without the overlap (encode, denoise, decode one after another)"]
    assert "none to remove" in rows["without its own precision"]["missing"]
    assert "one after another in the whole too" in overlap["missing"], "a processor has no overlap"
    assert {"without the stream batch", "without one call for all timesteps"} < rows.keys()
    guided = [row["axes"]["guidance_kind"] for row in results.rows if row["axes"]["panel"] == "guidance"]
    assert guided == ["full", "onetime_negative", "self_negative", "free"]
    assert [target.name for target in results.targets] == ["the accelerator over eager torch, the same stream"]


def test_rows_of_each_measurement(plan: BenchPlan) -> None:
    rows = {name: measure(name, plan).rows for name in ("sizes", "latency", "forward", "decode", "rivals")}
    sized = [(row["axes"]["size"], row["axes"]["mode"], row["axes"]["contender"]) for row in rows["sizes"]]
    assert sized == [(64, *each) for each in product(("text", "image"), ("vanilla loop", "stream, eager"))]
    assert len(rows["latency"]) == 3
    for row in rows["latency"]:
        assert 0 < row["latency_p50_ms"] <= row["latency_p99_ms"]
        assert row["fps"] > 0
    many = [row for row in rows["forward"] if row["axes"]["contender"] == "eager, one call for each distinct timestep"]
    assert [row["ratio"] for row in many] == [1.0, 1.0]
    assert len(rows["forward"]) == 4
    assert [row["axes"]["pictures"] for row in rows["decode"]] == [1, 2, 4, 8]
    assert any(row["axes"].get("base") == "diffusers pipeline" for row in rows["rivals"] if "axes" in row)
    for name in rows:
        known = replace(plan, known=frozenset(row["configuration"] for row in rows[name]))
        assert all("missing" in row for row in measure(name, known).rows)


def test_tiny_against_full_autoencoder(plan: BenchPlan) -> None:
    (row,) = measure("autoencoder", plan).rows
    assert {"tiny_encode_ms", "tiny_decode_ms", "full_encode_ms", "full_decode_ms", "ratio"} < row.keys()


def test_quality_against_diffusers(plan: BenchPlan) -> None:
    shipped = replace(plan.settings, model="shipped", name="shipped", steps=(2,), accelerators=("eager",))
    results = measure("quality", replace(plan, settings=shipped))
    assert len(results.rows) == 4
    for row in results.rows:
        assert row["pictures"] == 3
        assert row["psnr_worst_db"] > 50 > row["another_prompt_psnr_db"] > 5
        assert row["ssim_worst"] > 0.999


def test_broken_contender_then_next(plan: BenchPlan) -> None:
    available = available_contenders.find_contenders(plan)
    broken = ContenderSpec("broken", "stream", {"accelerator": "no such"})
    contenders = [broken, available.stream("eager", "works")]
    rows = rows_of(
        plan, available, comparison.ContenderComparison(VANILLA, contenders, [SamplingSettings(1, "text")], SIDE)
    )
    assert [row["axes"]["contender"] for row in rows] == ["broken", "vanilla loop", "works"]
    assert "no such" in rows[0]["missing"]
    assert rows[2]["fps"] > 0


def test_asked_precision_built_once(plan: BenchPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    available = available_contenders.find_contenders(plan)
    built: list[dict[str, Any]] = []
    build = contender_process.ContenderHost.build

    def watched(host: contender_process.ContenderHost, kind: str, config: Row, **settings: Any) -> Row:
        built.append(settings | {"precision": config["precision"]})
        return build(host, kind, config, **settings)

    monkeypatch.setattr(contender_process.ContenderHost, "build", watched)
    both = available.in_both_precisions("eager", "stream")
    question = comparison.ContenderComparison(VANILLA, [both], [SamplingSettings(1, "text")], SIDE)
    rows = rows_of(plan, available, question)
    assert [row["axes"]["contender"] for row in rows] == ["stream in its own precision", "vanilla loop", "stream"]
    assert "its own precision is float32 here too" in rows[0]["missing"]
    assert rows[2]["fps"] > 0
    own = {"accelerator": "eager", "own_precision": True, "precision": "float32"}
    assert built == [{"precision": "float32"}, own]
    built.clear()
    rows = rows_of(plan, replace(available, precision="bfloat16"), question)
    assert [row["axes"]["contender"] for row in rows] == ["vanilla loop", "stream in its own precision", "stream"]
    assert [row["precision"] for row in rows] == ["bfloat16", "float32", "bfloat16"]
    assert len(built) == 3, "both precisions are measured if they differ"


def test_other_device_is_incomparable() -> None:
    assert comparison.other_device("cuda:0", "cuda") == ""
    assert "on cpu here, and the base on cuda" in comparison.other_device("cpu", "cuda")
