"""The stream equals diffusers' SanaSprintPipeline, latent for latent, including fresh noise."""

import pytest
import torch
from diffusers import SanaSprintImg2ImgPipeline, SanaSprintPipeline, SanaTransformer2DModel, SCMScheduler
from stream_comparison import (
    MIN_EFFECT,
    FrameSettings,
    assert_equal_latents,
    conditioning_for,
    draw_in_stream,
    initial_noise,
    max_difference,
    source_latent,
)
from tiny_autoencoders import dc_autoencoder
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


def test_stream_equals_sana_img2img(monkeypatch: pytest.MonkeyPatch) -> None:
    transformer = sana_network()
    denoiser = SanaDenoiser(transformer)
    shape = denoiser.conditioning(TOKENS)
    pipe = SanaSprintImg2ImgPipeline(None, None, dc_autoencoder(), transformer, SCMScheduler())
    pipe.set_progress_bar_config(disable=True)
    entries = dict[FrameSettings, float]()

    def draw(frame: FrameSettings) -> torch.Tensor:
        rows = iter(range(1, frame.steps + 1))
        monkeypatch.setattr(  # the noise of the entry
            "diffusers.pipelines.sana.pipeline_sana_sprint_img2img.randn_tensor",
            lambda shape, **_: initial_noise(frame, SHAPE),
        )
        monkeypatch.setattr(
            "diffusers.schedulers.scheduling_scm.randn_tensor",
            lambda shape, **_: unit_noise(frame.seed, next(rows), tuple(shape)),
        )
        # A latent in place of the picture, in the units of the pipeline.
        source = pipe.scheduler.config.sigma_data * source_latent(frame, SHAPE)
        monkeypatch.setattr(pipe, "prepare_image", lambda *_: source)
        text = conditioning_for(frame.text, shape).positive
        latents = pipe(
            image=source,
            prompt_embeds=text.embeds[None],
            prompt_attention_mask=text.mask[None],
            height=32 * SHAPE[1],
            width=32 * SHAPE[2],
            num_inference_steps=frame.steps,
            intermediate_timesteps=None,
            guidance_scale=frame.guidance,
            strength=frame.strength,
            use_resolution_binning=False,
            output_type="latent",
        ).images
        # Its strength counts rows. The stream's is the share of the angle at which a frame enters.
        entries[frame] = float(pipe.scheduler.timesteps[pipe.scheduler.begin_index] / pipe.scheduler.timesteps[0])
        return latents

    frames = [
        FrameSettings(4, 0, 0, 4.5, 0.5),
        FrameSettings(3, 1, 1, 2.0, 0.7),
        FrameSettings(6, 2, 2, 6.0, 0.8),
        FrameSettings(2, 3, 3, 4.5, 0.5),
        FrameSettings(4, 1, 0, 1.0, 0.75),
    ]
    expected = [draw(frame) for frame in frames]
    for changed in ({"text": 9}, {"strength": 0.75}, {"guidance": 2.5}):
        assert max_difference(draw(frames[0]._replace(**changed)), expected[0]) > MIN_EFFECT
    run = draw_in_stream(
        denoiser,
        frames,
        lambda frame: trigflow_schedule(frame.steps, entries[frame]),
        latent_shape=SHAPE,
        conditioning=shape,
        embedded_guidance=True,
        img2img=True,
    )
    assert_equal_latents(run, expected)
