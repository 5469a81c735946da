"""The measurement `model` from end to end, on a tiny model with random weights that sees its source."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.model import measure_model as measured
from benchmarks.model.model_process import ModelBench, handlers
from benchmarks.paper.architectures import ARCHITECTURES
from benchmarks.paper.random_model import write_random_model
from benchmarks.plan import BenchPlan, EvaluationSettings
from benchmarks.report.document import Results
from benchmarks.report.findings import NotMeasured, SpeedTarget
from benchmarks.report.tables import markdown
from pipeline.models import load_model
from presets.errors import ModelError

STYLES = ["halftone", "smoke"]
_PERFLOW = ARCHITECTURES["tiny-perflow"]
TINY = _PERFLOW._replace(unet={**_PERFLOW.unet, "in_channels": 8, "out_channels": 4})
"""Architecture of a network whose input is the noised latent and the source's latent."""


class DirectChild:
    """Stand-in for the child process that answers in this process, with two styles and a classifier of one epoch."""

    def __init__(self, module: str, folder: Path) -> None:
        self._handlers, self._folder = handlers(), folder

    def __enter__(self) -> "DirectChild":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        what = request.pop("do")
        if what == "prepare":
            request |= {"styles": STYLES, "cache": str(self._folder)}
        if what == "train":
            request |= {"size": [64, 1]}
        return json.loads(json.dumps(self._handlers[what](**request)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    write_random_model(TINY, folder)
    return str(folder)


@pytest.fixture(scope="module")
def found(model: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    folder = tmp_path_factory.mktemp("results")
    settings = EvaluationSettings(model, "tiny", 64, accelerators=("eager",), sheets=folder / "sheets")
    results = Results({})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured, "ChildProcess", DirectChild)
        for finding in measured.measure_model(BenchPlan(folder, quick=True, settings=settings), lambda text: None):
            results.add("model", finding)
    return results, folder


def row(results: Results, part: str) -> dict[str, Any]:
    (match,) = [each for each in results.rows if part in each["configuration"]]
    return match


def test_every_figure_is_there(found: tuple[Results, Path]) -> None:
    results, _ = found
    assert {target.name.split(":")[0].split(",")[0] for target in results.targets} == {
        "autoencoder",
        "style named at the default look",
        "palette named at the default look",
        "edges of the drawn style",
        "still source",
        "flicker on the clip over that of the drawn styles",
        "Fréchet distance",
        "accelerated against float32",
    }
    for style in STYLES:
        assert -1 <= row(results, f"style {style}")["motion_agreement"] <= 1
    assert row(results, "the default look")["accelerator"] == "eager"
    assert row(results, "steps 25")["frechet_distance"] > 0
    head = {"device": "", "date": "", "cores": 1, "memory_gib": 1, "system": "", "command": "", "load_before": [0]}
    assert "style halftone" in markdown(head | {"versions": {}} | results.document())


def test_tiny_model_sees_its_source(model: str) -> None:
    assert load_model(model).sees_source


def test_eager_float32_equals_itself(found: tuple[Results, Path]) -> None:
    assert row(found[0], "against eager float32")["psnr_worst_db"] > 50


def test_sheets_are_written(found: tuple[Results, Path]) -> None:
    results, folder = found
    files = row(results, "contact sheets")["files"]
    assert files == ["styles-bunny-stands.jpg", "styles-chelsea.jpg", "motifs.jpg", "strengths.jpg", "steps.jpg"]
    for name in files:
        assert (folder / "sheets" / name).stat().st_size < 1_000_000
    steps = cv2.imread(str(folder / "sheets" / "steps.jpg"))
    assert steps.shape == (len(STYLES) * (64 + 22), 6 * 64, 3)


def test_drawn_styles_meet_every_target(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that draws exactly what it should has edges, motion, flicker and distance of the drawn styles."""
    bench = ModelBench()
    bench.prepare({"model": model, "size": 64, "accelerator": "eager"}, True, STYLES, str(tmp_path))
    bench.train((64, 1))
    monkeypatch.setattr(bench.player, "draw", lambda cases, **parameters: [case.drawn for case in cases])
    words = bench.words(0.6)
    assert words["edge_correlation"] == pytest.approx(1)
    clip = bench.clip("halftone")
    assert clip["flicker_ratio"] == pytest.approx(1)
    assert clip["motion_agreement"] == pytest.approx(clip["motion_agreement_of_drawn"])
    assert bench.distance(4)["frechet_distance"] == pytest.approx(0, abs=1e-4)
    monkeypatch.setattr(bench.player, "draw", lambda cases, **parameters: [case.source for case in cases])
    assert bench.words(0.0)["change_percent"] == pytest.approx(0)
    assert bench.words(0.0)["edge_correlation_with_source"] == pytest.approx(1)
    assert bench.distance(4)["frechet_distance"] > 1e-3


def test_failed_comparison_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class WithoutEager(DirectChild):
        def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
            if request["do"] == "accelerated":
                raise NotMeasured("out of memory")
            answers = {
                "prepare": {"look": {"strength": 0.6, "steps": 4}, "styles": {"ink": True}, "description": {}}
                | {"flicker_of_source_percent": 1.0},
                "autoencoder": {"styles": {"psnr_db": 30.0}, "photographs": {"psnr_db": 33.0}, "named": {}},
                "words": {"style_percent": 91.0, "palette_percent": 20.0, "edge_correlation": 0.9}
                | {"change_percent": 30 * request.get("strength", 0.0) ** 2},
                "clip": {"flicker_percent": 2.0, "flicker_of_drawn_percent": 4.0, "flicker_ratio": 0.5}
                | {"motion_agreement": 0.5, "motion_agreement_of_drawn": 0.9},
                "still": {"largest_difference_levels": 0},
                "distance": {"frechet_distance": 2.0 / max(request.get("steps", 0), 1)},
            }
            return dict(answers.get(request["do"], {}))

    monkeypatch.setattr(measured, "ChildProcess", WithoutEager)
    plan = BenchPlan(tmp_path, settings=EvaluationSettings())
    findings = list(measured.measure_model(plan, lambda text: None))
    assert isinstance(findings[-1], dict)
    assert findings[-1]["missing"] == "out of memory"
    met = {each.name: each.met for each in findings if isinstance(each, SpeedTarget)}
    assert met["style named at the default look, %"]
    assert not met["palette named at the default look, %"]
    assert not met[measured.EVEN], "a square begins with 4 % of its way in the first fifth"
    assert met["flicker on the clip over that of the drawn styles"]
    assert not met["Fréchet distance, steps 4 over steps 25"]
    assert not met["autoencoder, held-out styles: PSNR, dB"]
    assert np.isclose(
        next(each.figure for each in findings if isinstance(each, SpeedTarget) and "steps 1 " in each.name), 25
    )


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        ModelBench().prepare({"model": str(tmp_path / "nowhere"), "size": 64, "accelerator": "eager"}, True, STYLES)
