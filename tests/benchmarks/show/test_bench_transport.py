"""Measurement of the transports, with real readers in processes of their own."""

from pathlib import Path

import pytest

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan
from benchmarks.report.findings import Finding, NotMeasured, Row, SpeedTarget
from benchmarks.show import measure_frames, measure_transport
from io_bridges.shared_memory import segment


def parted(findings: list[Finding]) -> tuple[list[Row], list[SpeedTarget]]:
    rows = [each for each in findings if not isinstance(each, SpeedTarget)]
    return rows, [each for each in findings if isinstance(each, SpeedTarget)]


@pytest.mark.usefixtures("ndi_alone")
def test_all_transports_are_measured(tmp_path: Path) -> None:
    plan = BenchPlan(tmp_path, seconds=0.5, pairs=1)
    rows, targets = parted(list(measure_transport.measure_transport(plan, lambda _: None)))
    names = [row["configuration"].split(",")[0] for row in rows]
    tcp = "ZeroMQ over tcp"
    assert names == ["shared memory"] * 4 + [tcp] * 4 + ["pyzmq alone over tcp"] * 4 + ["shared memory", tcp, "NDI"]
    for row in rows:
        if "missing" not in row:
            assert row["pictures"] > 0
            assert ("age_ms" in row) == ("NDI" not in row["configuration"])
            assert 0 < row.get("age_ms", 1) <= row.get("age_p99_ms", 1)
    assert all(target.figure > 0 for target in targets)
    assert not [path for path in Path("/dev/shm").glob("bench*") if segment.attach(path.name)], "memory is left"


def test_layouts_and_flow_are_measured(tmp_path: Path) -> None:
    rows, targets = parted(list(measure_frames.measure_frames(BenchPlan(tmp_path, seconds=0.05), lambda _: None)))
    assert len(rows) == len(targets) == 4
    assert [target.figure for target in targets] == [row["median_ms"] for row in rows]
    assert all(target.figure > 0 for target in targets)


def test_reader_without_a_writer_measures_nothing(tmp_path: Path) -> None:
    with ChildProcess("benchmarks.show.transport_reader", tmp_path) as reader:
        reader.ask({"do": "open", "uri": "shm:nobody"}, 60.0)
        assert reader.ask({"do": "turn", "seconds": 0.1}, 60.0)["ages_ms"] == []
        with pytest.raises(NotMeasured, match="can't be the name"):
            reader.ask({"do": "open", "uri": "shm:a/b"}, 60.0)
