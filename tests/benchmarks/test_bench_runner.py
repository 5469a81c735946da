"""Selection and order of measurements, and the time limit of a quick bench."""

import json
import queue
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import catalogue, runner
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report import tables
from benchmarks.report.document import Results
from benchmarks.report.findings import Finding, NotMeasured
from presets.errors import SettingsError, StreamflowError


def one_row(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
    progress("[brackets] are text")
    yield {"configuration": "one", "fps": 2.0}


ROWS = catalogue.Measurement("rows", "", one_row, quick=True)


def run(chosen: list[catalogue.Measurement], folder: Path, quick: bool = False) -> Results:
    results = Results({}, (folder / "results.json",))
    runner.run(chosen, BenchPlan(folder, quick=quick), results, lambda name, text: None, lambda name, finding: None)
    assert json.loads((folder / "results.json").read_text()) == results.document()
    return results


def test_failed_measurement_then_next(tmp_path: Path) -> None:
    def fails(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
        yield {"configuration": "before it broke", "fps": 1.0}
        raise NotMeasured("the [wire] was cut")

    reported: list[tuple[str, Finding | StreamflowError]] = []
    results = Results({}, (tmp_path / "results.json",))
    chosen = [catalogue.Measurement("fails", "", fails), ROWS]
    runner.run(chosen, BenchPlan(tmp_path), results, lambda name, text: None, lambda *found: reported.append(found))
    assert [row["configuration"] for row in results.rows] == ["before it broke", "one"]
    assert results.failures == [{"measurement": "fails", "reason": "the [wire] was cut"}]
    assert results.complete == ["rows"]
    assert [name for name, _ in reported] == ["fails", "fails", "rows"]
    assert isinstance(reported[1][1], NotMeasured)


def test_quick_bench_lists_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "QUICK", 0.0)
    results = run([ROWS], tmp_path, quick=True)
    assert results.rows == []
    assert results.left_out == [{"measurement": "rows", "reason": runner.OVER}]
    head = {"device": "", "date": "", "cores": 1, "memory_gib": 1, "system": "", "command": "", "load_before": [0]}
    assert "rows: the time of --quick was over" in tables.markdown(head | {"versions": {}} | results.document())


def test_full_bench_has_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "QUICK", 0.0)
    assert run([ROWS], tmp_path).complete == ["rows"]


def test_quick_bench_lets_a_training_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "QUICK", -1.0)
    training = ROWS._replace(whole_when_alone=True)
    assert run([training], tmp_path, quick=True).complete == ["rows"]
    assert run([training, ROWS._replace(name="others")], tmp_path, quick=True).complete == []


def test_quick_bench_stops_hung_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    def hangs(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
        yield {"configuration": "before", "fps": 1.0}
        try:
            queue.Queue[None]().get(timeout=100)  # as the answer of a child process is waited for
        finally:
            ended.append("its children")

    monkeypatch.setattr(runner, "LAST", 0.3)
    results = run([catalogue.Measurement("hangs", "", hangs, quick=True), ROWS], tmp_path, quick=True)
    assert ended == ["its children"]
    assert [row["configuration"] for row in results.rows] == ["before"]
    assert [left["measurement"] for left in results.left_out] == ["hangs", "rows"]


def test_selection_by_name_and_group() -> None:
    assert [each.name for each in catalogue.chosen("delay, stream")] == ["stream", "delay"], "in the table's order"
    paper = [each.name for each in catalogue.chosen("paper")]
    assert paper[0] == "table1"
    assert {"rivals", "ablation", "latency", "forward", "decode", "quality", "sizes", "autoencoder"} < set(paper)
    assert catalogue.chosen("all") == catalogue.MEASUREMENTS
    with pytest.raises(SettingsError, match="names nothing"):
        catalogue.chosen(" , ")


def test_long_measurements_only_by_name() -> None:
    default = {each.name for each in catalogue.chosen(None)}
    assert not default & {"sweep", *(each.name for each in catalogue.chosen("paper"))}
    assert [each.name for each in catalogue.chosen("sweep")] == ["sweep"]
    assert {"table1", "stream"} < {each.name for each in catalogue.chosen(None, quick=True)}


def test_bench_never_imports_torch() -> None:
    imports = "from benchmarks import session"
    code = f"import sys; {imports}; sys.exit(bool({{'torch', 'matplotlib'}} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
