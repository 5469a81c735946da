"""Tiny model folders of every family: the real classes with random weights.

``python tests/tiny_folders.py FOLDER`` writes all of them.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tiny_autoencoders import dc_autoencoder, flux2_autoencoder, hunyuan_autoencoder, kl_autoencoder
from tiny_denoisers import (
    flux2_transformer,
    flux_transformer,
    hunyuan_transformer,
    sana_transformer,
    scale_weights,
    sd3_transformer,
    sdxl_sizes,
    unet,
    z_image_transformer,
)
from tiny_text_encoders import (
    byt5,
    clip,
    clip_tokenizer,
    gemma,
    gemma_tokenizer,
    qwen_config,
    qwen_tokenizer,
    qwen_vl,
    t5,
    t5_tokenizer,
)

SIDE = 64
"""Width and height of a picture in pixels."""


def write_family_folder(family: str, folder: Path, **settings: Any) -> Path:
    """Write the folder of a family in diffusers' format, one of `FAMILIES`, and return it.

    `settings` change the UNet of Stable Diffusion or SDXL.
    """
    with torch.random.fork_rng():
        torch.manual_seed(21)
        parts, pipeline = FAMILIES[family](**settings)
    index: dict[str, Any] = {"_class_name": pipeline}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        library = "transformers" if name.startswith(("text_encoder", "tokenizer")) else "diffusers"
        index[name] = [library, type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def add_hole(weights: Path, size: int = 10**12) -> None:
    """Add a tensor of so many bytes to a weights file, as a hole that takes no place on the disk."""
    whole = weights.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    header, data = json.loads(whole[8:end]), whole[end:]
    header["hole"] = {"dtype": "U8", "shape": [size], "data_offsets": [len(data), len(data) + size]}
    text = json.dumps(header).encode()
    with weights.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + data)
        file.truncate(file.tell() + size)


def _stable_diffusion(**settings: Any) -> tuple[dict[str, Any], str]:
    from pipeline.diffusers_schedulers import PeRFlowScheduler

    parts = {"unet": unet(16, **settings), "vae": kl_autoencoder(4), "scheduler": PeRFlowScheduler()}
    parts |= {"text_encoder": clip(16), "tokenizer": clip_tokenizer()}
    return parts, "StableDiffusionPipeline"


def _lcm() -> tuple[dict[str, Any], str]:
    from diffusers import LCMScheduler

    parts, _ = _stable_diffusion()
    network = unet(16, time_cond_proj_dim=32)
    scale_weights(network, ["time_embedding.cond_proj"], 20.0)
    return parts | {"unet": network, "scheduler": LCMScheduler()}, "LatentConsistencyModelPipeline"


def _turbo() -> tuple[dict[str, Any], str]:
    from diffusers import EulerAncestralDiscreteScheduler

    parts, pipeline = _stable_diffusion()
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    return parts | {"scheduler": EulerAncestralDiscreteScheduler(timestep_spacing="trailing", **betas)}, pipeline


def _sdxl(**settings: Any) -> tuple[dict[str, Any], str]:
    from pipeline.diffusers_schedulers import PeRFlowScheduler

    network = unet(28, **sdxl_sizes(8), **settings)
    scale_weights(network, ["add_embedding"], 4.0)
    parts = {"unet": network, "vae": kl_autoencoder(4), "scheduler": PeRFlowScheduler(prediction_type="ddim_eps")}
    parts |= {"text_encoder": clip(16), "tokenizer": clip_tokenizer()}
    parts |= {"text_encoder_2": clip(12, projection=8), "tokenizer_2": clip_tokenizer()}
    return parts, "StableDiffusionXLPipeline"


def _sd3() -> tuple[dict[str, Any], str]:
    from diffusers import FlowMatchEulerDiscreteScheduler

    parts = {
        "transformer": sd3_transformer(16, text=32, pooled=20),
        "vae": kl_autoencoder(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
        "text_encoder": clip(12, projection=12),
        "text_encoder_2": clip(16, projection=8),
        "text_encoder_3": t5(32),
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": clip_tokenizer(),
        "tokenizer_3": t5_tokenizer(),
    }
    return parts, "StableDiffusion3Pipeline"


DEV_SHIFT = {"shift": 3.0, "use_dynamic_shifting": True}
"""Scheduler settings of FLUX.1-dev and FLUX.2: the static shift is ignored."""


def _flux(guided: bool = False) -> tuple[dict[str, Any], str]:
    from diffusers import FlowMatchEulerDiscreteScheduler

    parts = {
        "transformer": flux_transformer(guided, text=32, pooled=16),
        "vae": kl_autoencoder(4, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1),
        "scheduler": FlowMatchEulerDiscreteScheduler(**DEV_SHIFT if guided else {"shift": 1.0}),
        "text_encoder": clip(16),
        "text_encoder_2": t5(32),
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": t5_tokenizer(),
    }
    return parts, "FluxPipeline"


def _sana() -> tuple[dict[str, Any], str]:
    from diffusers import SCMScheduler

    tokenizer = gemma_tokenizer()
    parts = {
        "transformer": sana_transformer(32, text=16),
        "vae": dc_autoencoder(),
        "scheduler": SCMScheduler(),
        "text_encoder": gemma(len(tokenizer), 16),
        "tokenizer": tokenizer,
    }
    return parts, "SanaSprintPipeline"


def _z_image() -> tuple[dict[str, Any], str]:
    from diffusers import FlowMatchEulerDiscreteScheduler
    from transformers import Qwen3Model

    tokenizer = qwen_tokenizer()
    parts = {
        "transformer": z_image_transformer(16, text=16),
        "vae": kl_autoencoder(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.12),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
        "text_encoder": Qwen3Model(qwen_config(len(tokenizer), layers=2)),
        "tokenizer": tokenizer,
    }
    return parts, "ZImagePipeline"


def _flux2() -> tuple[dict[str, Any], str]:
    from diffusers import FlowMatchEulerDiscreteScheduler
    from transformers import Qwen3ForCausalLM

    tokenizer = qwen_tokenizer()
    parts = {
        "transformer": flux2_transformer(16, text=3 * 16),
        "vae": flux2_autoencoder(),
        "scheduler": FlowMatchEulerDiscreteScheduler(**DEV_SHIFT),
        "text_encoder": Qwen3ForCausalLM(qwen_config(len(tokenizer), layers=28)),
        "tokenizer": tokenizer,
    }
    return parts, "Flux2KleinPipeline"


def _hunyuan_image() -> tuple[dict[str, Any], str]:
    from diffusers import FlowMatchEulerDiscreteScheduler
    from transformers import ByT5Tokenizer

    tokenizer = qwen_tokenizer()
    parts = {
        "transformer": hunyuan_transformer(8, text=16, glyphs=12),
        "vae": hunyuan_autoencoder(8),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=4.0),
        "text_encoder": qwen_vl(len(tokenizer), 16),
        "text_encoder_2": byt5(12),
        "tokenizer": tokenizer,
        "tokenizer_2": ByT5Tokenizer(),
    }
    return parts, "HunyuanImagePipeline"


FAMILIES: dict[str, Callable[..., tuple[dict[str, Any], str]]] = {
    "stable-diffusion": _stable_diffusion,
    "lcm": _lcm,
    "turbo": _turbo,
    "sdxl": _sdxl,
    "sd3": _sd3,
    "flux": _flux,
    "flux-dev": lambda: _flux(True),
    "flux2": _flux2,
    "sana": _sana,
    "z-image": _z_image,
    "hunyuan-image": _hunyuan_image,
}
"""Parts of each folder by component, and the class of its pipeline in diffusers."""


if __name__ == "__main__":
    for each in FAMILIES:
        print(write_family_folder(each, Path(sys.argv[1]) / each))
