"""Both forms of a UNet equal diffusers' own blocks, called by hand as DeepCache calls them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from deepcache import by_hand
from tiny_denoisers import sdxl_sizes, unet

from pipeline.reuse.outer_unet import keeping_unet, kept_features_of, kept_shape, outer_unet

ROWS, TEXT = 3, 16
UP = ("UpBlock2D", "CrossAttnUpBlock2D")
DOWN = ("CrossAttnDownBlock2D", "DownBlock2D")
NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "attention outside": {"down_block_types": DOWN, "up_block_types": UP, "layers_per_block": 2},
    "three blocks": {"block_out_channels": (16, 32, 24), "down_block_types": ("DownBlock2D",) * 3,
                     "up_block_types": ("UpBlock2D",) * 3},
    "one block": {"block_out_channels": (16,), "down_block_types": DOWN[1:], "up_block_types": UP[:1]},
    "sdxl": sdxl_sizes(8),
}  # fmt: skip


def inputs(seed: int) -> dict[str, Any]:
    random = torch.Generator().manual_seed(seed)
    return {
        "sample": torch.randn(ROWS, 4, 8, 8, generator=random),
        "timestep": torch.tensor([900.0, 500.0, 100.0]),
        "encoder_hidden_states": torch.randn(ROWS, 5, TEXT, generator=random),
        "added_cond_kwargs": {
            "text_embeds": torch.randn(ROWS, 8, generator=random),
            "time_ids": torch.tensor([[64, 64, 0, 0, 64, 64]]).expand(ROWS, -1),
        },
    }


@pytest.mark.parametrize("kind", NETWORKS)
def test_forms_equal_diffusers_blocks(kind: str) -> None:
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(5)
        network = unet(TEXT, **NETWORKS[kind]).eval()
        first, second = inputs(1), inputs(2)
        plain = network(**first, return_dict=False)[0]
        keeping, outer = keeping_unet(network), outer_unet(network)
        assert torch.equal(keeping(**first, return_dict=False)[0], plain), "it computes the same"
        kept = kept_features_of(keeping).rows
        assert kept is not None
        torch.testing.assert_close(kept, by_hand(network, first, None)[1], rtol=0, atol=1e-5)
        kept_features_of(outer).rows = kept
        torch.testing.assert_close(outer(**first, return_dict=False)[0], plain, rtol=0, atol=1e-5)
        reused = outer(**second, return_dict=False)[0]
        torch.testing.assert_close(reused, by_hand(network, second, kept)[0], rtol=0, atol=1e-5)
        whole = network(**second, return_dict=False)[0]
        assert (reused - whole).abs().max() > 1e-3, "old features make a difference"
        assert torch.equal(network(**first, return_dict=False)[0], plain), "the UNet is as it was"


def test_kept_shape_is_that_of_the_features(source_folder: Path, tiny_folder: Path) -> None:
    from pipeline.models import load_model

    for folder in (source_folder, tiny_folder):
        model = load_model(folder)
        network = keeping_unet(model.denoiser)
        channels = model.configurations["unet"]["in_channels"]
        with torch.inference_mode():
            network(torch.zeros(1, channels, 8, 8), 500, torch.zeros(1, 12, 16))
        rows = kept_features_of(network).rows
        assert rows is not None
        assert rows.shape == (1, *kept_shape(model, 8, 8))
