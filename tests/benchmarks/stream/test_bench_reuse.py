"""The measurement `reuse` from end to end, on a tiny network and in this process."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.catalogue import MEASUREMENTS
from benchmarks.plan import BenchPlan, EvaluationSettings
from benchmarks.stream import measure_reuse, reuse_pipeline
from benchmarks.stream.measure_reuse import LIMITS
from benchmarks.stream.reuse_pipeline import ReusePipeline

pytest.importorskip("skvideo")
pytestmark = pytest.mark.usefixtures("one_thread")


class DirectChild:
    """`ChildProcess` with the same handlers in this process."""

    def __init__(self, module: str, folder: Path) -> None:
        assert module == reuse_pipeline.__name__
        both = ReusePipeline()
        self._handlers = {"build": both.build, "compare": both.compare, "error": both.error}

    def __enter__(self) -> "DirectChild":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def ask(self, request: dict[str, Any], seconds: float) -> Any:
        given = json.loads(json.dumps(request))
        return json.loads(json.dumps(self._handlers[given.pop("do")](**given)))


def test_gain_and_error_of_each_limit(perflow_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_reuse, "ChildProcess", DirectChild)
    monkeypatch.setattr(measure_reuse, "LOOKS", {"2 steps": {"mode": "image", "strength": 0.9, "steps": 2}})
    monkeypatch.setattr(measure_reuse, "PROMPTS", ["neon"])
    settings = EvaluationSettings(model=str(perflow_folder), name="tiny", size=64, accelerators=("eager",))
    plan = BenchPlan(tmp_path, seconds=0.01, pairs=1, quick=True, settings=settings)
    (measurement,) = (each for each in MEASUREMENTS if each.name == "reuse")
    following, *rows = measurement.measure(plan, lambda text: None)
    assert isinstance(following, dict)
    assert following["accelerator"] == "eager"
    found = {row["configuration"]: row for row in rows if isinstance(row, dict)}
    assert [*found] == [f"tiny at 64x64, 2 steps: {name}, against no reuse" for name in LIMITS]
    declared, none, *some = found.values()
    assert 0.0 < declared["calls_that_reused"] < 0.7
    assert none["psnr_db"] == none["lowest_psnr_db"] == 100.0, "it computes the same"
    assert none["calls_that_reused"] == 0.0
    shares = [row["calls_that_reused"] for row in some]
    assert shares == sorted(shares)
    assert 0.7 < shares[0] <= 0.75, "three of four calls of full batches"
    assert all(row["psnr_db"] < 100.0 for row in some)
    assert all(row[key] > 0 for row in found.values() for key in ("fps", "plain_fps", "ratio", "processor_ratio"))
