"""The training command runs all stages with falling losses, and its parts match their formulas."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderDC, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from typer.testing import CliRunner

from pipeline.empty_source import coordinates
from pipeline.shipped.configuration import MODEL_FOLDER, PLAN, SHAPE
from pipeline.shipped.networks import load_networks, sample
from pipeline.shipped.pairs import PairMaker, is_composed, is_whole, shard_batches, to_tensor
from pipeline.shipped.source_pictures import drawn_pictures
from pipeline.shipped.train import app
from pipeline.shipped.train_autoencoder import initialise_encoder, moment_penalty, random_crops, reconstruction_loss
from pipeline.shipped.train_flow import LatentShard, interpolate, training_sigmas, velocity_loss
from pipeline.shipped.training_run import TrainingRun


def run_command(*arguments: str) -> str:
    """Run the command in this process and return its output."""
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_help_lists_options() -> None:
    shown = run_command("--help")
    for option in ("--output", "--work", "--resume", "--start", "--quick", "--flow-minutes", "--threads"):
        assert option in shown


def test_quick_training(tmp_path: Path) -> None:
    run_command("--quick", "--output", str(tmp_path / "model"), "--work", str(tmp_path / "work"))
    losses = json.loads((tmp_path / "work" / "losses.json").read_text())
    for stage in ("autoencoder", "words", "flow"):
        first, last = losses[stage][:4], losses[stage][7:11]  # the flow's last steps are on whole pictures
        assert sum(last) < 0.95 * sum(first), stage
    assert len(losses["polish"]) == PLAN.quick().steps
    networks = load_networks(tmp_path / "model")
    assert torch.isfinite(sample(networks, ["neon tunnel"], [0], steps=2)).all()
    sources = torch.randn(2, SHAPE.latent_channels, 8, 8)
    both = sample(networks, ["fire halftone"] * 2, [0, 0], sources, steps=1)
    assert not torch.equal(both[0], both[1])


def test_start_keeps_the_model(tmp_path: Path) -> None:
    """A training of no minutes that starts from a model writes the same weights."""
    stages = ("--autoencoder-minutes", "--words-minutes", "--flow-minutes", "--polish-minutes")
    minutes = [word for stage in stages for word in (stage, "0")]
    folders = ("--output", str(tmp_path / "model"), "--work", str(tmp_path / "work"))
    run_command("--quick", "--start", str(MODEL_FOLDER), *folders, *minutes)
    for path in MODEL_FOLDER.rglob("*.safetensors"):
        first, copy = load_file(path), load_file(tmp_path / "model" / path.relative_to(MODEL_FOLDER))
        assert first.keys() == copy.keys()
        assert all(torch.equal(first[name], copy[name]) for name in first)


@pytest.mark.parametrize(
    ("change", "reason"), [({}, "holds no exported model"), ({"in_channels": 8}, "in_channels is 8, and the model")]
)
def test_unfit_start_is_refused(tmp_path: Path, change: dict[str, int], reason: str) -> None:
    folder = tmp_path / "model"
    if change:
        shutil.copytree(MODEL_FOLDER, folder)
        UNet2DConditionModel(**SHAPE.unet() | change).save_pretrained(folder / "unet")
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["--start", str(folder), "--work", str(tmp_path / "work")])
    assert result.exit_code == 2
    assert reason in " ".join(result.output.split())


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


def test_velocity_loss_is_of_velocity() -> None:
    torch.manual_seed(0)
    data, noise, error = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4), 0.1 * torch.randn(3, 2, 4, 4)
    sigma = torch.tensor([1.0, 0.8, 0.6])
    at = sigma[:, None, None, None]
    noised = interpolate(data, noise, sigma)
    velocity, true = (noised - (data + error)) / at, noise - data
    assert float(velocity_loss(data + error, data, sigma)) == pytest.approx(float((velocity - true).square().mean()))


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return drawn_pictures(np.random.default_rng(0), 4)


def test_shards_repeat(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    pairs = PairMaker(PLAN.quick(), tmp_path, pictures)
    first, again = pairs.draw(0), pairs.draw(0)
    assert np.array_equal(first.targets, again.targets)
    assert first.recipes == again.recipes
    assert not np.array_equal(first.targets, pairs.draw(2).targets)
    for _ in range(2):  # drawn, then read
        cached = pairs.shard(0)
        assert np.array_equal(cached.sources, first.sources)
        assert cached.recipes == first.recipes


def test_shards_of_motifs_and_of_crops(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    """Four shards in turn: crops and compositions, each at the size of a crop and at the model's."""
    pairs = PairMaker(PLAN.quick(), tmp_path, pictures)
    kinds = {(is_whole(index), is_composed(index)) for index in range(4)}
    assert len(kinds) == 4
    for index in range(4):
        shard = pairs.draw(index)
        assert shard.size == (SHAPE.image_size if is_whole(index) else 128)
        motifs = [recipe.structure < 1 or recipe.motif for recipe in shard.recipes if recipe is not None]
        assert all(motifs) if is_composed(index) else not any(motifs)


def test_compositions_are_not_cropped(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    """The network sees the coordinates of the whole picture, or of a crop the same part as of its target."""
    pairs, networks = PairMaker(PLAN.quick(), tmp_path, pictures), load_networks(MODEL_FOLDER)
    rng = np.random.default_rng(0)
    none = coordinates(SHAPE.latent_channels, 32, 32)
    whole = LatentShard(pairs.draw(3), networks)
    assert whole.composed
    seen = [source for sources, _, _ in whole.batches(20, 8, rng) for source in sources]
    assert sum(torch.equal(source, none) for source in seen) > len(seen) / 3
    assert all(source.shape == none.shape for source in seen)
    crops = LatentShard(pairs.draw(1), networks)
    sources, targets, _ = next(crops.batches(20, 8, rng))
    assert sources.shape[-2:] == targets.shape[-2:] == (8, 8)


def test_crops_lie_on_latent_grid(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    shard = PairMaker(PLAN.quick(), tmp_path, pictures).draw(0)
    crop = random_crops(shard, 2, 64, np.random.default_rng(0))[1]
    wanted = ((crop.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
    places = [
        (top, left)
        for picture in shard.sources
        for top in range(0, 65, 8)
        for left in range(0, 65, 8)
        if np.array_equal(picture[top : top + 64, left : left + 64], wanted)
    ]
    assert places


def test_encoder_starts_at_block_components() -> None:
    torch.manual_seed(0)
    autoencoder = AutoencoderDC(**SHAPE.autoencoder())
    drawn = drawn_pictures(np.random.default_rng(1), 8)
    pictures = to_tensor(np.stack([picture[:128, :128] for picture in drawn]))
    initialise_encoder(autoencoder.encoder, pictures)
    with torch.no_grad():
        latents = autoencoder.encoder(pictures)
    assert float(latents.square().mean()) == pytest.approx(1, abs=0.1)
    assert float(latents[:, 0].std()) > 3 * float(latents[:, -1].std())
    # The best linear decoder of the latents must do as well as the principal components themselves, nearly.
    blocks = functional.pixel_unshuffle(pictures, 8).permute(0, 2, 3, 1).flatten(0, 2)
    rows = torch.cat([latents.permute(0, 2, 3, 1).flatten(0, 2), torch.ones(len(blocks), 1)], dim=1)
    left = (rows @ torch.linalg.lstsq(rows, blocks).solution - blocks).square().mean()
    variances = torch.linalg.eigvalsh(torch.cov(blocks.T))
    best = variances[: -SHAPE.latent_channels].sum() / len(variances)
    assert best <= left < 0.1 * variances.sum() / len(variances)


def test_batches_cover_a_shard_once() -> None:
    drawn = np.concatenate(list(shard_batches(10, 3, np.random.default_rng(0))))
    assert len(drawn) == len(set(drawn.tolist())) == 9


def test_losses_of_perfect_output() -> None:
    torch.manual_seed(0)
    image = torch.rand(2, 3, 16, 16)
    assert float(reconstruction_loss(image, image)) == 0
    assert float(reconstruction_loss(image.flip(3), image)) > 0.1
    unit = torch.randn(8, 4, 32, 32)
    assert float(moment_penalty(unit)) < 0.01 < float(moment_penalty(3 * unit + 1))
