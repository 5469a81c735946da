"""Image metrics, energy and memory of the bench, against reference implementations."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks.paper import peak_memory
from benchmarks.paper.energy_meter import processor_meter
from benchmarks.paper.image_metrics import NO_DIFFERENCE, clip_score, frechet, inception_features, psnr, ssim
from benchmarks.paper.random_model import write_tokenizer
from io_bridges.card import draw_card
from presets.errors import ModelError

RANDOM = np.random.default_rng(5)


def noisy(picture: np.ndarray, levels: float) -> np.ndarray:
    return np.clip(picture + RANDOM.normal(0, levels, picture.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("levels", [0.6, 8.0, 60.0])
def test_psnr_and_ssim_equal_scikit_image(levels: float) -> None:
    picture = draw_card(7, 96, 64).copy()
    other = noisy(picture, levels)
    assert psnr(picture, other) == pytest.approx(peak_signal_noise_ratio(picture, other))
    expected = structural_similarity(
        picture, other, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(picture, other) == pytest.approx(expected, abs=1e-4)


def test_equal_pictures() -> None:
    picture = draw_card(7, 64, 64)
    assert psnr(picture, picture) == NO_DIFFERENCE
    assert ssim(picture, picture) == pytest.approx(1.0)


def test_frechet_distance_of_gaussians() -> None:
    a, b = RANDOM.normal(0, 1, (20000, 3)), RANDOM.normal(2, 3, (20000, 3))
    # |m₁ − m₂|² + tr(C₁ + C₂ − 2·√(C₁C₂)), with C = σ²·I.
    assert frechet(a, b) == pytest.approx(3 * (2**2 + (3 - 1) ** 2), rel=0.05)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)


def test_features_of_torchscript_file(tmp_path: Path) -> None:
    class Means(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures.mean((2, 3))

    path = tmp_path / "means.pt"
    torch.jit.script(Means()).save(path)
    pictures = [draw_card(index, 64, 64) for index in (0, 9)]
    found = inception_features(path)(pictures)
    np.testing.assert_allclose(found, [picture.mean((0, 1)) for picture in pictures], rtol=1e-5)
    path.write_bytes(b"no network")
    with pytest.raises(ModelError, match="TorchScript"):
        inception_features(path)


def test_clip_score_is_mean_cosine(tmp_path: Path) -> None:
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    tmp_path = tmp_path / "clip"
    end = write_tokenizer(tmp_path, 12)
    text = {"vocab_size": end + 1, "eos_token_id": end, "bos_token_id": end - 1, "pad_token_id": end}
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(2)
    config = CLIPConfig(
        text_config=text | small | {"max_position_embeddings": 12},
        vision_config=small | {"image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    model = CLIPModel(config).eval()
    model.save_pretrained(tmp_path)
    grey = np.full((64, 64, 3), 128, np.uint8)  # resizing does not change it
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = ((128 / 255 - mean) / std).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    words = CLIPTokenizer.from_pretrained(tmp_path)(["fire", "ice"], return_tensors="pt", padding=True)
    with torch.no_grad():
        answer = model(pixel_values=pixels, input_ids=words["input_ids"], attention_mask=words["attention_mask"])
    cosines = torch.cosine_similarity(answer.image_embeds, answer.text_embeds)
    score = clip_score(tmp_path)
    assert score([grey, grey], ["fire", "ice"]) == pytest.approx(100 * cosines.mean().item(), abs=1e-2)
    assert score([grey], ["fire"]) != pytest.approx(score([grey], ["ice"]), abs=1e-3)
    with pytest.raises(ModelError, match="CLIP model"):
        clip_score(tmp_path / "nowhere")


def zone(root: Path, number: int, microjoules: int, name: str = "package") -> Path:
    folder = root / f"intel-rapl:{number}"
    folder.mkdir()
    (folder / "name").write_text(f"{name}-{number}\n")
    (folder / "max_energy_range_uj").write_text("1000000\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder


def test_joules_sum_and_wrap_around(tmp_path: Path) -> None:
    first, second, other = zone(tmp_path, 0, 900_000), zone(tmp_path, 1, 100), zone(tmp_path, 2, 5, "dram")
    meter = processor_meter(tmp_path)
    assert meter is not None
    assert meter.read() == 0
    (first / "energy_uj").write_text("400000")  # 500,000 more, past the wrap-around
    (second / "energy_uj").write_text("200100")
    (other / "energy_uj").write_text("999999")
    assert meter.read() == pytest.approx(0.7)
    (first / "energy_uj").write_text("500000")
    assert meter.read() == pytest.approx(0.8)


def test_no_meter_without_counters(tmp_path: Path) -> None:
    assert processor_meter(tmp_path) is None
    assert processor_meter(tmp_path / "nowhere") is None
    zone(tmp_path, 0, 1, "dram")
    assert processor_meter(tmp_path) is None


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux can reset a peak")
def test_peak_is_reset() -> None:
    block = bytearray(200 * peak_memory.MIB)
    high = peak_memory.read_peak(cuda=False)["peak_memory_mib"]
    del block
    peak_memory.reset_peak(cuda=False)
    low = peak_memory.read_peak(cuda=False)["peak_memory_mib"]
    assert isinstance(high, float)
    assert isinstance(low, float)
    assert high - low > 150
    assert json.dumps(peak_memory.read_peak(cuda=False))
