"""Measurement of the transports, with real readers in processes of their own."""

from pathlib import Path

import pytest

from benchmarks.child_process import ChildProcess
from benchmarks.plan import BenchPlan
from benchmarks.report.findings import NotMeasured, SpeedTarget
from benchmarks.show.measure_transport import measure_transport
from io_bridges.shared_memory import segment


def test_both_transports_are_measured(tmp_path: Path) -> None:
    plan = BenchPlan(tmp_path, seconds=0.5, pairs=1)
    findings = list(measure_transport(plan, lambda _: None))
    rows = [each for each in findings if not isinstance(each, SpeedTarget)]
    targets = [each for each in findings if isinstance(each, SpeedTarget)]
    assert [row["configuration"].split(",")[0] for row in rows] == ["shared memory"] * 2 + ["ZeroMQ over tcp"] * 2
    for row in rows:
        assert row["pictures"] > 0
        assert 0 < row["delay_ms"] <= row["delay_p99_ms"]
    assert all(target.figure > 0 for target in targets)
    assert len(targets) == 2
    assert not [path for path in Path("/dev/shm").glob("bench*") if segment.attach(path.name)], "memory is left"


def test_reader_without_a_writer_measures_nothing(tmp_path: Path) -> None:
    with ChildProcess("benchmarks.show.transport_reader", tmp_path) as reader:
        reader.ask({"do": "open", "uri": "shm:nobody"}, 60.0)
        assert reader.ask({"do": "turn", "seconds": 0.1}, 60.0)["delays_ms"] == []
        with pytest.raises(NotMeasured, match="can't be the name"):
            reader.ask({"do": "open", "uri": "shm:a/b"}, 60.0)
