"""The shipped model loads with diffusers, is small, hears its prompt and keeps its source."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderDC, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel

from pipeline.diffusers_schedulers import FlowMatchEulerScheduler
from pipeline.shipped.configuration import MODEL_FOLDER, SHAPE
from pipeline.shipped.draw import draw_style
from pipeline.shipped.networks import Networks, load_networks, sample
from pipeline.shipped.pairs import to_tensor
from pipeline.shipped.recipes import Recipe
from pipeline.shipped.scenes import composed_field
from pipeline.shipped.source_pictures import held_out_pictures
from pipeline.shipped.train_autoencoder import mean_psnr

RED, GREEN, BLUE = 0, 1, 2


@pytest.fixture(scope="module")
def networks() -> Networks:
    return load_networks(MODEL_FOLDER)


def test_folder_size_below_20_mb() -> None:
    assert sum(path.stat().st_size for path in MODEL_FOLDER.rglob("*") if path.is_file()) <= 20e6


def test_weights_are_finite_fp16() -> None:
    files = list(MODEL_FOLDER.rglob("*.safetensors"))
    assert len(files) == 3
    for path in files:
        for name, weight in load_file(path).items():
            assert weight.dtype == torch.float16, (path.parent.name, name)
            assert torch.isfinite(weight).all(), (path.parent.name, name)


def test_loads_with_diffusers() -> None:
    index = json.loads((MODEL_FOLDER / "model_index.json").read_text())
    assert index["unet"] == ["diffusers", "UNet2DConditionModel"]
    unet = UNet2DConditionModel.from_pretrained(MODEL_FOLDER / "unet")
    assert unet.config.sample_size == SHAPE.latent_size
    assert unet.config.in_channels == 2 * unet.config.out_channels == 2 * SHAPE.latent_channels
    assert AutoencoderDC.from_pretrained(MODEL_FOLDER / "vae").config.scaling_factor == 1.0
    text = CLIPTextModel.from_pretrained(MODEL_FOLDER / "text_encoder")
    assert text.config.hidden_size == unet.config.cross_attention_dim
    scheduler = FlowMatchEulerScheduler.from_pretrained(MODEL_FOLDER / "scheduler")
    scheduler.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25])
    assert scheduler.timesteps.tolist() == pytest.approx([1000, 840, 636.364, 368.421]), "its shift is 1.75"
    assert scheduler.config.prediction_type == "sample"


def test_folder_has_no_local_paths() -> None:
    home = str(Path(__file__).resolve().parents[3])
    for path in MODEL_FOLDER.rglob("*"):
        if path.suffix in {".json", ".txt", ".md"}:
            text = path.read_text(encoding="utf-8")
            assert home not in text, path
            assert "_name_or_path" not in text, path


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Two photographs and two frames of a clip that the model was not trained on, 256 × 256."""
    return held_out_pictures()[:4]


@pytest.fixture(scope="module")
def latents(networks: Networks, pictures: list[np.ndarray]) -> torch.Tensor:
    with torch.no_grad():
        return networks.encode(to_tensor(np.stack(pictures)))


def drawn(networks: Networks, prompts: list[str], sources: torch.Tensor | None, **options: float) -> torch.Tensor:
    """Return the images of prompts, ``[B, 3, H, W]`` in 0..1, with one seed."""
    with torch.no_grad():
        images = networks.decode(sample(networks, prompts, [5] * len(prompts), sources, **options))  # type: ignore[arg-type]
    return (images + 1) / 2


def test_autoencoder_psnr(networks: Networks, pictures: list[np.ndarray]) -> None:
    styled = [
        draw_style(picture, Recipe(style))
        for picture, style in zip(pictures, ("ink", "led wall", "oil strokes", "neon edges"), strict=True)
    ]
    assert mean_psnr(networks.autoencoder, np.stack(pictures)) > 30.5
    assert mean_psnr(networks.autoencoder, np.stack(styled)) > 25


def test_latents_are_standardised(latents: torch.Tensor) -> None:
    assert latents.mean(dim=(0, 2, 3)).abs().max() < 1.5
    assert 0.5 < float(latents.square().mean().sqrt()) < 2


def test_palettes_change_the_colour(networks: Networks, latents: torch.Tensor) -> None:
    prompts = ["fire palette", "ice palette", "toxic palette", "black and white"]
    images = drawn(networks, prompts, latents[:1].expand(4, -1, -1, -1), steps=2)
    fire, ice, toxic, grey = images.mean(dim=(2, 3))
    assert fire[RED] - fire[BLUE] > ice[RED] - ice[BLUE] + 0.15
    assert toxic[GREEN] > max(toxic[RED], toxic[BLUE]) + 0.05
    assert grey.max() - grey.min() < 0.08


@pytest.mark.parametrize("style", ["ink", "neon edges", "halftone", "stained glass", "thermal", "ridge lines"])
def test_style_is_nearest_its_drawing(
    networks: Networks, latents: torch.Tensor, pictures: list[np.ndarray], style: str
) -> None:
    """The picture is nearer to the source drawn in its own style than in any of the other five."""
    names = ["ink", "neon edges", "halftone", "stained glass", "thermal", "ridge lines"]
    image = drawn(networks, [style], latents[:1], steps=2)[0]
    targets = [(to_tensor(draw_style(pictures[0], Recipe(name))[None])[0] + 1) / 2 for name in names]
    # Blurred a little, so that a shift of a line by one pixel is no difference.
    near = [float((_blurred(image) - _blurred(target)).square().mean()) for target in targets]
    assert names[int(np.argmin(near))] == style


def _blurred(image: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(image, 4, stride=2)


def test_source_is_kept(networks: Networks, latents: torch.Tensor, pictures: list[np.ndarray]) -> None:
    images = drawn(networks, ["ink"] * 4, latents, steps=1).mean(dim=1)
    lights = torch.stack([to_tensor(picture[None])[0].mean(dim=0) for picture in pictures])
    blurred = [_blurred(planes[:, None]).flatten(1) for planes in (images, lights)]
    likeness = torch.corrcoef(torch.cat(blurred))[:4, 4:]
    assert (likeness.diagonal() > 0.5).all()
    assert (likeness.argmax(dim=1) == torch.arange(4)).all()


def test_structure_lets_go(networks: Networks, latents: torch.Tensor) -> None:
    near = [
        drawn(networks, ["fire oil painting"] * 2, latents[:2], structure=structure) for structure in (1.0, 0.5, 0.0)
    ]
    apart = [float((images[0] - images[1]).abs().mean()) for images in near]
    assert apart[0] > apart[1] > apart[2]
    assert apart[2] < 1e-5


def test_strength_is_monotone(networks: Networks, latents: torch.Tensor) -> None:
    source = networks.decode(latents[:1]).detach() / 2 + 0.5
    changes = [
        float((drawn(networks, ["ocean ink"], latents[:1], strength=strength) - source).abs().mean())
        for strength in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    assert changes[0] < 1e-5
    assert changes == sorted(changes)


def test_no_source_draws_the_words(networks: Networks) -> None:
    fire, ocean = drawn(networks, ["fire rings", "ocean stars"], None)
    assert fire[RED].mean() - fire[BLUE].mean() > ocean[RED].mean() - ocean[BLUE].mean() + 0.1
    assert fire.std() > 0.08


def test_motif_is_what_its_word_says(networks: Networks) -> None:
    """One step draws the light of the drawn motif, and not that of another one."""
    names = ("rings", "stripes", "spiral", "grid")
    light = drawn(networks, [f"{name} in red" for name in names], None, steps=1).mean(dim=1).flatten(1)
    wanted = torch.from_numpy(np.stack([composed_field(name, (), 256, 256).ravel() for name in names]))
    alike = torch.corrcoef(torch.cat([light, wanted]))[: len(names), len(names) :]
    assert float(alike.diagonal().min()) > 0.6
    assert torch.equal(alike.argmax(dim=1), torch.arange(len(names)))


def test_empty_prompt_keeps_the_source(networks: Networks, latents: torch.Tensor) -> None:
    source = networks.decode(latents[:1]).detach() / 2 + 0.5
    empty = float((drawn(networks, [""], latents[:1]) - source).abs().mean())
    styled = float((drawn(networks, ["neon edges"], latents[:1]) - source).abs().mean())
    assert empty < 0.5 * styled


def test_long_and_odd_prompts_draw(networks: Networks, latents: torch.Tensor) -> None:
    for prompt in ("x" * 1000, "ink, " * 200, "🔥" * 40):
        assert torch.isfinite(drawn(networks, [prompt], latents[:1], steps=1)).all()


def test_prompt_effect_exceeds_fp16_error(networks: Networks, latents: torch.Tensor) -> None:
    prompts, sources = ["fire ink", "fire halftone"], latents[:1].expand(2, -1, -1, -1)
    exact = drawn(networks, prompts, sources, steps=1)
    torch.manual_seed(0)
    kept = [parameter.detach().clone() for parameter in networks.unet.parameters()]
    with torch.no_grad():
        for parameter in networks.unet.parameters():
            parameter.mul_(1 + 2e-4 * torch.randn_like(parameter))
        noise = (drawn(networks, prompts, sources, steps=1) - exact).abs().mean()
        for parameter, value in zip(networks.unet.parameters(), kept, strict=True):
            parameter.copy_(value)
    assert (exact[0] - exact[1]).abs().mean() > 20 * noise


def test_guidance_changes_the_image(networks: Networks, latents: torch.Tensor) -> None:
    plain, guided = (drawn(networks, ["violet ink"], latents[:1], guidance=guidance) for guidance in (1.0, 2.0))
    assert torch.isfinite(guided).all()
    assert (plain - guided).abs().mean() > 0.01
