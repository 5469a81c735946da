"""Tiny ControlNets for the tiny model folders: the real class, with random numbers in the convolutions that are zero
at birth."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tiny_denoisers import scale_weights
from tiny_folders import SIDE

from pipeline.models import load_model

BORN_ZERO = ("controlnet_down_blocks", "controlnet_mid_block", "controlnet_cond_embedding.conv_out")


def write_controlnet(model: Path, folder: Path, seed: int = 5, **settings: Any) -> Path:
    """Write the folder of a ControlNet for the UNet of a model folder, and return it."""
    from diffusers import ControlNetModel

    unet = load_model(model).read_network("unet")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        # For every pixel of a latent there are 8 × 8 of a picture.
        network = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 8, 8))
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if name.startswith(BORN_ZERO):
                    assert not weight.any(), f"{name} is random already"
                    weight.normal_(std=0.05)
        scale_weights(network, ["controlnet_cond_embedding"], 4.0)  # a random network makes little of a picture
    network.register_to_config(**settings)
    network.save_pretrained(folder)
    return folder


def picture(number: int) -> NDArray[np.uint8]:
    """Return a picture of boxes with edges of all strengths, RGB uint8 ``[SIDE, SIDE, 3]``."""
    rng = np.random.default_rng(number + 2)
    pixels = np.full((SIDE, SIDE, 3), rng.integers(0, 256, 3), dtype=np.uint8)
    for _ in range(6):
        top, left, height, width = rng.integers(4, SIDE // 2, 4)
        pixels[top : top + height, left : left + width] = rng.integers(0, 256, 3)
    return cv2.GaussianBlur(pixels, (5, 5), 1.5)
