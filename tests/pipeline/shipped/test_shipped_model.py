"""The shipped model loads with diffusers, is small, and its prompts change the image."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, FlowMatchEulerDiscreteScheduler, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel

from pipeline.shipped.configuration import MODEL_FOLDER, SHAPE
from pipeline.shipped.dataset import to_tensor
from pipeline.shipped.networks import Networks, load_networks, sample
from pipeline.shipped.scenes import Scene, draw_scene
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
    assert AutoencoderTiny.from_pretrained(MODEL_FOLDER / "vae").config.scaling_factor == 1.0
    text = CLIPTextModel.from_pretrained(MODEL_FOLDER / "text_encoder")
    assert text.config.hidden_size == unet.config.cross_attention_dim
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(MODEL_FOLDER / "scheduler")
    scheduler.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25])
    assert scheduler.timesteps.tolist() == [1000, 750, 500, 250]


def test_folder_has_no_local_paths() -> None:
    home = str(Path(__file__).resolve().parents[3])
    for path in MODEL_FOLDER.rglob("*"):
        if path.suffix in {".json", ".txt", ".md"}:
            text = path.read_text(encoding="utf-8")
            assert home not in text, path
            assert "_name_or_path" not in text, path


def test_autoencoder_psnr(networks: Networks) -> None:
    images = np.stack([draw_scene(Scene(motif, "fire", seed=900)) for motif in ("rings", "clouds", "cells", "flames")])
    assert mean_psnr(networks.autoencoder, images) > 24


@torch.no_grad()
def test_latents_are_standardised(networks: Networks) -> None:
    images = np.stack([draw_scene(Scene("plasma", palette, seed=1)) for palette in ("fire", "ice", "acid", "violet")])
    latents = networks.autoencoder.encode(to_tensor(images)).latents
    assert latents.mean(dim=(0, 2, 3)).abs().max() < 0.8
    assert 0.4 < float(latents.std()) < 1.8


def mean_colours(networks: Networks, prompts: list[str], **options: float) -> torch.Tensor:
    """Return the mean RGB of each prompt's image, in 0..1: ``[len(prompts), 3]``."""
    with torch.no_grad():
        images = networks.decode(sample(networks, prompts, [5] * len(prompts), **options))  # type: ignore[arg-type]
    return (images.mean(dim=(2, 3)) + 1) / 2


def test_palettes_change_the_colour(networks: Networks) -> None:
    fire, ice, acid, white, blue = mean_colours(
        networks, ["fire plasma", "ice plasma", "acid green plasma", "black and white plasma", "blue plasma"]
    )
    assert fire[RED] - fire[BLUE] > ice[RED] - ice[BLUE] + 0.1
    assert blue[BLUE] - blue[RED] > 0.1
    assert acid[GREEN] - acid[BLUE] > 0.1
    assert white.max() - white.min() < 0.08


def test_prompt_effect_exceeds_fp16_error(networks: Networks) -> None:
    prompts, seeds = ["fire rings", "fire tunnel"], [8, 8]
    exact = sample(networks, prompts, seeds)
    torch.manual_seed(0)
    rough = Networks(networks.autoencoder, networks.unet, networks.text_encoder, networks.tokenizer)
    nudged = [parameter.detach().clone() for parameter in networks.unet.parameters()]
    with torch.no_grad():
        for parameter in networks.unet.parameters():
            parameter.mul_(1 + 2e-4 * torch.randn_like(parameter))
        noise = (sample(rough, prompts, seeds) - exact).abs().mean()
        for parameter, kept in zip(networks.unet.parameters(), nudged, strict=True):
            parameter.copy_(kept)
    assert (exact[0] - exact[1]).abs().mean() > 20 * noise


def test_guidance_changes_the_image(networks: Networks) -> None:
    plain, guided = (sample(networks, ["violet spiral"], [2], guidance=guidance) for guidance in (1.0, 2.0))
    assert torch.isfinite(guided).all()
    assert (plain - guided).abs().mean() > 0.01


def redrawn_disc(networks: Networks, strength: float, guidance: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a grey disc left of the centre, redrawn as fire and as ice with equal noise: two ``[3, 256, 256]``."""
    image = np.full((256, 256, 3), 20, np.uint8)
    cv2.circle(image, (80, 128), 50, (200, 200, 200), -1)
    with torch.no_grad():
        start = networks.autoencoder.encode(to_tensor(image[None])).latents.repeat(2, 1, 1, 1)
        fire, ice = networks.decode(
            sample(networks, ["fire", "ice"], [1, 1], guidance=guidance, start=start, strength=strength)
        )
    return fire, ice


def test_img2img_keeps_positions(networks: Networks) -> None:
    for made in redrawn_disc(networks, strength=0.6, guidance=1.0):
        light = made.mean(dim=0)
        assert light[98:158, 50:110].mean() > light[:, 176:].mean() + 0.15


def test_img2img_takes_the_palette(networks: Networks) -> None:
    # At a lower strength it keeps the source's colours, as the model card says.
    fire, ice = redrawn_disc(networks, strength=0.85, guidance=2.0)
    assert (fire[RED] - fire[BLUE]).mean() > (ice[RED] - ice[BLUE]).mean() + 0.1
