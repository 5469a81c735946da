"""Figures and verdict of a soak, from frames whose faults are known."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.report.findings import SpeedTarget
from benchmarks.show.received_frames import ReceivedFrame
from benchmarks.soak.observer import MOST_READINGS, SoakObserver
from benchmarks.soak.rig import FPS
from benchmarks.soak.soak_show import SoakOptions
from benchmarks.soak.verdict import findings, lost_pictures_s
from daemon.shared.clock import NS

PERIOD = NS // FPS
STATUS: dict[str, Any] = {"renderer": {"restarts": 0}, "missed_ticks": 0}


def frames(first: int, count: int, begin: int, index: int = 0, lit: bool = True) -> list[ReceivedFrame]:
    """Return ticks at the rate; `index` is that of the first picture, 0 for pictures that stand still."""
    return [
        ReceivedFrame(begin + number * PERIOD, first + number, index + number if index else 1, -1, 0, 1, is_lit=lit)
        for number in range(count)
    ]


def verdict(observer: SoakObserver, tmp_path: Path, hours: float = 1.0, log: str = "") -> dict[str, SpeedTarget]:
    path = tmp_path / "show.log"
    path.write_text(log)
    found = findings(observer, STATUS, STATUS, hours, path)
    return {each.name: each for each in found if isinstance(each, SpeedTarget)}


def test_good_show_meets_everything(tmp_path: Path) -> None:
    observer = SoakObserver(FPS)
    observer.add(frames(0, 300, 0, 1))
    targets = verdict(observer, tmp_path)
    assert len(targets) == 5
    assert all(target.met for target in targets.values())
    assert observer.drift_ms(0) == pytest.approx(0.0, abs=0.001)


@pytest.mark.parametrize(
    ("more", "missed"),
    [
        (frames(301, 5, 304 * PERIOD, 301), ["longest gap", "drift"]),
        (frames(300, 5, 300 * PERIOD, 301, lit=False), ["black frames"]),
    ],
)
def test_fault_in_the_output_is_found(tmp_path: Path, more: list[ReceivedFrame], missed: list[str]) -> None:
    observer = SoakObserver(FPS)
    observer.add(frames(0, 300, 0, 1))
    observer.add(more)
    found = [name for name, target in verdict(observer, tmp_path).items() if not target.met]
    assert len(found) == len(missed)
    assert all(name.startswith(start) for name, start in zip(found, missed, strict=True))


def test_traceback_in_the_log_is_found(tmp_path: Path) -> None:
    observer = SoakObserver(FPS)
    observer.add(frames(0, 300, 0, 1))
    targets = verdict(observer, tmp_path, log="x\nTraceback (most recent call last):\n")
    assert [name for name, target in targets.items() if not target.met] == ["tracebacks in the log of a soak"]


def test_missed_ticks_are_no_drift() -> None:
    observer = SoakObserver(FPS)
    observer.add(frames(0, 10, 0, 1))
    observer.add(frames(10, 10, 15 * PERIOD, 11))
    assert observer.drift_ms(5) == pytest.approx(0.0, abs=0.001)


def test_wait_for_new_pictures_is_counted(tmp_path: Path) -> None:
    observer = SoakObserver(FPS)
    window = observer.begin_fault("renderer killed")
    begin = window.began
    observer.add(frames(0, 60, begin - 30 * PERIOD, 1))  # the last pictures of the old renderer
    assert lost_pictures_s(window) is None, "the window is still open"
    observer.add(frames(60, 60, begin + 30 * PERIOD))  # they stand still
    observer.add(frames(120, 60, begin + 90 * PERIOD, 100))
    window.is_over = True
    assert lost_pictures_s(window) == pytest.approx(3.0, abs=0.01)
    assert not verdict(observer, tmp_path)["new pictures after a lost renderer, s"].met
    other = observer.begin_fault("OSC flood")
    other.is_over = True
    assert lost_pictures_s(other) is None


def test_growth_is_a_line_through_the_readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    observer = SoakObserver(FPS)
    observer.add(frames(0, 300, 0, 1))
    now = observer._began
    monkeypatch.setattr("time.monotonic_ns", lambda: now)
    for second in range(3 * MOST_READINGS):
        now = observer._began + second * NS
        observer.read_memory(100.0 + 5.0 * second / 3600)
    assert len(observer.memory) <= MOST_READINGS
    assert observer.memory_slope == pytest.approx(5.0)
    growth = "growth of the stage's memory, MiB an hour"
    assert not verdict(observer, tmp_path)[growth].met
    assert growth not in verdict(observer, tmp_path, hours=0.1), "caches still fill"


def test_number_of_faults_sets_the_longest_time() -> None:
    assert SoakOptions(2.0, 20.0, 1).longest == 7200.0
    assert SoakOptions(2.0, 10.0, 1, ("OSC flood", "sink killed"), times=3).longest == 6 * 190.0
