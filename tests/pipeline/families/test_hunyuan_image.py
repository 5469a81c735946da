"""HunyuanImage: its second time, its masked words, and what is refused. `test_family_folders` compares its pictures."""

from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.hunyuan_image.pipeline_hunyuanimage import extract_glyph_text
from hypothesis import given
from hypothesis import strategies as st
from test_adapters import adapter, inputs

from pipeline.families.hunyuan_image import HUNYUAN_IMAGE
from pipeline.schedules.flow_matching import flow_matching_schedule
from pipeline.text_encoders.hunyuan_image import WORDS, glyph_text, hunyuan_image_shape
from pipeline.text_encoders.text_parts import TextParts
from presets.errors import ModelError

CONFIG: dict[str, Any] = {"in_channels": 64, "out_channels": 64, "use_meanflow": True, "patch_size": [1, 1]}


def test_second_time_is_the_next_timestep() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=4.0)
    scheduler.set_timesteps(sigmas=torch.linspace(1.0, 0.0, 6)[:-1].tolist())
    times = scheduler.timesteps.tolist()
    schedule = flow_matching_schedule(5, 1.0, shift=4.0, second_time=True)
    assert schedule.timestep.tolist() == pytest.approx(times)
    assert schedule.second_time.tolist() == pytest.approx([*times[1:], 0.0])
    assert not flow_matching_schedule(5, 1.0, shift=4.0).second_time.any()


@torch.inference_mode()
def test_second_time_and_masked_words() -> None:
    denoiser = adapter("hunyuan-image")
    latents, times, rows = inputs(denoiser, "hunyuan-image")
    mask = rows.mask.clone()
    mask[:, WORDS:] = torch.tensor([[1.0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
    rows = rows._replace(mask=mask)
    drawn = denoiser(latents, times, rows)
    ends = torch.stack([times[:, 0], times[:, 1] / 2], dim=1)
    moved = (denoiser(latents, ends, rows) - drawn).abs().amax((1, 2, 3))
    assert moved[:2].min() > 1e-2
    assert moved[2] == 0, "its end is 0 already"
    hidden = torch.where(mask[..., None] > 0.5, rows.embeds, torch.randn_like(rows.embeds))
    torch.testing.assert_close(denoiser(latents, times, rows._replace(embeds=hidden)), drawn, rtol=1e-4, atol=1e-5)
    glyphs = rows.embeds.clone()
    glyphs[:, WORDS:] += torch.randn(8).repeat(2)[:12]
    written = (denoiser(latents, times, rows._replace(embeds=glyphs)) - drawn).abs().amax((1, 2, 3))
    assert written[[0, 2]].min() > 1e-3
    assert written[1] == 0, "nothing is in quotes"


@given(st.text("ab'\"‘’“” \n", max_size=12))
def test_quoted_words_are_those_of_diffusers(prompt: str) -> None:
    assert glyph_text(prompt) == (extract_glyph_text(prompt) or "")


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "not distilled": ({"use_meanflow": False}, "This version plays the distilled HunyuanImage, which takes 8"),
    "patches": ({"patch_size": [2, 2]}, r"patch_size=\[2, 2\]; it must be \[1, 1\]"),
    "another vae": ({"in_channels": 16}, "takes 16 channels and returns 64; its vae has latents of 64"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_other_networks_are_refused(fault: str) -> None:
    changes, sentence = FAULTS[fault]
    HUNYUAN_IMAGE.check("folder", CONFIG, 64)
    with pytest.raises(ModelError, match=sentence):
        HUNYUAN_IMAGE.check("folder", CONFIG | changes, 64)


def test_texts_of_another_width() -> None:
    configurations = {
        "transformer": {"text_embed_dim": 16, "text_embed_2_dim": 12},
        "text_encoder": {"text_config": {"hidden_size": 16}},
        "text_encoder_2": {"d_model": 12},
    }
    parts = TextParts(str, str, configurations, {}, {})
    assert hunyuan_image_shape(parts).embeds == (WORDS + 128, 16)
    with pytest.raises(ModelError, match=r"width 12 \(text_embed_2_dim\), and the text_encoder_2 gives 8"):
        hunyuan_image_shape(TextParts(str, str, configurations | {"text_encoder_2": {"d_model": 8}}, {}, {}))
