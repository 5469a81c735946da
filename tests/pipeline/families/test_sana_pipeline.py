"""The stream equals diffusers' SanaSprintPipeline, latent for latent, including fresh noise."""

import pytest
import torch
from diffusers import SanaSprintPipeline, SanaTransformer2DModel, SCMScheduler
from stream_comparison import (
    MIN_EFFECT,
    FrameSettings,
    assert_equal_latents,
    conditioning_for,
    draw_in_stream,
    initial_noise,
    max_difference,
)
from tiny_networks import sana_network

from pipeline.conditioning import EncodedText
from pipeline.families.sana import SanaDenoiser
from pipeline.noise import unit_noise
from pipeline.schedules.trigflow import trigflow_schedule

SHAPE, TOKENS = (4, 3, 5), 6
FRAMES = [
    FrameSettings(2, 0, 0, 4.5),
    FrameSettings(4, 1, 1, 2.0),
    FrameSettings(1, 2, 2, 6.0),
    FrameSettings(3, 3, 3, 4.5),
    FrameSettings(2, 1, 0, 1.0),
]


def draw_with_diffusers(
    transformer: SanaTransformer2DModel,
    frame: FrameSettings,
    monkeypatch: pytest.MonkeyPatch,
    text: EncodedText | None = None,
) -> torch.Tensor:
    pipe = SanaSprintPipeline(None, None, None, transformer, SCMScheduler())
    pipe.set_progress_bar_config(disable=True)
    rows = iter(range(1, frame.steps + 1))  # the fresh noise of row r is noise r + 1 of the seed
    monkeypatch.setattr(
        "diffusers.schedulers.scheduling_scm.randn_tensor",
        lambda shape, **_: unit_noise(frame.seed, next(rows), tuple(shape)),
    )
    text = text or conditioning_for(frame.text, SanaDenoiser(transformer).conditioning(TOKENS)).positive
    latents = pipe(
        prompt_embeds=text.embeds[None],
        prompt_attention_mask=text.mask[None],
        latents=initial_noise(frame, SHAPE),
        height=32 * SHAPE[1],
        width=32 * SHAPE[2],
        num_inference_steps=frame.steps,
        intermediate_timesteps=1.3 if frame.steps == 2 else None,
        guidance_scale=frame.guidance,
        use_resolution_binning=False,
        output_type="latent",
    ).images
    assert next(rows, None) is None
    return latents


def test_stream_equals_sana_sprint(monkeypatch: pytest.MonkeyPatch) -> None:
    transformer = sana_network()
    denoiser = SanaDenoiser(transformer)
    shape = denoiser.conditioning(TOKENS)
    expected = [draw_with_diffusers(transformer, frame, monkeypatch) for frame in FRAMES]
    for changed in ({"text": 9}, {"guidance": 2.5}, {"seed": 9}):
        assert (
            max_difference(draw_with_diffusers(transformer, FRAMES[0]._replace(**changed), monkeypatch), expected[0])
            > MIN_EFFECT
        )
    text = conditioning_for(FRAMES[0].text, shape).positive
    unmasked = EncodedText(text.embeds, torch.ones_like(text.mask))
    assert max_difference(draw_with_diffusers(transformer, FRAMES[0], monkeypatch, unmasked), expected[0]) > MIN_EFFECT

    run = draw_in_stream(
        denoiser,
        FRAMES,
        lambda frame: trigflow_schedule(frame.steps, 1.0),
        latent_shape=SHAPE,
        conditioning=shape,
        embedded_guidance=True,
    )
    assert_equal_latents(run, expected)
