"""The training command runs all stages with falling losses, and its parts match their formulas."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from pipeline.shipped.configuration import PLAN
from pipeline.shipped.distil import next_grid_point, student_sigmas
from pipeline.shipped.networks import load_networks, sample
from pipeline.shipped.scenes import Scene
from pipeline.shipped.train import app
from pipeline.shipped.train_autoencoder import colour_axes_loss, colour_axes_weight, moment_penalty, reconstruction_loss
from pipeline.shipped.train_flow import interpolate, random_half_crop, training_sigmas
from pipeline.shipped.train_words import scene_labels
from pipeline.shipped.training_run import TrainingRun


def run_command(*arguments: str) -> str:
    """Run the command in this process and return its output."""
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_help_lists_options() -> None:
    shown = run_command("--help")
    for option in ("--output", "--work", "--resume", "--quick", "--flow-minutes", "--distil-minutes"):
        assert option in shown


def test_quick_training(tmp_path: Path) -> None:
    run_command("--quick", "--output", str(tmp_path / "model"), "--work", str(tmp_path / "work"))
    losses = json.loads((tmp_path / "work" / "losses.json").read_text())
    for stage in ("autoencoder", "words", "flow"):
        first, last = losses[stage][:5], losses[stage][-5:]
        assert sum(last) < 0.95 * sum(first), stage
    assert len(losses["distil"]) == PLAN.quick().steps
    networks = load_networks(tmp_path / "model")
    assert torch.isfinite(sample(networks, ["neon tunnel"], [0], steps=2)).all()


class Line(nn.Module):
    """A network with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([4.0]))


def run_for(network: nn.Module, path: Path, steps: int) -> TrainingRun:
    return TrainingRun(path, 5.0, 0.05, {"line": network}, lambda share, line: None, steps)


def descend(network: Line) -> Tensor:
    return network.weight.square().sum()


def test_run_resumes_from_checkpoint(tmp_path: Path) -> None:
    first = Line()
    run = run_for(first, tmp_path / "line.pt", 20)
    run.train(lambda: descend(first), decay=0.9)
    second = Line()
    resumed = run_for(second, tmp_path / "line.pt", 40)
    assert resumed.step == 20
    assert torch.equal(second.weight, first.weight)
    resumed.train(lambda: descend(second), decay=0.9)
    assert resumed.step == 40
    assert second.weight.item() < first.weight.item() < 4.0


def test_finished_run_takes_no_step(tmp_path: Path) -> None:
    network = Line()
    run_for(network, tmp_path / "line.pt", 5).train(lambda: descend(network), decay=0.9)
    again = Line()
    run_for(again, tmp_path / "line.pt", 5).train(lambda: pytest.fail("no step is left"), decay=0.9)


def test_average_is_swapped(tmp_path: Path) -> None:
    network = Line()
    run = run_for(network, tmp_path / "line.pt", 30)
    run.train(lambda: descend(network), decay=0.9)
    trained = network.weight.detach().clone()
    run.swap_average()
    assert network.weight.item() > trained.item()
    run.swap_average()
    assert torch.equal(network.weight, trained)


def test_training_sigmas() -> None:
    torch.manual_seed(0)
    sigmas = training_sigmas(4000)
    assert 0 <= float(sigmas.min()) < float(sigmas.max()) <= 1
    assert float((sigmas > 0.95).float().mean()) > 0.008


def test_interpolate_ends() -> None:
    data, noise = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    ends = interpolate(data, noise, torch.tensor([0.0, 1.0]))
    assert torch.equal(ends[0], data[0])
    assert torch.equal(ends[1], noise[1])


def test_next_grid_point() -> None:
    sigma = torch.tensor([1.0, 0.8, 0.75, 0.5, 0.3, 0.25, 0.02])
    assert next_grid_point(sigma).tolist() == [0.75, 0.75, 0.5, 0.25, 0.25, 0.0, 0.0]
    torch.manual_seed(0)
    sigmas = student_sigmas(500)
    assert bool((next_grid_point(sigmas) < sigmas).all())
    assert float(sigmas.min()) >= 0.02


def test_losses_of_perfect_output() -> None:
    torch.manual_seed(0)
    image = torch.rand(2, 3, 16, 16)
    assert float(reconstruction_loss(image, image)) == 0
    assert float(reconstruction_loss(image.flip(3), image)) > 0.1
    unit = torch.randn(8, 4, 32, 32)
    assert float(moment_penalty(unit)) < 0.01 < float(moment_penalty(3 * unit + 1))


def test_colour_axes_loss() -> None:
    images = torch.zeros(1, 3, 16, 16)
    images[:, 1] = 0.86
    axes = torch.zeros(1, 4, 2, 2)
    axes[:, 0], axes[:, 1], axes[:, 2] = (0.86 / 3 + 0.25) / 0.5, 0.0, 2.0
    assert float(colour_axes_loss(axes, images)) < 1e-10
    assert float(colour_axes_loss(axes.neg(), images)) > 1
    assert colour_axes_weight(0.0) == 1.0 > colour_axes_weight(0.4) > colour_axes_weight(0.9) > 0


def test_random_half_crop() -> None:
    latents = torch.arange(2 * 4 * 32 * 32, dtype=torch.float32).reshape(2, 4, 32, 32)
    crop = random_half_crop(latents)
    assert crop.shape == (2, 4, 16, 16)
    assert bool(torch.isin(crop, latents).all())
    assert torch.equal(crop[1] - crop[0], torch.full((4, 16, 16), 4.0 * 32 * 32))


def test_scene_labels() -> None:
    plain = scene_labels(Scene("rings", "fire"))
    rich = scene_labels(Scene("rings", "red and blue", ("dense",), second="plasma"))
    assert float(plain.sum()) == 2
    assert float(rich.sum()) == 5
    assert float((plain * rich).sum()) == 1
