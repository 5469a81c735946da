"""``streamflow-live bench`` as a command, with real shows and child processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from benchmarks import catalogue, machine
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report.findings import Finding, NotMeasured
from daemon.__main__ import app
from presets.errors import SettingsError

BENCH = [sys.executable, "-m", "daemon", "bench"]


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(
        [*BENCH, *arguments], capture_output=True, text=True, timeout=110, check=False, env=environment
    )


def test_unknown_measurement_lists_names() -> None:
    done = bench("--only", "delay,sped")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    text = " ".join(done.stderr.split())
    assert "'sped'" in text
    for measurement in catalogue.MEASUREMENTS:
        assert measurement.name in text


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        (["--steps", "1,x"], "--steps"),
        (["--precision", "float12"], "float12"),
        (["--accelerators", "eager,warp"], "'warp'"),
        (["--architecture", "sd99"], "sd15-perflow"),
        (["--among", "sd-turbo,sd-turbo"], "two models or more"),
        (["--only", "delay", "--json", "FILE/results.json"], "can't be written"),
    ],
)
def test_bad_option_refused(arguments: list[str], refused: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    given = [argument.replace("FILE", str(tmp_path / "file")) for argument in arguments]
    done = CliRunner().invoke(app, ["bench", *given])
    assert isinstance(done.exception, SettingsError)
    assert refused in str(done.exception)


def test_list_names_every_measurement() -> None:
    done = CliRunner().invoke(app, ["bench", "--list"])
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.output.splitlines()] == [each.name for each in catalogue.MEASUREMENTS]


def test_failure_exits_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
        progress("[brackets] are text")
        yield {"configuration": "before it broke", "fps": 1.0}
        raise NotMeasured("the [wire] was cut")

    monkeypatch.setattr(catalogue, "MEASUREMENTS", (catalogue.Measurement("fails", "", fails),))
    path = tmp_path / "results.json"
    done = CliRunner().invoke(app, ["bench", "--json", str(path)])
    assert done.exit_code == 1
    assert "the [wire] was cut" in done.output
    assert [row["configuration"] for row in json.loads(path.read_text())["rows"]] == ["before it broke"]


def test_model_folder_names_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[BenchPlan] = []

    def measure(plan: BenchPlan, progress: Progress) -> Iterator[Finding]:
        given.append(plan)
        yield {"configuration": "one"}

    monkeypatch.setattr(catalogue, "MEASUREMENTS", (catalogue.Measurement("model", "", measure),))
    folder, sheets = tmp_path / "results", tmp_path / "sheets"
    arguments = ["--model", "models/Old One", "--results", str(folder), "--sheets", str(sheets)]
    assert CliRunner().invoke(app, ["bench", *arguments]).exit_code == 0
    (document,) = folder.glob("*.json")
    assert document.stem.endswith(f"{machine.slug(machine.processor())}-old-one") or machine.gpu()
    assert "sheets" not in json.loads(document.read_text())["subject"]
    assert given[0].settings.sheets == sheets


def test_affine_step_equals_diffusers(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    done = CliRunner().invoke(app, ["bench", "--only", "affine", "--seconds", "0.05", "--json", str(path)])
    assert done.exit_code == 0, done.output
    rows = json.loads(path.read_text())["rows"]
    assert [row["configuration"].split(", ")[1] for row in rows] == [f"{n} samples" for n in (1, 8, 64, 512)]
    for row in rows:
        assert row["largest_difference"] < 1e-5
        assert row["ratio"] > 0


def test_delay_of_real_show(tmp_path: Path) -> None:
    path, folder = tmp_path / "results.json", tmp_path / "results"
    done = bench("--only", "delay", "--seconds", "0.4", "--json", str(path), "--results", str(folder))
    assert done.returncode == 0, done.stderr
    document = json.loads(path.read_text())
    assert {"date", "device", "cores", "versions", "command", "load_before", "rows", "targets"} <= document.keys()
    assert document["failures"] == []
    hops, stage = document["rows"]
    assert hops["measurement"] == stage["measurement"] == "delay"
    for figure in (hops["hop_in_ms"], hops["hop_out_ms"], stage["source_to_renderer_ms"], stage["renderer_to_sink_ms"]):
        assert 0 < figure < 1000
    # 60 frames per second for 0.4 s. Ticks, which are four times as many, must not count.
    assert 0 < stage["pictures"] <= 30
    assert 0 < stage["fps"] <= 75
    # Figures have four digits.
    assert {target["name"]: target["figure"] for target in document["targets"]} == {
        "stage adds, source to renderer, ms": pytest.approx(
            stage["source_to_renderer_ms"] - hops["hop_in_ms"], abs=0.02, rel=2e-3
        ),
        "stage adds, renderer to sink, ms": pytest.approx(
            stage["renderer_to_sink_ms"] - hops["hop_out_ms"] - stage["tick_wait_ms"], abs=0.02, rel=2e-3
        ),
    }
    stem = f"{document['date'][:10]}-{machine.slug(document['device'])}"
    assert sorted(each.name for each in folder.iterdir()) == [f"{stem}.json", f"{stem}.md"]
    assert json.loads((folder / f"{stem}.json").read_text()) == document
    assert stage["configuration"] in (folder / f"{stem}.md").read_text()
    assert stage["configuration"].split(",")[0] in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(
    ("number", "other"), [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)], ids=["int", "term"]
)
def test_stopped_bench_ends_children(tmp_path: Path, number: signal.Signals, other: signal.Signals) -> None:
    path = tmp_path / "results.json"
    command = [*BENCH, "--only", "delay", "--seconds", "60", "--json", str(path)]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A suite started in the background ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as process:
        children: list[psutil.Process] = []
        try:
            children = children_with_renderer(psutil.Process(process.pid))
            process.send_signal(number)
            process.send_signal(other)  # reaches the bench while it ends its children
            _, errors = process.communicate(timeout=40)
        finally:
            process.kill()
            left = psutil.wait_procs(children, timeout=10)[1]
            for child in left:
                child.kill()
    assert process.returncode not in (0, -signal.SIGTERM)
    assert "Traceback" not in errors
    assert not left
    assert json.loads(path.read_text())["rows"] == []


def children_with_renderer(bench: psutil.Process) -> list[psutil.Process]:
    """Wait until the show of the bench has started its renderer. Return all descendants of the bench."""
    deadline = time.monotonic() + 60
    while True:
        children = bench.children(recursive=True)
        if any("daemon.renderer" in child.cmdline() for child in children if child.is_running()):
            return children
        assert time.monotonic() < deadline, "no renderer was started"
        time.sleep(0.05)
