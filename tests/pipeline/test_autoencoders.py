"""Autoencoders of every supported class: geometry, latents and pixels equal those of diffusers."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import AutoencoderDC, AutoencoderKL, AutoencoderTiny, Flux2KleinPipeline
from tiny_autoencoders import flux2_autoencoder

from pipeline.autoencoders import AUTOENCODERS, latent_geometry
from pipeline.graphs import DecoderGraph, EncoderGraph
from presets.errors import ModelError

BLOCKS = (8,) * 4


def kl_autoencoder(**settings: Any) -> Any:
    return AutoencoderKL(
        block_out_channels=BLOCKS,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        **settings,
    )


def dc_autoencoder() -> Any:
    return AutoencoderDC(
        latent_channels=8,
        attention_head_dim=4,
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        encoder_block_out_channels=(*BLOCKS, 8, 8),
        decoder_block_out_channels=(*BLOCKS, 8, 8),
        encoder_layers_per_block=(1,) * 6,
        decoder_layers_per_block=(1,) * 6,
        encoder_qkv_multiscales=((),) * 6,
        decoder_qkv_multiscales=((),) * 6,
        downsample_block_type="Conv",
        upsample_block_type="interpolate",
        scaling_factor=0.41,
    )


KINDS: dict[str, tuple[Callable[[], Any], tuple[int, int]]] = {
    "Stable Diffusion": (lambda: kl_autoencoder(latent_channels=4, scaling_factor=0.18215), (4, 8)),
    "SD3": (
        lambda: kl_autoencoder(
            latent_channels=16,
            scaling_factor=1.5305,
            shift_factor=0.0609,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ),
        (16, 8),
    ),
    "taesd": (lambda: AutoencoderTiny(encoder_block_out_channels=BLOCKS, decoder_block_out_channels=BLOCKS), (4, 8)),
    "taef1": (
        lambda: AutoencoderTiny(
            encoder_block_out_channels=BLOCKS, decoder_block_out_channels=BLOCKS, latent_channels=16
        ),
        (16, 8),
    ),
    "SANA": (dc_autoencoder, (8, 32)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fold", [False, True])
def test_autoencoder_equals_diffusers(kind: str, fold: bool) -> None:
    make, geometry = KINDS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        autoencoder = make().eval().requires_grad_(False)
    config = autoencoder.config
    name = type(autoencoder).__name__
    assert name in AUTOENCODERS
    assert latent_geometry(name, {key: list(v) if isinstance(v, tuple) else v for key, v in config.items()}) == geometry
    channels, factor = geometry
    pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    picture = pixels.permute(0, 3, 1, 2) / 127.5 - 1.0
    with torch.inference_mode():
        encoded = autoencoder.encode(picture)
        mean = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded[0]
        shift = getattr(config, "shift_factor", None) or 0.0
        expected = (mean - shift) * config.scaling_factor
        latent = EncoderGraph(autoencoder, fold)(pixels)
        assert latent.shape == (2, channels, 64 // factor, 64 // factor)
        assert (latent - expected).abs().max() < 1e-4 * expected.abs().max()
        decoded = autoencoder.decode(expected / config.scaling_factor + shift)[0]
        levels = ((decoded + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1)
        found = DecoderGraph(autoencoder, fold)(expected)
    assert levels.std() > 1
    assert (found.float() - levels).abs().max() <= 1


@pytest.mark.parametrize("fold", [False, True])
def test_flux2_autoencoder_equals_diffusers(fold: bool) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        autoencoder = flux2_autoencoder().eval().requires_grad_(False)
    config = {key: list(v) if isinstance(v, tuple) else v for key, v in autoencoder.config.items()}
    assert latent_geometry("AutoencoderKLFlux2", config) == (16, 16)
    with pytest.raises(ModelError, match=r"has patch_size=\[4, 4\]; this version supports \[2, 2\]"):
        latent_geometry("AutoencoderKLFlux2", config | {"patch_size": [4, 4]})
    pixels = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    pipe = Flux2KleinPipeline(None, autoencoder, None, None, None)
    mean, variance = (each.view(1, -1, 1, 1) for each in (autoencoder.bn.running_mean, autoencoder.bn.running_var))
    deviation = (variance + autoencoder.config.batch_norm_eps).sqrt()
    with torch.inference_mode():
        expected = pipe._encode_vae_image(pixels.permute(0, 3, 1, 2) / 127.5 - 1.0, None)
        latent = EncoderGraph(autoencoder, fold)(pixels)
        assert latent.shape == (2, 16, 4, 6)
        assert (latent - expected).abs().max() < 1e-4 * expected.abs().max()
        decoded = autoencoder.decode(pipe._unpatchify_latents(expected * deviation + mean))[0]
        found = DecoderGraph(autoencoder, fold)(expected)
    levels = ((decoded + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1)
    assert levels.std() > 1
    assert (found.float() - levels).abs().max() <= 1
