"""The stream equals diffusers' StableDiffusion3Pipeline, latent for latent, with guidance."""

import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3Pipeline,
)
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
from tiny_autoencoders import unused_autoencoder
from tiny_networks import sd3_network

from pipeline.diffusers_schedulers import FlowMatchEulerScheduler
from pipeline.families.sd3 import SD3Denoiser
from pipeline.schedules.flow_matching import flow_matching_schedule

SHAPE, TOKENS = (4, 6, 8), 5
FRAMES = [
    FrameSettings(4, 0, 0, 5.0),
    FrameSettings(2, 1, 1, 1.0),
    FrameSettings(6, 2, 2, 2.5),
    FrameSettings(1, 3, 3, 7.0),
    FrameSettings(4, 1, 0, 1.0),
]


def draw_with_diffusers(transformer: SD3Transformer2DModel, scheduler: object, frame: FrameSettings) -> torch.Tensor:
    pipe = StableDiffusion3Pipeline(transformer, scheduler, *(None,) * 7)
    pipe.set_progress_bar_config(disable=True)
    text = conditioning_for(frame.text, SD3Denoiser(transformer).conditioning(TOKENS))
    return pipe(
        prompt_embeds=text.positive.embeds[None],
        pooled_prompt_embeds=text.positive.pooled[None],
        negative_prompt_embeds=text.negative.embeds[None],
        negative_pooled_prompt_embeds=text.negative.pooled[None],
        latents=initial_noise(frame, SHAPE),
        height=8 * SHAPE[1],
        width=8 * SHAPE[2],
        num_inference_steps=frame.steps,
        guidance_scale=frame.guidance,
        output_type="latent",
    ).images


def test_stream_equals_sd3() -> None:
    transformer = sd3_network()
    scheduler, denoiser = FlowMatchEulerDiscreteScheduler(shift=3.0), SD3Denoiser(transformer)
    expected = [draw_with_diffusers(transformer, scheduler, frame) for frame in FRAMES]
    for changed in ({"text": 9}, {"guidance": 4.0}):
        assert (
            max_difference(draw_with_diffusers(transformer, scheduler, FRAMES[0]._replace(**changed)), expected[0])
            > MIN_EFFECT
        )
    run = draw_in_stream(
        denoiser,
        FRAMES,
        lambda frame: flow_matching_schedule(frame.steps, 1.0, shift=3.0, sigmas="scheduler"),
        latent_shape=SHAPE,
        conditioning=denoiser.conditioning(TOKENS),
    )
    assert_equal_latents(run, expected)


def test_our_scheduler_equals_diffusers() -> None:
    transformer = sd3_network()
    for frame in FRAMES[:3]:
        theirs, ours = (
            draw_with_diffusers(transformer, scheduler(shift=3.0), frame)
            for scheduler in (FlowMatchEulerDiscreteScheduler, FlowMatchEulerScheduler)
        )
        assert torch.equal(theirs, ours)


def test_stream_equals_sd3_img2img(monkeypatch: pytest.MonkeyPatch) -> None:
    transformer = sd3_network()
    denoiser = SD3Denoiser(transformer)
    shape = denoiser.conditioning(TOKENS)
    autoencoder = unused_autoencoder()
    pipe = StableDiffusion3Img2ImgPipeline(transformer, FlowMatchEulerScheduler(shift=3.0), autoencoder, *(None,) * 6)
    pipe.set_progress_bar_config(disable=True)
    entries = dict[FrameSettings, float]()

    def draw_with_diffusers(frame: FrameSettings) -> torch.Tensor:
        monkeypatch.setattr(
            "diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3_img2img.randn_tensor",
            lambda *_, **__: initial_noise(frame, SHAPE),
        )
        text = conditioning_for(frame.text, shape)
        latents = pipe(
            image=source_latent(frame, SHAPE),
            prompt_embeds=text.positive.embeds[None],
            pooled_prompt_embeds=text.positive.pooled[None],
            negative_prompt_embeds=text.negative.embeds[None],
            negative_pooled_prompt_embeds=text.negative.pooled[None],
            height=8 * SHAPE[1],
            width=8 * SHAPE[2],
            strength=frame.strength,
            num_inference_steps=frame.steps,
            guidance_scale=frame.guidance,
            output_type="latent",
        ).images
        # The pipeline's strength counts rows. The stream's strength is the σ of the entry row before the shift.
        sigma = float(pipe.scheduler.sigmas[pipe.scheduler.begin_index])
        entries[frame] = sigma / (3.0 - 2.0 * sigma)
        return latents

    frames = [
        FrameSettings(8, 0, 0, 5.0, 0.5),
        FrameSettings(5, 1, 1, 1.0, 1.0),
        FrameSettings(6, 2, 2, 2.5, 0.7),
        FrameSettings(1, 3, 3, 7.0, 1.0),
        FrameSettings(7, 1, 0, 3.0, 0.8),
    ]
    expected = [draw_with_diffusers(frame) for frame in frames]
    for changed in ({"text": 9}, {"strength": 0.75}):
        assert max_difference(draw_with_diffusers(frames[0]._replace(**changed)), expected[0]) > MIN_EFFECT
    run = draw_in_stream(
        denoiser,
        frames,
        lambda frame: flow_matching_schedule(frame.steps, entries[frame], shift=3.0, sigmas="scheduler"),
        latent_shape=SHAPE,
        conditioning=shape,
        img2img=True,
    )
    assert_equal_latents(run, expected)
