"""A foreign UNet with one timestep for all rows plays the same frames as the model's own network."""

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_networks import SHAPES, TOLERANCE, engines_without_denoiser, inputs, write_onnx
from torch import nn

from pipeline.accelerators import foreign_engine
from pipeline.conditioning import Conditioning, ConditioningShape, EncodedText
from pipeline.denoiser import ConditioningRows, Denoiser
from pipeline.guidance import Guidance
from pipeline.image_stream import ImageStream
from pipeline.models import load_model
from pipeline.stream import StreamPipeline
from presets.build import Build
from presets.frame_parameters import without_morph
from presets.parameters import Parameters, WeightedPrompt


@pytest.fixture(scope="module")
def small_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a UNet of one level, which is exported in a third of the time."""
    from diffusers import UNet2DConditionModel

    folder = Path(shutil.copytree(tiny_folder, tmp_path_factory.mktemp("small") / "model"))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        unet = UNet2DConditionModel(
            sample_size=8, block_out_channels=(16,), layers_per_block=1, down_block_types=("CrossAttnDownBlock2D",),
            up_block_types=("CrossAttnUpBlock2D",), mid_block_type=None, norm_num_groups=8, attention_head_dim=4,
            cross_attention_dim=16,
        )  # fmt: skip
        with torch.no_grad():
            for name, weight in unet.named_parameters():
                if "attn2.to_v" in name or "attn2.to_out.0.weight" in name:
                    weight.mul_(8.0)
    shutil.rmtree(folder / "unet")
    unet.save_pretrained(folder / "unet")
    return folder


class DemoUNet(nn.Module):
    """The UNet as NVIDIA's Stable Diffusion demo exports it: one timestep for all rows of any batch."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, embeds: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.unet(sample, timestep, embeds, return_dict=False)[0]
        return out


@pytest.fixture(scope="module")
def scalar_unet(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scalar") / "unet.onnx"
    latents, timesteps, text = inputs([500.0, 500.0])
    names = ("sample", "timestep", "encoder_hidden_states")
    unet = DemoUNet(load_model(small_folder).denoiser)
    return write_onnx(unet, path, names, (latents, timesteps[:1], text.embeds), [True, False, True])


def conditioning(seed: int) -> Conditioning:
    generator = torch.Generator().manual_seed(seed)
    return Conditioning(*(EncodedText(torch.randn(SHAPES.embeds, generator=generator)) for _ in range(2)))


def play(denoiser: Denoiser, sizes: tuple[int, ...], schedule: Any, first_seed: int = 0) -> list[torch.Tensor]:
    """Return the latents of six frames with different steps, text and guidance."""
    stream = StreamPipeline(
        denoiser, slots=4, latent_shape=SHAPES.latent, conditioning=ConditioningShape(SHAPES.embeds), sizes=sizes
    )
    out: list[torch.Tensor] = []
    for frame in range(6):
        text, guidance = conditioning(first_seed + frame), Guidance(1.0 + frame % 2)
        stream.admit(None, schedule(3 + frame % 2, 1.0), text, guidance=guidance)
        out += [latent.clone() for latent, _ in stream.step()]
        while not stream.free:
            out += [latent.clone() for latent, _ in stream.step()]
    while stream.in_flight:
        out += [latent.clone() for latent, _ in stream.step()]
    return out


def test_scalar_unet_equals_vector_unet(small_folder: Path, scalar_unet: Path) -> None:
    model = load_model(small_folder)
    unet: Any = model.denoiser

    @torch.inference_mode()
    def vector(latents: torch.Tensor, timesteps: torch.Tensor, text: ConditioningRows) -> torch.Tensor:
        out: torch.Tensor = unet(latents, timesteps, text.embeds, return_dict=False)[0]
        return out

    engines = foreign_engine.replace_denoiser(scalar_unet, engines_without_denoiser(), SHAPES, 1)
    assert engines.forward == "one call for each distinct timestep"
    expected = play(vector, tuple(range(1, 9)), model.schedule)
    others = play(vector, tuple(range(1, 9)), model.schedule, first_seed=100)
    assert len(expected) == 6
    assert min((one - other).abs().max() for one, other in zip(expected, others, strict=True)) > 100 * TOLERANCE
    for latent, wanted in zip(play(engines.denoiser, engines.sizes, model.schedule), expected, strict=True):
        torch.testing.assert_close(latent, wanted, rtol=0, atol=TOLERANCE)


def render(build: Build) -> list[Any]:
    """Return the pixels of three frames."""
    stream = ImageStream.build(build, lambda text, fraction: None)
    assert stream.description["engine"] == build.engine
    assert stream.description["forward"].endswith("distinct timestep" if build.engine else "a step")
    out = []
    for seed in range(3):
        parameters = Parameters(mode="text", seed=seed, steps=3, prompt=(WeightedPrompt(text="ab"),))
        moment = without_morph(parameters)
        stream.admit(None, moment, stream.encode(moment.wording))
        out += [frame.pixels for frame in stream.step()]
    while stream.in_flight:
        out += [frame.pixels for frame in stream.step()]
    return out


@pytest.mark.parametrize("accelerator", ["eager", "openvino"])
def test_image_stream_with_a_foreign_engine(
    small_folder: Path, scalar_unet: Path, tmp_path: Path, accelerator: str
) -> None:
    own = render(Build(model=str(small_folder), width=64, height=64, accelerator="eager", slots=3))
    build = Build(
        model=str(small_folder),
        width=64,
        height=64,
        accelerator=accelerator,
        slots=3,
        cache=tmp_path,
        engine=str(scalar_unet),
    )
    for one, other in zip(own, render(build), strict=True):
        assert np.abs(one.astype(int) - other).max() <= 2
    assert all(np.abs(one.astype(int) - other).max() > 2 for one, other in pairwise(own))
