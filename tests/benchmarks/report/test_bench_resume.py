"""Resumption of an interrupted bench by ``bench --resume``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner, Result

from benchmarks import catalogue
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report import resume
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from daemon.__main__ import app
from presets.errors import SettingsError

ROWS = ["one", "two", "three"]


class FakeMeasurement:
    """A measurement of three rows that keeps the rows it has measured and can be interrupted."""

    def __init__(self) -> None:
        self.measured: list[str] = []
        self.stops_after: int | None = None

    def __call__(self, plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
        for number, name in enumerate(ROWS):
            if name in plan.known:
                continue
            if number == self.stops_after:
                raise NotMeasured("interrupted")
            self.measured.append(name)
            yield SpeedTarget(f"target {name}", 1.0, 1.0)
            yield {"configuration": name, "fps": 1.0}


class Measurements(NamedTuple):
    """The two measurements of the bench in these tests."""

    rows: FakeMeasurement
    """Resumed row by row."""
    whole: FakeMeasurement
    """Measured again unless it is complete."""


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> Measurements:
    """Replace the catalogue by two measurements."""
    both = Measurements(FakeMeasurement(), FakeMeasurement())
    table = (
        catalogue.Measurement("rows", "", both.rows, by_row=True),
        catalogue.Measurement("whole", "", both.whole),
    )
    monkeypatch.setattr(catalogue, "MEASUREMENTS", table)
    monkeypatch.setattr(resume, "MEASUREMENTS", table)
    return both


@pytest.fixture
def rows(measurements: Measurements) -> FakeMeasurement:
    """Return the measurement that is resumed row by row."""
    return measurements.rows


def bench(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["bench", "--json", str(path), *arguments])


def bench_in(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["bench", "--results", str(folder), *arguments])


def test_known_rows_are_skipped(tmp_path: Path, measurements: Measurements) -> None:
    path = tmp_path / "results.json"
    rows, whole = measurements
    rows.stops_after = whole.stops_after = 2
    assert bench(path).exit_code == 1
    before = json.loads(path.read_text())
    assert [row["configuration"] for row in before["rows"]] == ["one", "two"] * 2
    rows.stops_after = whole.stops_after = None
    done = bench(path, "--resume")
    assert done.exit_code == 0, done.output
    assert "resuming" in done.output
    assert rows.measured == ROWS
    assert whole.measured == ["one", "two", *ROWS]
    document = json.loads(path.read_text())
    assert document["date"] == before["date"]
    assert len(document["went_on"]) == 1
    assert document["complete"] == ["rows", "whole"]
    assert sorted((row["measurement"], row["configuration"]) for row in document["rows"]) == sorted(
        (measurement, name) for measurement in ("rows", "whole") for name in ROWS
    )
    assert document["failures"] == []
    assert [target["name"] for target in document["targets"]].count("target one") == 1


def test_complete_is_not_measured_again(tmp_path: Path, rows: FakeMeasurement) -> None:
    path = tmp_path / "results.json"
    bench(path)
    assert bench(path, "--resume").exit_code == 0
    assert rows.measured == ROWS
    assert bench(path).exit_code == 0
    assert rows.measured == ROWS * 2, "without --resume everything is measured again"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"versions": {"torch": "1.0"}}, "torch was 1.0"),
        ({"device": "another"}, "device was another"),
        ({"subject": {"size": 128}}, "subject was"),
        ({"quick": True}, "quick was True"),
    ],
)
def test_other_bench_is_not_resumed(tmp_path: Path, rows: FakeMeasurement, change: dict[str, Any], reason: str) -> None:
    bench_in(tmp_path)
    (path,) = tmp_path.glob("*.json")
    text = json.dumps(json.loads(path.read_text()) | change)
    path.write_text(text)
    for done in (bench_in(tmp_path, "--resume"), bench(path, "--resume")):
        assert isinstance(done.exception, SettingsError), "it would be overwritten"
        assert reason in str(done.exception)
        assert path.read_text() == text
    older = path.rename(path.with_name(f"2026-01-02-{path.stem[11:]}.json"))
    done = bench_in(tmp_path, "--resume")
    assert done.exit_code == 0, done.output
    assert reason in done.output.replace("\n", " ")
    assert rows.measured == ROWS * 2
    assert older.read_text() == text


def test_missing_row_is_tried_again(tmp_path: Path, rows: FakeMeasurement) -> None:
    path = tmp_path / "results.json"
    bench(path)
    document = json.loads(path.read_text())
    document["rows"][1] = {"measurement": "rows", "configuration": "two", "missing": "it was not installed"}
    path.write_text(json.dumps(document))
    assert bench(path, "--resume").exit_code == 0
    assert rows.measured == [*ROWS, "two"]
    assert all("missing" not in row for row in json.loads(path.read_text())["rows"])


def test_file_of_other_kind_refused(tmp_path: Path, rows: FakeMeasurement) -> None:
    path = tmp_path / "results.json"
    for content in ("not json", "[]", '{"rows": []}'):
        path.write_text(content)
        done = bench(path, "--resume")
        assert isinstance(done.exception, SettingsError)
        assert str(path) in str(done.exception)
        assert path.read_text() == content


@pytest.mark.parametrize(
    "change",
    [
        {"versions": []},
        {"versions": None},
        {"rows": "abc"},
        {"rows": 3},
        {"rows": [{"configuration": "x"}]},
        {"rows": [{"measurement": "rows"}]},
        {"rows": [{"measurement": "rows", "configuration": "x", "fps": "[/x]"}]},
        {"rows": [{"measurement": "rows", "configuration": "x", "axes": 3}]},
        {"rows": [{"measurement": "rows", "configuration": "\ud800"}]},
        {"complete": 3},
        {"complete": [[1]]},
        {"went_on": 3},
        {"targets": [{}]},
        {"targets": [{"name": "x", "is": "at least", "figure": "1", "target": 1}]},
        {"targets": [{"name": "x", "is": "at least", "figure": 10**400, "target": 1}]},
        {"targets": [{"name": "x", "is": "at least", "figure": None, "target": 1}]},
        {"date": None},
        {"deep": "deep"},
    ],
    ids=repr,
)
def test_malformed_document_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "results.json"
    document = {"date": "2026-11-25", "versions": {}, "rows": [], "targets": [], "complete": []}
    path.write_text(json.dumps(document))
    assert resume.read_document(path) == document
    path.write_text(json.dumps(document | change).replace('"deep"}', "[" * 100_000 + "]" * 100_000 + "}"))
    with pytest.raises(SettingsError, match=r"results\.json (is not the document of a bench: .+\.|can't be read: .+)"):
        resume.read_document(path)


def test_stored_documents_are_read() -> None:
    paths = list((Path(__file__).parents[3] / "benchmarks" / "results").glob("*.json"))
    assert paths
    for path in paths:
        assert resume.read_document(path)["rows"]


def test_newest_of_machine_is_resumed(tmp_path: Path, rows: FakeMeasurement) -> None:
    rows.stops_after = 1
    bench_in(tmp_path)
    (made,) = tmp_path.glob("*.json")
    older = made.rename(made.with_name(f"2026-01-02-{made.stem[11:]}.json"))
    rows.stops_after = None
    assert bench_in(tmp_path, "--resume").exit_code == 0
    assert rows.measured == ROWS
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [older.name, f"{made.stem}.md", f"{older.stem}.md"]
    )


def test_file_and_folder_both_resumed(tmp_path: Path, rows: FakeMeasurement) -> None:
    path, folder = tmp_path / "results.json", tmp_path / "results"
    rows.stops_after = 1
    assert bench(path, "--results", str(folder)).exit_code == 1
    (made,) = folder.glob("*.json")
    older = made.rename(made.with_name(f"2026-01-02-{made.stem[11:]}.json"))
    older.write_text(path.read_text().replace('"one"', '"lost"'))  # the bench was interrupted between the two
    rows.stops_after = None
    assert bench(path, "--results", str(folder), "--resume").exit_code == 0
    assert rows.measured == ROWS
    assert [*folder.glob("*.json")] == [older], "one bench, although the day is another"
    assert older.read_text() == path.read_text()
    path.unlink()
    assert bench(path, "--results", str(folder), "--resume").exit_code == 0
    assert rows.measured == ROWS, "the folder has every row"
    assert older.read_text() == path.read_text()


def test_resuming_keeps_other_bench(tmp_path: Path, rows: FakeMeasurement) -> None:
    path, folder = tmp_path / "results.json", tmp_path / "results"
    bench(path, "--results", str(folder))
    (there,) = folder.glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"date": "2026-01-02T00:00:00"}))
    before = path.read_text(), there.read_text()
    done = bench(path, "--results", str(folder), "--resume")
    assert isinstance(done.exception, SettingsError)
    assert f"{path} and {there} are two benches" in str(done.exception)
    assert (path.read_text(), there.read_text()) == before
    older = there.rename(there.with_name(f"2026-01-01-{there.stem[11:]}.json"))
    assert bench(path, "--results", str(folder), "--resume").exit_code == 0
    assert older.read_text() == before[1]
    assert len([*folder.glob("*.json")]) == 2, "no file is in the way"
