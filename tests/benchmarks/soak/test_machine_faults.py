"""A disk that is full for one process alone, and a clock that jumps for it alone."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.report.findings import NotMeasured
from benchmarks.soak import machine_faults
from benchmarks.soak.machine_faults import DISK_BYTES, ChangedClock, SmallDisk, clock_problem, disk_problem


def test_disk_is_full_for_its_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if problem := disk_problem():
        pytest.skip(problem)
    monkeypatch.setattr(machine_faults, "_PATIENCE", 0.3)
    disk = SmallDisk(tmp_path / "disk")
    command = disk.command(["sh", "-c", 'touch "$1"; exec sleep 60', "sh"])
    assert command[-4:] == ["--state", f"{tmp_path}/disk/state.json", "--recordings", f"{tmp_path}/disk/recordings"]
    command[-4:] = [str(tmp_path / "disk" / "here")]
    process = subprocess.Popen(command)
    inside = Path(f"/proc/{process.pid}/root{tmp_path}/disk")
    try:
        deadline = time.monotonic() + 20
        while not (inside / "here").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert disk.fill(process.pid) >= DISK_BYTES - 65536
        with pytest.raises(OSError, match="No space left"):
            (inside / "state.json").write_text('{"a": 1}')
        assert not list((tmp_path / "disk").iterdir()), "nobody else sees it"
        with pytest.raises(NotMeasured, match="was not saved"):
            disk.empty(process.pid)
        (inside / "recordings").mkdir()
        (inside / "recordings" / "take.jsonl").write_text("x")
        monkeypatch.setattr(time, "time", lambda: 0.0)
        (inside / "state.json").write_text('{"a": 1}')
        assert disk.empty(process.pid) < 0.3
        assert not list((inside / "recordings").iterdir())
    finally:
        process.kill()
        process.wait()


def test_clock_jumps_for_its_process_alone(tmp_path: Path) -> None:
    if problem := clock_problem():
        pytest.skip(problem)
    clock = ChangedClock(tmp_path / "clock")
    clock.change("-86400")
    script = "import time; print(time.time(), time.monotonic())"
    printed = subprocess.run(clock.command([sys.executable, "-c", script]), capture_output=True, text=True, check=True)
    wall, monotonic = map(float, printed.stdout.split())
    assert 86_000 < time.time() - wall < 86_800
    assert abs(time.monotonic() - monotonic) < 400
