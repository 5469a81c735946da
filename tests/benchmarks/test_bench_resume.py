"""A bench that goes on where another ended, one that must be quick, and the pictures that are drawn of it."""

import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from typer.testing import CliRunner, Result

from benchmarks import catalogue, machine, runner
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report import plots, resume, tables
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from daemon.__main__ import app
from presets.errors import SettingsError


class Measured:
    """A measurement of three rows that remembers which it has taken, and may be cut short."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.ends_after: int | None = None

    def __call__(self, plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
        for number, name in enumerate(("one", "two", "three")):
            if name in plan.known:
                continue
            if number == self.ends_after:
                raise NotMeasured("cut short")
            self.taken.append(name)
            yield SpeedTarget(f"target {name}", 1.0, 1.0)
            yield {"configuration": name, "fps": 1.0}


@pytest.fixture
def by_row(monkeypatch: pytest.MonkeyPatch) -> Iterator[Measured]:
    """The one that goes row by row; beside it stands one that does not."""
    mine, whole = Measured(), Measured()
    both = (
        catalogue.Measurement("rows", "", mine, quick=True, by_row=True),
        catalogue.Measurement("whole", "", whole, quick=True),
    )
    monkeypatch.setattr(catalogue, "MEASUREMENTS", both)
    monkeypatch.setattr("benchmarks.report.resume.MEASUREMENTS", both)
    monkeypatch.setattr(Measured, "whole", whole, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    yield mine
    signal.signal(signal.SIGTERM, before)  # the command has its own


def bench(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["bench", "--json", str(path), *arguments])


def test_what_is_known_is_left_out_row_by_row(tmp_path: Path, by_row: Measured) -> None:
    path = tmp_path / "results.json"
    by_row.ends_after = Measured.whole.ends_after = 2  # type: ignore[attr-defined]
    assert bench(path).exit_code == 1
    before = json.loads(path.read_text())
    assert [row["configuration"] for row in before["rows"]] == ["one", "two"] * 2
    by_row.ends_after = Measured.whole.ends_after = None  # type: ignore[attr-defined]
    done = bench(path, "--resume")
    assert done.exit_code == 0, done.output
    assert "resuming" in done.output
    assert by_row.taken == ["one", "two", "three"]
    assert Measured.whole.taken == ["one", "two", "one", "two", "three"]  # type: ignore[attr-defined]
    document = json.loads(path.read_text())
    assert document["date"] == before["date"]
    assert len(document["went_on"]) == 1
    assert document["complete"] == ["rows", "whole"]
    assert sorted((row["measurement"], row["configuration"]) for row in document["rows"]) == sorted(
        (measurement, name) for measurement in ("rows", "whole") for name in ("one", "two", "three")
    )
    assert document["failures"] == []
    assert [target["name"] for target in document["targets"]].count("target one") == 1
    assert bench(path, "--resume").exit_code == 0
    assert by_row.taken == ["one", "two", "three"], "what is complete is not begun"
    assert bench(path).exit_code == 0
    assert by_row.taken == ["one", "two", "three"] * 2, "without --resume all is measured anew"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"versions": {"torch": "1.0"}}, "torch was 1.0"),
        ({"device": "another"}, "device was another"),
        ({"subject": {"size": 128}}, "subject was"),
        ({"quick": True}, "quick was True"),
    ],
)
def test_other_versions_machines_and_questions_are_measured_anew_elsewhere(
    tmp_path: Path, by_row: Measured, change: dict[str, Any], said: str
) -> None:
    place = ["bench", "--results", str(tmp_path)]
    CliRunner().invoke(app, place)
    (path,) = tmp_path.glob("*.json")
    text = json.dumps(json.loads(path.read_text()) | change)
    path.write_text(text)
    for command in ([*place, "--resume"], ["bench", "--json", str(path), "--resume"]):
        done = CliRunner().invoke(app, command)
        assert isinstance(done.exception, SettingsError), "it would be written over"
        assert said in str(done.exception)
        assert path.read_text() == text
    older = path.rename(path.with_name(f"2026-01-02-{path.stem[11:]}.json"))
    done = CliRunner().invoke(app, [*place, "--resume"])
    assert done.exit_code == 0, done.output
    assert said in done.output.replace("\n", " ")
    assert by_row.taken == ["one", "two", "three"] * 2
    assert older.read_text() == text


def test_a_row_that_lacked_something_is_tried_again(tmp_path: Path, by_row: Measured) -> None:
    path = tmp_path / "results.json"
    bench(path)
    document = json.loads(path.read_text())
    document["rows"][1] = {"measurement": "rows", "configuration": "two", "missing": "it was not installed"}
    path.write_text(json.dumps(document))
    assert bench(path, "--resume").exit_code == 0
    assert by_row.taken == ["one", "two", "three", "two"]
    assert all("missing" not in row for row in json.loads(path.read_text())["rows"])


@pytest.mark.parametrize("content", ["not json", "[]", '{"rows": []}'])
def test_what_is_no_document_is_refused_in_a_sentence(tmp_path: Path, by_row: Measured, content: str) -> None:
    path = tmp_path / "results.json"
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
def test_a_document_of_another_shape_is_refused_in_a_sentence(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "results.json"
    document = {"date": "2026-11-25", "versions": {}, "rows": [], "targets": [], "complete": []}
    path.write_text(json.dumps(document))
    assert resume.read_document(path) == document
    path.write_text(json.dumps(document | change).replace('"deep"}', "[" * 100_000 + "]" * 100_000 + "}"))
    with pytest.raises(SettingsError, match=r"results\.json (is no document of a bench: .+\.|can't be read: .+)"):
        resume.read_document(path)


def test_every_document_that_a_bench_has_written_is_read() -> None:
    paths = list((Path(__file__).parents[2] / "benchmarks" / "results").glob("*.json"))
    assert paths
    for path in paths:
        assert resume.read_document(path)["rows"]


def test_the_newest_document_of_this_machine_is_gone_on_with(tmp_path: Path, by_row: Measured) -> None:
    by_row.ends_after = 1
    CliRunner().invoke(app, ["bench", "--results", str(tmp_path)])
    (made,) = tmp_path.glob("*.json")
    older = made.with_name(f"2026-01-02-{made.stem[11:]}.json")
    made.rename(older)
    by_row.ends_after = None
    assert CliRunner().invoke(app, ["bench", "--results", str(tmp_path), "--resume"]).exit_code == 0
    assert by_row.taken == ["one", "two", "three"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [older.name, f"{made.stem}.md", f"{older.stem}.md"]
    )


def test_a_bench_with_a_file_and_a_folder_goes_on_in_both(tmp_path: Path, by_row: Measured) -> None:
    path, folder = tmp_path / "results.json", tmp_path / "results"
    by_row.ends_after = 1
    assert bench(path, "--results", str(folder)).exit_code == 1
    (made,) = folder.glob("*.json")
    older = made.rename(made.with_name(f"2026-01-02-{made.stem[11:]}.json"))
    older.write_text(path.read_text().replace('"one"', '"lost"'))  # cut short between the two
    by_row.ends_after = None
    assert bench(path, "--results", str(folder), "--resume").exit_code == 0
    assert by_row.taken == ["one", "two", "three"]
    assert [*folder.glob("*.json")] == [older], "it is one bench, whatever the day"
    assert older.read_text() == path.read_text()
    path.unlink()
    assert bench(path, "--results", str(folder), "--resume").exit_code == 0
    assert by_row.taken == ["one", "two", "three"], "the folder has it all"
    assert older.read_text() == path.read_text()


def test_going_on_with_a_file_writes_over_no_other_bench_in_the_folder(tmp_path: Path, by_row: Measured) -> None:
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
    assert len([*folder.glob("*.json")]) == 2, "nothing is there to be written over"


def test_a_quick_bench_ends_in_time_and_says_what_it_left_out(
    tmp_path: Path, by_row: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "QUICK", 0.0)
    path = tmp_path / "results.json"
    assert bench(path, "--quick").exit_code == 0
    document = json.loads(path.read_text())
    assert document["rows"] == []
    assert [left["measurement"] for left in document["left_out"]] == ["rows", "whole"]
    assert "rows: the time of --quick was over" in tables.markdown(document)
    assert bench(path).exit_code == 0
    assert by_row.taken == ["one", "two", "three"], "without --quick nothing is left out"


def test_a_quick_bench_does_not_wait_for_what_does_not_end(
    tmp_path: Path, by_row: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    def hangs(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
        yield {"configuration": "before", "fps": 1.0}
        try:
            queue.Queue[None]().get(timeout=100)  # as the answer of a child is waited for
        finally:
            ended.append("its children")

    both = (catalogue.Measurement("hangs", "", hangs, quick=True), *catalogue.MEASUREMENTS)
    monkeypatch.setattr(catalogue, "MEASUREMENTS", both)
    monkeypatch.setattr(runner, "LAST", 0.5)
    path = tmp_path / "results.json"
    assert bench(path, "--quick").exit_code == 0
    document = json.loads(path.read_text())
    assert ended == ["its children"]
    assert [row["configuration"] for row in document["rows"]] == ["before"]
    assert [left["measurement"] for left in document["left_out"]] == ["hangs", "rows", "whole"]


def test_the_bench_itself_never_imports_torch() -> None:
    imports = "from benchmarks import catalogue, options, runner; from benchmarks.report import plots, resume"
    code = f"import sys; {imports}; sys.exit(bool({{'torch', 'matplotlib'}} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_groups_and_all_name_several() -> None:
    paper = [each.name for each in catalogue.chosen("paper")]
    assert paper[0] == "table1"
    assert {"rivals", "ablation", "latency", "forward", "decode", "quality", "sizes", "autoencoder"} < set(paper)
    assert catalogue.chosen("all") == catalogue.MEASUREMENTS
    assert not {*paper} & {each.name for each in catalogue.chosen(None)}, "they last, and are taken when asked for"
    assert {"table1", "stream"} < {each.name for each in catalogue.chosen(None, quick=True)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--steps", "1,x"], "--steps"),
        (["--precision", "float12"], "float12"),
        (["--accelerators", "eager,warp"], "'warp'"),
        (["--architecture", "sd99"], "sd15-perflow"),
    ],
)
def test_an_option_that_means_nothing_is_refused_with_what_is_known(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["bench", *arguments])
    assert isinstance(done.exception, SettingsError)
    assert said in str(done.exception)


def test_an_architecture_is_written_measured_and_gone_on_with_by_the_command_itself(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    command = [sys.executable, "-m", "daemon", "bench", "--architecture", "tiny-perflow", "--only", "decode"]
    command += ["--seconds", "0.05", "--json", str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def done(*more: str) -> dict[str, Any]:
        ran = subprocess.run(
            [*command, *more], capture_output=True, text=True, timeout=110, env=environment, check=False
        )
        assert ran.returncode == 0, ran.stderr
        document: dict[str, Any] = json.loads(path.read_text())
        return document

    first = done()
    assert [row["axes"]["pictures"] for row in first["rows"]] == [1, 2, 4, 8]
    assert all("tiny-perflow, random weights at 64x64" in row["configuration"] for row in first["rows"])
    assert first["versions"]["pipeline"] == machine.source("pipeline")
    assert done("--resume")["rows"] == first["rows"], "not one of them is measured again"


def rows() -> list[dict[str, Any]]:
    """Of every measurement that has a plot, as the paper's measurements make them."""
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


def test_every_plot_is_a_picture_with_something_on_it(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pip install 'streamflow-live[plots]'")
    head = {"device": "a processor", "cores": 2, "date": "2026-11-25T00:00:00", "versions": {"torch": "2"}}
    lacking = {"measurement": "table1", "configuration": "x", "axes": {}, "missing": "not installed"}
    said = plots.written(head | {"rows": [*rows(), lacking]}, tmp_path, "stem")
    assert {path.name for path in tmp_path.iterdir()} == {f"stem-{name}.png" for name in plots.PLOTS}
    seen = set()
    for path in tmp_path.iterdir():
        assert path.name in said
        picture = cv2.imread(str(path))
        assert picture.shape[0] > 300 < picture.shape[1]
        assert len({tuple(colour) for colour in picture.reshape(-1, 3)[::97]}) > 10
        seen.add(picture.tobytes())
    assert len(seen) == len(plots.PLOTS)


def test_without_matplotlib_a_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    head = {"device": "a processor", "cores": 2, "date": "2026-11-25", "versions": {}}
    said = plots.written(head | {"rows": rows()}, tmp_path, "stem")
    assert "pip install 'streamflow-live[plots]'" in said
    assert list(tmp_path.iterdir()) == []
    assert "nothing" in plots.written(head | {"rows": []}, tmp_path, "stem")
