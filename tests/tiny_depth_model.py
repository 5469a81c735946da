"""A tiny depth model of the real class with random weights, in the files that its makers publish."""

import json
from pathlib import Path
from typing import Any

import torch

SETTINGS = {
    "do_normalize": True,
    "do_pad": False,
    "do_rescale": True,
    "do_resize": True,
    "ensure_multiple_of": 14,
    "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "DPTImageProcessor",
    "image_std": [0.229, 0.224, 0.225],
    "keep_aspect_ratio": True,
    "resample": 3,
    "rescale_factor": 1 / 255,
    "size": {"height": 70, "width": 70},
    "size_divisor": None,
}
"""``preprocessor_config.json`` of Depth Anything V2 Small, with a smaller size."""


def write_depth_model(folder: Path, seed: int = 9, **settings: Any) -> Path:
    """Write the folder of a Depth Anything model, and return it. `settings` change ``preprocessor_config.json``."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    stages = ["stage1", "stage2", "stage3", "stage4"]
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, mlp_ratio=2, image_size=70, patch_size=14,
        out_features=stages, reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=16, neck_hidden_sizes=[4, 4, 8, 8],
        fusion_hidden_size=8, head_hidden_size=4,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = DepthAnythingForDepthEstimation(config)
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if weight.ndim > 1:  # those of birth are so small that every picture has the same depth
                    weight.normal_(std=1.4 / weight[0].numel() ** 0.5)
                elif name == "head.conv3.bias":
                    weight.fill_(3.0)  # depth is never below 0
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(SETTINGS | settings))
    return folder
