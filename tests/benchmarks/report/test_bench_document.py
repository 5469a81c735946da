"""The results document and what is made of it: targets, tables, plots."""

import json
from pathlib import Path
from typing import Any

import cv2
import pytest

from benchmarks.report import plots, tables
from benchmarks.report.document import Results
from benchmarks.report.findings import SpeedTarget

HEAD = {"device": "a processor", "cores": 2, "date": "2026-11-25T00:00:00", "versions": {"torch": "2"}}


def test_target_met_at_equal_figure() -> None:
    assert SpeedTarget("fps", 24.0, 24.0).met
    assert not SpeedTarget("fps", 23.9, 24.0).met
    assert SpeedTarget("ms", 2.0, 2.0, at_least=False).met
    assert not SpeedTarget("ms", 2.1, 2.0, at_least=False).met


def test_finding_saved_in_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "made" / "results.json"
    results = Results({"device": "a processor"}, (path,))
    results.add("stream", {"configuration": "one", "fps": 30.123456})
    with path.open() as held:
        results.add("stream", SpeedTarget("rate", 30.0, 24.0))
        results.fail("delay", "no port")
        before = json.load(held)
    assert before["rows"] == [{"measurement": "stream", "configuration": "one", "fps": 30.12}]
    assert before["targets"] == [], "an open file keeps its content"
    document = json.loads(path.read_text())
    assert [target["met"] for target in document["targets"]] == [True]
    assert document["failures"] == [{"measurement": "delay", "reason": "no port"}]
    assert list(path.parent.iterdir()) == [path]


def test_tables_of_missing_rows() -> None:
    row = {"measurement": "table1", "configuration": "broken", "missing": "no such accelerator", "axes": {}}
    figures = {"fps": 3.25, "ratio": 1.5, "peak_memory_mib": 1234.5, "memory_of": "the process"}
    whole = row | {"configuration": "works"} | figures
    del whole["missing"]
    assert tables.line(row) == "broken: not measured: no such accelerator"
    page = tables.markdown(
        HEAD
        | {"memory_gib": 1, "system": "", "command": "", "load_before": [0]}
        | {"rows": [row, whole], "targets": [], "failures": []}
    )
    assert "## table1" in page
    assert "| configuration | fps | ratio | MiB | figures |" in page
    assert "| broken |  |  |  | not measured: no such accelerator |" in page
    assert "| works | 3.25 | 1.5 | 1234 | memory of the process |" in page


def plotted_rows() -> list[dict[str, Any]]:
    """Return rows of every measurement with a plot, in the form the paper's measurements have."""
    found = []
    for steps in (1, 4):
        for place, name in enumerate(("vanilla loop", "+ stream batch (eager)", "+ openvino")):
            for mode in ("text", "image"):
                axes = {"steps": steps, "mode": mode, "guidance": 1.0, "contender": name, "base": "vanilla loop"}
                figures = {"fps": 5.0 + 7 * place, "ratio": 1.0 + place}
                found.append({"measurement": "table1", "axes": axes, **figures})
                found.append({"measurement": "forward", "axes": axes, **figures})
                sized = axes | {"size": 64 * steps}
                found.append({"measurement": "sizes", "axes": sized, **figures})
    for place, name in enumerate(("the whole", "without the stream batch")):
        axes = {"panel": "parts", "contender": name, "guidance_kind": "full"}
        found.append({"measurement": "ablation", "axes": axes, "fps": 9.0 - place, "ratio": 1.0})
    axes = {"panel": "guidance", "contender": "the whole, guided", "guidance_kind": "full"}
    found.append({"measurement": "ablation", "axes": axes, "fps": 4.0, "ratio": 1.0})
    for way in ("stream", "low latency, one picture at a time"):
        figures = {"fps": 9.0, "latency_p50_ms": 30.0, "latency_p99_ms": 44.0}
        found.append({"measurement": "latency", "axes": {"accelerator": "eager", "contender": way}, **figures})
    return [row | {"configuration": str(place)} for place, row in enumerate(found)]


def test_every_plot_has_content(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pip install 'streamflow-live[plots]'")
    lacking = {"measurement": "table1", "configuration": "x", "axes": {}, "missing": "not installed"}
    text = plots.write_plots(HEAD | {"rows": [*plotted_rows(), lacking]}, tmp_path, "stem")
    assert {path.name for path in tmp_path.iterdir()} == {f"stem-{name}.png" for name in plots.PLOTS}
    seen = set()
    for path in tmp_path.iterdir():
        assert path.name in text
        picture = cv2.imread(str(path))
        assert picture.shape[0] > 300 < picture.shape[1]
        assert len({tuple(colour) for colour in picture.reshape(-1, 3)[::97]}) > 10
        seen.add(picture.tobytes())
    assert len(seen) == len(plots.PLOTS)


def test_no_plots_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    text = plots.write_plots(HEAD | {"rows": plotted_rows()}, tmp_path, "stem")
    assert "pip install 'streamflow-live[plots]'" in text
    assert list(tmp_path.iterdir()) == []
    assert "No plots" in plots.write_plots(HEAD | {"rows": []}, tmp_path, "stem")
