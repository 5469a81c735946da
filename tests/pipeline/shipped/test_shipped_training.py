"""The training command walks end to end, its loss falls, and its parts do what the mathematics says."""

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
from pipeline.shipped.train_autoencoder import anchor_loss, anchor_weight, moment_penalty, reconstruction_loss
from pipeline.shipped.train_flow import half_crops, noised, training_sigmas
from pipeline.shipped.train_words import scene_labels
from pipeline.shipped.training_run import TrainingRun


def trained(*arguments: str) -> str:
    """The command in this process, and what it says."""
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_help_names_every_option() -> None:
    shown = trained("--help")
    for option in ("--output", "--work", "--resume", "--quick", "--flow-minutes", "--distil-minutes"):
        assert option in shown


def test_the_quick_run_goes_end_to_end_and_learns(tmp_path: Path) -> None:
    trained("--quick", "--output", str(tmp_path / "model"), "--work", str(tmp_path / "work"))
    losses = json.loads((tmp_path / "work" / "losses.json").read_text())
    for stage in ("autoencoder", "words", "flow"):
        first, last = losses[stage][:5], losses[stage][-5:]
        assert sum(last) < 0.95 * sum(first), stage
    assert len(losses["distil"]) == PLAN.quick().steps
    networks = load_networks(tmp_path / "model")
    assert torch.isfinite(sample(networks, ["neon tunnel"], [0], steps=2)).all()


class Line(nn.Module):
    """The smallest network there is."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([4.0]))


def course_for(network: nn.Module, path: Path, steps: int) -> TrainingRun:
    return TrainingRun(path, 5.0, 0.05, {"line": network}, lambda share, line: None, steps)


def descend(network: Line) -> Tensor:
    return network.weight.square().sum()


def test_a_course_goes_on_where_its_checkpoint_stands(tmp_path: Path) -> None:
    first = Line()
    course = course_for(first, tmp_path / "line.pt", 20)
    course.run(lambda: descend(first), decay=0.9)
    second = Line()
    resumed = course_for(second, tmp_path / "line.pt", 40)
    assert resumed.step == 20
    assert torch.equal(second.weight, first.weight)
    resumed.run(lambda: descend(second), decay=0.9)
    assert resumed.step == 40
    assert second.weight.item() < first.weight.item() < 4.0


def test_a_finished_course_does_nothing_more(tmp_path: Path) -> None:
    network = Line()
    course_for(network, tmp_path / "line.pt", 5).run(lambda: descend(network), decay=0.9)
    again = Line()
    course_for(again, tmp_path / "line.pt", 5).run(lambda: pytest.fail("no step is left"), decay=0.9)


def test_the_average_trails_and_swaps_back(tmp_path: Path) -> None:
    network = Line()
    course = course_for(network, tmp_path / "line.pt", 30)
    course.run(lambda: descend(network), decay=0.9)
    trained = network.weight.detach().clone()
    course.swap_average()
    assert network.weight.item() > trained.item()
    course.swap_average()
    assert torch.equal(network.weight, trained)


def test_sigmas_stay_inside_and_reach_pure_noise() -> None:
    torch.manual_seed(0)
    sigmas = training_sigmas(4000)
    assert 0 <= float(sigmas.min()) < float(sigmas.max()) <= 1
    assert float((sigmas > 0.95).float().mean()) > 0.008


def test_the_line_from_data_to_noise_has_the_ends_it_should() -> None:
    data, noise = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    ends = noised(data, noise, torch.tensor([0.0, 1.0]))
    assert torch.equal(ends[0], data[0])
    assert torch.equal(ends[1], noise[1])


def test_the_students_chords_end_on_the_grid_below() -> None:
    sigma = torch.tensor([1.0, 0.8, 0.75, 0.5, 0.3, 0.25, 0.02])
    assert next_grid_point(sigma).tolist() == [0.75, 0.75, 0.5, 0.25, 0.25, 0.0, 0.0]
    torch.manual_seed(0)
    drawn = student_sigmas(500)
    assert bool((next_grid_point(drawn) < drawn).all())
    assert float(drawn.min()) >= 0.02


def test_losses_are_nothing_for_what_is_right() -> None:
    torch.manual_seed(0)
    picture = torch.rand(2, 3, 16, 16)
    assert float(reconstruction_loss(picture, picture)) == 0
    assert float(reconstruction_loss(picture.flip(3), picture)) > 0.1
    unit = torch.randn(8, 4, 32, 32)
    assert float(moment_penalty(unit)) < 0.01 < float(moment_penalty(3 * unit + 1))


def test_the_anchor_asks_for_light_and_both_colour_axes() -> None:
    pictures = torch.zeros(1, 3, 16, 16)
    pictures[:, 1] = 0.86
    axes = torch.zeros(1, 4, 2, 2)
    axes[:, 0], axes[:, 1], axes[:, 2] = (0.86 / 3 + 0.25) / 0.5, 0.0, 2.0
    assert float(anchor_loss(axes, pictures)) < 1e-10
    assert float(anchor_loss(axes.neg(), pictures)) > 1
    assert anchor_weight(0.0) == 1.0 > anchor_weight(0.4) > anchor_weight(0.9) > 0


def test_half_crops_are_cut_from_the_latents() -> None:
    latents = torch.arange(2 * 4 * 32 * 32, dtype=torch.float32).reshape(2, 4, 32, 32)
    crop = half_crops(latents)
    assert crop.shape == (2, 4, 16, 16)
    assert bool(torch.isin(crop, latents).all())
    assert torch.equal(crop[1] - crop[0], torch.full((4, 16, 16), 4.0 * 32 * 32))


def test_labels_hold_what_the_scene_holds() -> None:
    plain = scene_labels(Scene("rings", "fire"))
    rich = scene_labels(Scene("rings", "red and blue", ("dense",), second="plasma"))
    assert float(plain.sum()) == 2
    assert float(rich.sum()) == 5
    assert float((plain * rich).sum()) == 1
