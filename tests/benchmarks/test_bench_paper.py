"""The paper's evaluation: every measurement run for real at a tiny size, and its contenders held against each other."""

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
from benchmarks.paper.contender_process import handlers
from benchmarks.paper.paired_runs import SamplingSettings
from benchmarks.plan import BenchPlan
from benchmarks.plan import EvaluationSettings as About
from benchmarks.report import tables
from benchmarks.report.document import Results
from benchmarks.report.findings import NotMeasured, SpeedTarget
from presets.errors import StreamflowError

SIDE = 64
CASES = [*product(("text", "image"), (1.0, 2.0))]
pytestmark = pytest.mark.usefixtures("one_thread")


class Inside:
    """The requests of a `ChildProcess`, answered by the same handlers in this process: starting one takes seconds."""

    asked: list[str]

    def __init__(self, module: str, folder: Path) -> None:
        assert module == "benchmarks.paper.contender_process"
        self._handlers = handlers()

    def __enter__(self) -> "Inside":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def ask(self, request: dict[str, Any], seconds: float = 0.0) -> dict[str, Any]:
        given = json.loads(json.dumps(request))
        try:
            answer = self._handlers[given.pop("do")](**given)
        except StreamflowError as error:
            raise NotMeasured(str(error)) from error
        return json.loads(json.dumps(answer))  # type: ignore[no-any-return]


@pytest.fixture
def plan(perflow_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BenchPlan:
    for module in (paired_runs, available_contenders, measure_latency, measure_quality):
        monkeypatch.setattr(module, "ChildProcess", Inside)
    monkeypatch.setattr(contender_process, "CARDS", 8)
    about = About(
        model=str(perflow_folder), name="tiny", size=SIDE, steps=(2,), accelerators=("eager",), largest=SIDE, pictures=3
    )
    return BenchPlan(tmp_path, seconds=0.01, pairs=2, subject=about)


def measured(name: str, plan: BenchPlan) -> Results:
    """As the command keeps it."""
    results = Results({})
    measure = next(each.measure for each in MEASUREMENTS if each.name == name)
    for finding in measure(plan, lambda text: None):
        results.add(name, finding)
    return results


def found(
    plan: BenchPlan, here: available_contenders.AvailableContenders, question: comparison.Comparison
) -> list[dict[str, Any]]:
    """The rows of a comparison."""
    return [
        row for row in comparison.compared(plan, here, question, lambda text: None) if not isinstance(row, SpeedTarget)
    ]


def test_table_1_holds_every_gain_against_the_vanilla_loop(plan: BenchPlan) -> None:
    plan = replace(plan, subject=replace(plan.subject, full_autoencoder=True))
    rows = measured("table1", plan).rows
    names = list(dict.fromkeys(row["axes"]["contender"] for row in rows))
    streamed = ["vanilla loop + tiny autoencoder", "+ stream batch (eager)"]
    assert names == ["vanilla loop", "diffusers pipeline", "StreamDiffusion's pipeline", *streamed]
    looks = {(row["axes"]["mode"], row["axes"]["guidance"]) for row in rows}
    assert looks == set(CASES)
    for row in rows:
        if "missing" in row:
            assert row["axes"]["contender"] == available_contenders.RIVAL
            assert streamdiffusion_rival.INSTALL in row["missing"]
            continue
        assert row["fps"] > 0 < row["peak_memory_mib"]
        assert row["precision"] == "float32"
        assert row["ratio"] == 1.0 if row["axes"]["contender"] == "vanilla loop" else row["base_fps"] > 0
        full = row["axes"]["contender"] in ("vanilla loop", "diffusers pipeline", available_contenders.RIVAL)
        assert row["autoencoder"] == ("AutoencoderKL" if full else "AutoencoderTiny")
    assert len({row["configuration"] for row in rows}) == len(rows)
    # What is known is not measured again, and nobody is built for it.
    known = {row["configuration"] for row in rows if "missing" not in row}
    again = measured("table1", replace(plan, known=frozenset(known))).rows
    assert [row["axes"]["contender"] for row in again] == (
        [available_contenders.RIVAL] if streamdiffusion_rival.missing() else []
    )
    but_one = frozenset(name for name in known if "diffusers" not in name)
    again = [row for row in measured("table1", replace(plan, known=but_one)).rows if "missing" not in row]
    assert {row["axes"]["contender"] for row in again} == {"diffusers pipeline"}


def test_the_shipped_autoencoder_is_tiny_already_and_the_row_says_so(plan: BenchPlan) -> None:
    rows = measured("table1", replace(plan, quick=True)).rows
    assert {row["axes"]["mode"] for row in rows} == {"image"}
    assert "tiny already" in next(row["missing"] for row in rows if "tiny autoencoder" in row["configuration"])


def test_the_ablation_takes_one_part_at_a_time_out_of_the_whole(plan: BenchPlan) -> None:
    plan = replace(plan, pairs=1)
    results = measured("ablation", plan)
    rows = {row["axes"]["contender"]: row for row in results.rows if row["axes"]["panel"] == "parts"}
    assert rows["without the accelerator (eager)"]["accelerator"] == "eager"
    assert rows["without the tiny autoencoder"]["autoencoder"] == "AutoencoderKL"
    overlap = rows["without the overlap (encode, denoise, decode one after another)"]
    assert "nothing to be without" in rows["without its own precision"]["missing"]
    assert "the whole is without it too" in overlap["missing"], "on a processor there is none"
    assert {"without the stream batch", "without one call for all timesteps"} < rows.keys()
    guided = [row["axes"]["guidance_kind"] for row in results.rows if row["axes"]["panel"] == "guidance"]
    assert guided == ["full", "onetime_negative", "self_negative", "free"]
    assert [target.name for target in results.targets] == ["the accelerator over eager torch, the same stream"]


def test_the_other_measurements_have_a_row_for_each_of_their_axes(plan: BenchPlan) -> None:
    rows = {name: measured(name, plan).rows for name in ("sizes", "latency", "forward", "decode", "rivals")}
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
        assert all("missing" in row for row in measured(name, known).rows)


def test_the_tiny_autoencoder_is_measured_beside_the_full_one(plan: BenchPlan) -> None:
    (row,) = measured("autoencoder", plan).rows
    assert {"tiny_encode_ms", "tiny_decode_ms", "full_encode_ms", "full_decode_ms", "ratio"} < row.keys()


def test_the_stream_is_compared_with_diffusers_picture_for_picture(plan: BenchPlan) -> None:
    shipped = replace(plan.subject, model="shipped", name="shipped", steps=(2,), accelerators=("eager",))
    results = measured("quality", replace(plan, subject=shipped))
    assert len(results.rows) == 4
    for row in results.rows:
        assert row["pictures"] == 3
        assert row["psnr_worst_db"] > 50 > row["another_prompt_psnr_db"] > 5
        assert row["ssim_worst"] > 0.999


def test_a_contender_that_can_not_be_built_is_a_row_and_the_next_is_measured(plan: BenchPlan) -> None:
    here = available_contenders.find_contenders(plan)
    broken = paired_runs.ContenderSpec("broken", "stream", {"accelerator": "no such"})
    other = here.stream("eager", "works")
    question = comparison.Comparison(available_contenders.VANILLA, [broken, other], [SamplingSettings(1, "text")], SIDE)
    rows = found(plan, here, question)
    assert [row["axes"]["contender"] for row in rows] == ["broken", "vanilla loop", "works"]
    assert "no such" in rows[0]["missing"]
    assert rows[2]["fps"] > 0
    assert "not measured: There is no accelerator" in tables.line(rows[0])
    page = tables.markdown(document([{"measurement": "table1"} | row for row in rows]))
    assert "## table1" in page
    assert "| configuration | fps | ratio | MiB | figures |" in page


def test_what_takes_the_asked_precision_by_itself_is_built_and_measured_once(
    plan: BenchPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = available_contenders.find_contenders(plan)
    built: list[dict[str, Any]] = []
    build = contender_process.ContenderHost.build

    def watched(
        one: contender_process.ContenderHost, kind: str, subject: dict[str, Any], **settings: Any
    ) -> dict[str, Any]:
        built.append(settings | {"precision": subject["precision"]})
        return build(one, kind, subject, **settings)

    monkeypatch.setattr(contender_process.ContenderHost, "build", watched)
    both = here.in_both_precisions("eager", "stream")
    question = comparison.Comparison(available_contenders.VANILLA, [both], [SamplingSettings(1, "text")], SIDE)
    rows = found(plan, here, question)
    assert [row["axes"]["contender"] for row in rows] == ["stream in its own precision", "vanilla loop", "stream"]
    assert "by itself it takes float32 here too" in rows[0]["missing"]
    assert rows[2]["fps"] > 0
    own = {"accelerator": "eager", "own_precision": True, "precision": "float32"}
    assert built == [{"precision": "float32"}, own]
    # Where it takes another than the comparison's, both are measured.
    built.clear()
    rows = found(plan, replace(here, precision="bfloat16"), question)
    assert [row["axes"]["contender"] for row in rows] == ["vanilla loop", "stream in its own precision", "stream"]
    assert [row["precision"] for row in rows] == ["bfloat16", "float32", "bfloat16"]
    assert len(built) == 3
    assert comparison._other_device("cuda:0", "cuda") == ""
    assert "on cpu here, and the others on cuda" in comparison._other_device("cpu", "cuda")


def document(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "device": "a processor",
        "date": "2026-11-25T00:00:00",
        "cores": 2,
        "memory_gib": 1,
        "system": "",
        "versions": {},
        "command": "",
        "load_before": [0],
        "rows": rows,
        "targets": [],
        "failures": [],
    }
