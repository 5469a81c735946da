"""Architectures with random weights: their size, and a bench of one through the command."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from test_bench_paper import InProcess
from typer.testing import CliRunner

from benchmarks import machine
from benchmarks.paper import available_contenders, measure_latency
from benchmarks.paper.architectures import ARCHITECTURES
from daemon.__main__ import app
from pipeline.models import load_model


def test_sd15_has_published_size() -> None:
    import diffusers
    import transformers

    sd15 = ARCHITECTURES["sd15-perflow"]
    with torch.device("meta"):
        networks: dict[int, Any] = {
            859_520_964: diffusers.UNet2DConditionModel(**sd15.unet),
            83_653_863: diffusers.AutoencoderKL(**sd15.full_autoencoder),
            2_445_063: diffusers.AutoencoderTiny(**sd15.autoencoder),
            123_060_480: transformers.CLIPTextModel(transformers.CLIPTextConfig(**sd15.text_encoder)),
        }
    for weights, network in networks.items():
        assert sum(each.numel() for each in network.parameters()) == weights


def test_written_folder_loads_as_perflow(perflow_folder: Path) -> None:
    model = load_model(perflow_folder)
    assert model.classes["scheduler"] == "PeRFlowScheduler"
    assert model.schedule(4, 1.0).timestep.tolist() == [1000, 750, 500, 250]
    assert model.conditioning.embeds == (12, 16)


@pytest.mark.usefixtures("one_thread")
def test_bench_of_architecture_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is written by a process of its own, and measured in this one."""
    for module in (available_contenders, measure_latency):
        monkeypatch.setattr(module, "ChildProcess", InProcess)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path = tmp_path / "results.json"
    command = ["bench", "--architecture", "tiny-perflow", "--only", "decode", "--seconds", "0.05", "--json", str(path)]

    def run(*more: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, [*command, *more])
        assert done.exit_code == 0, done.output
        document: dict[str, Any] = json.loads(path.read_text())
        return document

    first = run()
    assert [row["axes"]["pictures"] for row in first["rows"]] == [1, 2, 4, 8]
    assert all("tiny-perflow, random weights at 64x64" in row["configuration"] for row in first["rows"])
    assert first["versions"]["pipeline"] == machine.source("pipeline")
    assert run("--resume")["rows"] == first["rows"], "no row is measured again"
