"""A folder as InstaFlow's authors publish it: the steps of its pipeline are taken, whatever scheduler it names."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import PNDMScheduler
from family_pipelines import pipeline_of
from safetensors.torch import load_file, save_file
from stream_comparison import MIN_EFFECT, TOLERANCE, max_difference
from stream_frames import draw, eager_stream
from tiny_folders import SIDE, write_family_folder

from pipeline.models import load_model
from pipeline.noise import ENTRY, unit_noise
from presets.errors import ModelError
from presets.frame_parameters import without_morph
from presets.parameters import Parameters, WeightedPrompt

UNET = "unet/diffusion_pytorch_model.safetensors"
NEGATIVE = "grey paper"
FRAMES = [("a red ring on the sea", 1, 1.0), ("neon fire", 2, 1.5), ("blue winter stars", 4, 2.0), ("smoke", 1, 1.5)]
"""Text, steps and guidance."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The components and the index of XCLiu/instaflow_0_9B_from_sd_1_5, without the files that are never read."""
    folder = write_family_folder("stable-diffusion", tmp_path_factory.mktemp("instaflow") / "model")
    weights = load_file(folder / UNET)
    weights["conv_out.weight"] *= 8.0  # it is small, for PeRFlow
    save_file(weights, folder / UNET, metadata={"format": "pt"})
    shutil.rmtree(folder / "scheduler")
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    PNDMScheduler(skip_prk_steps=True, steps_offset=1, set_alpha_to_one=False, **betas).save_pretrained(
        folder / "scheduler"
    )
    index = json.loads((folder / "model_index.json").read_text()) | {
        "_class_name": "RectifiedFlowPipeline",
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "requires_safety_checker": True,
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "scheduler": ["diffusers", "PNDMScheduler"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@torch.inference_mode()
def instaflow(pipe: Any, seed: int, text: str, steps: int, guidance: float) -> torch.Tensor:
    """Return the latent of InstaFlow's loop (gnobitab/InstaFlow, `code/pipeline_rf.py`), over diffusers' networks."""
    words, negative = pipe.encode_prompt(text, "cpu", 1, True, NEGATIVE)
    latents = unit_noise(seed, ENTRY, (4, SIDE // 8, SIDE // 8))[None]
    for step in range(steps):
        times = torch.ones(2) * (1.0 - step / steps) * 1000.0
        without, wanted = pipe.unet(torch.cat([latents] * 2), times, torch.cat([negative, words])).sample.chunk(2)
        latents = latents + (without + guidance * (wanted - without)) / steps
    return latents


def test_stream_equals_instaflow(folder: Path) -> None:
    model = load_model(folder)
    assert model.classes["scheduler"] == "StraightFlowScheduler"
    with pytest.MonkeyPatch.context() as patch:  # a pipeline that lends its networks alone
        patch.setattr("family_pipelines.PeRFlowScheduler", PNDMScheduler)
        pipe = pipeline_of(model)
    expected = [instaflow(pipe, seed, *frame) for seed, frame in enumerate(FRAMES)]
    text, steps, guidance = FRAMES[1]
    for other in (("smoke", steps, guidance), (text, 1, guidance), (text, steps, 4.0)):
        assert max_difference(instaflow(pipe, 1, *other), expected[1]) > MIN_EFFECT
    looks = [
        Parameters(
            mode="text", prompt=(WeightedPrompt(text=text),), negative_prompt=NEGATIVE, seed=seed, steps=steps,
            guidance=guidance,
        )
        for seed, (text, steps, guidance) in enumerate(FRAMES)
    ]  # fmt: skip
    drawn = draw(eager_stream(model), [(None, without_morph(look)) for look in looks])
    for reference in expected:  # they are finished in another order
        assert min(max_difference(latent, reference) for latent in drawn) < TOLERANCE


def test_other_pipelines_keep_their_scheduler(folder: Path, tmp_path: Path) -> None:
    """The same scheduler in a folder of Stable Diffusion is a solver that the stream does not have."""
    other = Path(shutil.copytree(folder, tmp_path / "model"))
    index = json.loads((other / "model_index.json").read_text())
    lcm = index | {"scheduler": ["diffusers", "LCMScheduler"]}
    (other / "model_index.json").write_text(json.dumps(lcm))
    assert load_model(other).classes["scheduler"] == "LCMScheduler", "put in by `models adopt --scheduler`"
    (other / "model_index.json").write_text(json.dumps(index | {"_class_name": "StableDiffusionPipeline"}))
    with pytest.raises(ModelError, match=r"The scheduler of .* is a PNDMScheduler; this version supports"):
        load_model(other)
