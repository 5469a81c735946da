"""The bench: run for real with the echo model, and its counting held against what could fool it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks import catalogue, machine
from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan, Progress
from benchmarks.report import tables
from benchmarks.report.document import Results
from benchmarks.report.findings import Finding, NotMeasured, SpeedTarget
from benchmarks.show.card_sender import CardSender
from benchmarks.show.measure_switch import _longest_hold
from benchmarks.show.received_frames import ReceivedFrame, distinct_fps, distinct_frames, intervals_ms, quantile, spread
from benchmarks.show.sink_reader import SinkReader
from daemon.renderer.echo_stream import arrival_stamp
from daemon.shared.clock import NS
from presets.errors import SettingsError

BENCH = [sys.executable, "-m", "daemon", "bench"]


def arrival(at: float, index: int, tick: int = 0) -> ReceivedFrame:
    return ReceivedFrame(round(at * NS), tick, index, index, 0, 1)


def test_a_repeated_picture_is_not_a_picture_a_second() -> None:
    held = [arrival(tick / 30, 1 + tick // 3, tick) for tick in range(30)]  # ten pictures, each shown three times
    assert distinct_fps(held, 0, NS) == 10
    assert [each.index for each in distinct_frames(held)] == list(range(1, 11))
    assert distinct_fps([arrival(tick / 30, 7, tick) for tick in range(30)], 0, NS) == 1


def test_a_slate_and_a_picture_that_comes_back_are_no_new_pictures() -> None:
    indices = [-1, 0, 1, 2, -1, 2, 1, 3]
    assert [each.index for each in distinct_frames(arrival(place, index) for place, index in enumerate(indices))] == [
        1,
        2,
        3,
    ]


def test_a_picture_counts_where_it_came_first() -> None:
    shown = [arrival(0.9, 1), arrival(1.1, 1), arrival(1.5, 2), arrival(2.0, 3)]
    assert distinct_fps(shown, NS, 2 * NS) == 1, "the one before was only held, the one at the end is the next turn's"


def test_intervals_and_quantiles() -> None:
    assert intervals_ms([0, 10_000_000, 40_000_000]) == [10.0, 30.0]
    values = [float(value) for value in range(1, 1001)]
    assert quantile(values, 0.5) == 501
    assert spread(values)["p999_ms"] == 1000
    assert spread([5.0])["longest_ms"] == 5.0


def test_the_longest_hold_is_between_pictures_that_changed() -> None:
    shown = [arrival(place / 10, index) for place, index in enumerate([1, 1, 2, 2, 2, 2, 3, 3])]
    assert _longest_hold(shown) == pytest.approx(400)
    assert _longest_hold(shown[:2]) == 0


def test_a_target_is_met_at_its_very_figure_from_either_side() -> None:
    assert SpeedTarget("fps", 24.0, 24.0).met
    assert not SpeedTarget("fps", 23.9, 24.0).met
    assert SpeedTarget("ms", 2.0, 2.0, at_least=False).met
    assert not SpeedTarget("ms", 2.1, 2.0, at_least=False).met


def test_each_finding_is_on_the_disk_at_once_and_the_file_is_always_whole(tmp_path: Path) -> None:
    path = tmp_path / "made" / "results.json"
    results = Results({"device": "a processor"}, (path,))
    results.add("stream", {"configuration": "one", "fps": 30.123456})
    with path.open() as held:
        results.add("stream", SpeedTarget("rate", 30.0, 24.0))
        results.fail("delay", "no port")
        before = json.load(held)
    assert before["rows"] == [{"measurement": "stream", "configuration": "one", "fps": 30.12}]
    assert before["targets"] == [], "who reads it meanwhile has the whole file of before, not one half written over"
    document = json.loads(path.read_text())
    assert [target["met"] for target in document["targets"]] == [True]
    assert document["failures"] == [{"measurement": "delay", "reason": "no port"}]
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_can_not_be_written_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = bench("--only", "delay", "--json", str(tmp_path / "file" / "results.json"))
    assert done.returncode == 2
    assert "can't be written" in one_line(done.stderr)
    assert "Traceback" not in done.stderr


def test_an_unknown_measurement_is_one_sentence_with_the_known_names() -> None:
    done = bench("--only", "delay,sped")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    said = one_line(done.stderr)
    assert "'sped'" in said
    for measurement in catalogue.MEASUREMENTS:
        assert measurement.name in said
    with pytest.raises(SettingsError, match="nothing"):
        catalogue.chosen(" , ")
    assert [each.name for each in catalogue.chosen("delay, stream")] == ["stream", "delay"], "in their own order"


def test_what_lasts_is_taken_only_when_it_is_named() -> None:
    assert "sweep" not in [each.name for each in catalogue.chosen(None)]
    assert [each.name for each in catalogue.chosen("sweep")] == ["sweep"]


def test_a_step_for_many_samples_is_diffusers_own_step_for_each(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    done = bench("--only", "affine", "--seconds", "0.5", "--json", str(path))
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text())["rows"]
    assert [row["configuration"].split(", ")[1] for row in rows] == [f"{n} samples" for n in (1, 8, 64, 512)]
    for row in rows:
        assert row["largest_difference"] < 1e-5
        assert row["ratio"] > 0


def test_the_list_names_every_measurement() -> None:
    done = bench("--list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [each.name for each in catalogue.MEASUREMENTS]


def test_the_delay_is_measured_for_real(tmp_path: Path) -> None:
    path, folder = tmp_path / "results.json", tmp_path / "results"
    done = bench("--only", "delay", "--seconds", "1", "--json", str(path), "--results", str(folder))
    assert done.returncode == 0, done.stderr
    document = json.loads(path.read_text())
    assert {"date", "device", "cores", "versions", "command", "load_before", "rows", "targets"} <= document.keys()
    assert document["failures"] == []
    hops, stage = document["rows"]
    assert hops["measurement"] == stage["measurement"] == "delay"
    for figure in (hops["hop_in_ms"], hops["hop_out_ms"], stage["source_to_renderer_ms"], stage["renderer_to_sink_ms"]):
        assert 0 < figure < 1000
    # Sixty a second were sent for a second; ticks, of which there were four times as many, must not count.
    assert 0 < stage["pictures"] <= 70
    assert 0 < stage["fps"] <= 70
    assert {target["name"]: target["figure"] for target in document["targets"]} == {
        "stage adds, source to renderer, ms": pytest.approx(
            stage["source_to_renderer_ms"] - hops["hop_in_ms"], abs=0.02
        ),
        "stage adds, renderer to sink, ms": pytest.approx(
            stage["renderer_to_sink_ms"] - hops["hop_out_ms"] - stage["tick_wait_ms"], abs=0.02
        ),
    }
    stem = f"{document['date'][:10]}-{machine.slug(document['device'])}"
    assert sorted(each.name for each in folder.iterdir()) == [f"{stem}.json", f"{stem}.md"]
    assert json.loads((folder / f"{stem}.json").read_text()) == document
    assert stage["configuration"] in (folder / f"{stem}.md").read_text()
    assert stage["configuration"].split(",")[0] in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_bench_that_is_stopped_leaves_no_process_and_a_whole_file(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "results.json"
    command = [*BENCH, "--only", "delay", "--seconds", "60", "--json", str(path)]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that is started in the background is deaf to Ctrl-C, and so would be its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as process:
        children: list[psutil.Process] = []
        try:
            children = until_it_plays(psutil.Process(process.pid))
            process.send_signal(number)
            _, said = process.communicate(timeout=40)
        finally:
            process.kill()
            left = psutil.wait_procs(children, timeout=10)[1]
            for child in left:
                child.kill()
    assert process.returncode not in (0, -signal.SIGTERM)
    assert "Traceback" not in said
    assert not left
    assert json.loads(path.read_text())["rows"] == []


def test_a_measurement_that_can_not_be_taken_is_told_and_the_next_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from daemon.__main__ import app

    def fails(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
        yield {"configuration": "before it broke", "fps": 1.0}
        raise NotMeasured("the [wire] was cut")

    def works(plan: BenchPlan, tell: Progress) -> Iterator[Finding]:
        tell("[brackets] do no harm")
        yield {"configuration": "after", "fps": 2.0}

    both = (catalogue.Measurement("fails", "", fails), catalogue.Measurement("works", "", works))
    monkeypatch.setattr(catalogue, "MEASUREMENTS", both)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)  # the test's own process keeps its handlers
    path = tmp_path / "results.json"
    done = CliRunner().invoke(app, ["bench", "--json", str(path)])
    assert done.exit_code == 1
    assert "the [wire] was cut" in done.output
    document = json.loads(path.read_text())
    assert [row["configuration"] for row in document["rows"]] == ["before it broke", "after"]
    assert document["failures"] == [{"measurement": "fails", "reason": "the [wire] was cut"}]
    assert "fails was not measured" in tables.markdown(document)


def test_the_mirror_gives_back_what_was_pushed_with_the_time_it_came(tmp_path: Path) -> None:
    with ChildProcess("benchmarks.show.frame_relay", tmp_path) as mirror:
        ends = mirror.ask({"do": "open"}, 60.0)
        reader, pusher = SinkReader(ends["out"]), CardSender([ends["in"]], 64, 32, 60.0, jitter=0.001)
        reader.start()
        pusher.start()
        try:
            first = reader.wait_for(lambda each: True, 60.0, "a picture")
            later = reader.wait_for(lambda each: each.index >= first.index + 5, 60.0, "another picture")
        finally:
            pusher.stop()
            reader.stop()
    for each in (first, later):
        assert each.captured_at <= each.stamp <= each.at
    assert reader.since(later.at)[0] == later


def test_a_reader_takes_the_stamp_that_the_echo_wrote() -> None:
    from daemon.renderer.echo_stream import stamp

    picture = np.zeros((2, 4, 3), np.uint8)
    before = time.monotonic_ns()
    stamp(picture)
    assert before <= arrival_stamp(picture) <= time.monotonic_ns()
    assert arrival_stamp(picture) == int.from_bytes(picture.data.cast("B")[:8], "little")


def test_a_child_that_ends_early_or_says_nothing_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        ChildProcess("benchmarks.no_such_module", tmp_path) as child,
        pytest.raises(NotMeasured, match="No module named"),
    ):
        child.ask({"do": "anything"}, 60.0)
    with ChildProcess("benchmarks.show.osc_flood", tmp_path) as flood:
        flood.pause()
        with pytest.raises(NotMeasured, match="no answer"):
            flood.ask({"do": "flood"}, 0.05)
    assert not psutil.pid_exists(flood.pid)


def test_the_flood_sends_what_it_says(tmp_path: Path) -> None:
    import socket

    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
        ChildProcess("benchmarks.show.osc_flood", tmp_path) as flood,
    ):
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(30)
        request = {"port": ear.getsockname()[1], "address": "/strength", "low": 0.2, "high": 0.4}
        answer = flood.ask({"do": "flood", "rate": 200, "seconds": 0.3, **request}, 60.0)
        heard = [ear.recv(1000) for _ in range(answer["sent"])]
    assert answer["sent"] >= 1
    assert all(datagram.startswith(b"/strength\0\0\0,f\0\0") and len(datagram) == 20 for datagram in heard)


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(
        [*BENCH, *arguments], capture_output=True, text=True, timeout=110, check=False, env=environment
    )


def one_line(text: str) -> str:
    return " ".join(text.split())


def until_it_plays(bench: psutil.Process) -> list[psutil.Process]:
    """Its children, once a renderer is among them: the show's child, and so a grandchild of the bench."""
    deadline = time.monotonic() + 60
    while True:
        children = bench.children(recursive=True)
        if any("daemon.renderer" in child.cmdline() for child in children if child.is_running()):
            return children
        assert time.monotonic() < deadline, "no renderer was started"
        time.sleep(0.05)
