"""The stream equals diffusers' Stable Diffusion pipelines, latent for latent: PeRFlow and LCM."""

from functools import partial

import pytest
import torch
from diffusers import (
    LCMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
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
from tiny_networks import unet_network

from pipeline.diffusers_schedulers import PeRFlowScheduler
from pipeline.families.unet import UNetDenoiser
from pipeline.noise import unit_noise
from pipeline.schedule import FlowSchedule
from pipeline.schedules.lcm import lcm_schedule
from pipeline.schedules.perflow import Rule, perflow_schedule
from pipeline.schedules.perflow_windows import PredictionType
from presets.errors import ModelError

SHAPE, TOKENS, PIXELS = (4, 8, 8), 5, (64, 64)
RULES: tuple[Rule, ...] = ("continuous", "diffusers")
FRAMES = [
    FrameSettings(4, 0, 0, 5.0),
    FrameSettings(6, 1, 1, 1.0),
    FrameSettings(9, 2, 2, 2.5),
    FrameSettings(4, 3, 3, 7.0),
    FrameSettings(7, 1, 0, 1.0),
]


def pipeline_of(unet: UNet2DConditionModel, scheduler: object) -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline(None, None, None, unet, scheduler, None, None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw_with_diffusers(pipe: StableDiffusionPipeline, frame: FrameSettings) -> torch.Tensor:
    text = conditioning_for(frame.text, UNetDenoiser(pipe.unet, PIXELS).conditioning(TOKENS))
    return pipe(
        prompt_embeds=text.positive.embeds[None],
        negative_prompt_embeds=text.negative.embeds[None],
        latents=initial_noise(frame, SHAPE),
        num_inference_steps=frame.steps,
        guidance_scale=frame.guidance,
        output_type="latent",
    ).images


def perflow_frame(kind: PredictionType, rule: Rule, frame: FrameSettings) -> FlowSchedule:
    return perflow_schedule(frame.steps, 1.0, prediction_type=kind, rule=rule)


@pytest.mark.parametrize("kind", ["ddim_eps", "diff_eps", "velocity"])
def test_stream_equals_perflow(kind: PredictionType) -> None:
    unet = unet_network()
    pipe, denoiser = pipeline_of(unet, PeRFlowScheduler(prediction_type=kind)), UNetDenoiser(unet, PIXELS)
    expected = [draw_with_diffusers(pipe, frame) for frame in FRAMES]
    for changed in ({"text": 9}, {"guidance": 2.5}):
        assert max_difference(draw_with_diffusers(pipe, FRAMES[0]._replace(**changed)), expected[0]) > MIN_EFFECT
    for rule in RULES:
        run = draw_in_stream(
            denoiser,
            FRAMES,
            partial(perflow_frame, kind, rule),
            latent_shape=SHAPE,
            conditioning=denoiser.conditioning(TOKENS),
        )
        assert_equal_latents(run, expected)


@pytest.mark.parametrize("sdxl", [False, True])
def test_stream_equals_perflow_img2img(sdxl: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [
        FrameSettings(4, 0, 0, 5.0, 0.5),
        FrameSettings(6, 1, 1, 1.0, 0.7),
        FrameSettings(8, 2, 2, 2.5, 0.3),
        FrameSettings(2, 3, 3, 7.0, 0.5),  # fewer steps than windows: the entry is row 1 of 4
        FrameSettings(2, 1, 2, 1.0, 1.0),
        FrameSettings(5, 1, 0, 3.0, 1.0),
    ]
    unet, kind = unet_network(sizes=sdxl), "ddim_eps" if sdxl else "diff_eps"
    pipe = img2img_pipeline_of(unet, PeRFlowScheduler(prediction_type=kind))
    denoiser = UNetDenoiser(unet, PIXELS)
    shape = denoiser.conditioning(TOKENS)

    def draw_with_diffusers(frame: FrameSettings) -> torch.Tensor:
        monkeypatch.setattr(f"{type(pipe).__module__}.randn_tensor", lambda *_, **__: initial_noise(frame, SHAPE))
        text = conditioning_for(frame.text, shape)
        pooled = {}
        if sdxl:
            pooled["pooled_prompt_embeds"] = text.positive.pooled[None]
            pooled["negative_pooled_prompt_embeds"] = text.negative.pooled[None]
        return pipe(
            image=source_latent(frame, SHAPE),
            prompt_embeds=text.positive.embeds[None],
            negative_prompt_embeds=text.negative.embeds[None],
            strength=frame.strength,
            num_inference_steps=frame.steps,
            guidance_scale=frame.guidance,
            output_type="latent",
            **pooled,
        ).images

    expected = [draw_with_diffusers(frame) for frame in frames]
    for changed in ({"text": 9}, {"guidance": 2.5}, {"strength": 0.75}):
        assert max_difference(draw_with_diffusers(frames[0]._replace(**changed)), expected[0]) > MIN_EFFECT
    run = draw_in_stream(
        denoiser,
        frames,
        lambda frame: perflow_schedule(frame.steps, frame.strength, prediction_type=kind, rule="diffusers"),
        latent_shape=SHAPE,
        conditioning=shape,
        img2img=True,
    )
    assert_equal_latents(run, expected)


def img2img_pipeline_of(unet: UNet2DConditionModel, scheduler: object) -> object:
    if unet.config.addition_embed_type is None:
        parts = (None, None, None, unet, scheduler, None, None)
        pipe = StableDiffusionImg2ImgPipeline(*parts, requires_safety_checker=False)
    else:
        parts = (unused_autoencoder(), *(None,) * 4, unet, scheduler)
        pipe = StableDiffusionXLImg2ImgPipeline(*parts, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def test_stream_equals_perflow_sdxl() -> None:
    unet = unet_network(sizes=True)
    denoiser = UNetDenoiser(unet, PIXELS)
    shape = denoiser.conditioning(TOKENS)
    pipe = StableDiffusionXLPipeline(None, None, None, None, None, unet, PeRFlowScheduler(), add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)

    def draw_with_diffusers(frame: FrameSettings, size: tuple[int, int] | None = None) -> torch.Tensor:
        text = conditioning_for(frame.text, shape)
        return pipe(
            prompt_embeds=text.positive.embeds[None],
            pooled_prompt_embeds=text.positive.pooled[None],
            negative_prompt_embeds=text.negative.embeds[None],
            negative_pooled_prompt_embeds=text.negative.pooled[None],
            latents=initial_noise(frame, SHAPE),
            original_size=size,
            height=PIXELS[0],
            width=PIXELS[1],
            num_inference_steps=frame.steps,
            guidance_scale=frame.guidance,
            output_type="latent",
        ).images

    expected = [draw_with_diffusers(frame) for frame in FRAMES]
    for changed in ({"text": 9}, {"guidance": 2.5}):
        assert max_difference(draw_with_diffusers(FRAMES[0]._replace(**changed)), expected[0]) > MIN_EFFECT
    assert max_difference(draw_with_diffusers(FRAMES[0], (640, 20)), expected[0]) > MIN_EFFECT
    run = draw_in_stream(
        denoiser,
        FRAMES,
        lambda frame: perflow_schedule(frame.steps, 1.0),
        latent_shape=SHAPE,
        conditioning=shape,
    )
    assert_equal_latents(run, expected)


def test_stream_equals_lcm(monkeypatch: pytest.MonkeyPatch) -> None:
    unet = unet_network(guidance=32)
    pipe, denoiser = pipeline_of(unet, LCMScheduler(steps_offset=1)), UNetDenoiser(unet, PIXELS)
    assert denoiser.embedded_guidance

    def draw_with_noise(frame: FrameSettings) -> torch.Tensor:
        rows = iter(range(1, frame.steps))  # the last row adds no noise
        monkeypatch.setattr(
            "diffusers.schedulers.scheduling_lcm.randn_tensor",
            lambda shape, **_: unit_noise(frame.seed, next(rows), tuple(shape)),
        )
        latents = draw_with_diffusers(pipe, frame)
        assert next(rows, None) is None
        return latents

    expected = [draw_with_noise(frame) for frame in FRAMES]
    for changed in ({"text": 9}, {"guidance": 2.5}):
        assert max_difference(draw_with_noise(FRAMES[0]._replace(**changed)), expected[0]) > MIN_EFFECT
    run = draw_in_stream(
        denoiser,
        FRAMES,
        lambda frame: lcm_schedule(frame.steps, 1.0),
        latent_shape=SHAPE,
        conditioning=denoiser.conditioning(TOKENS),
        embedded_guidance=True,
    )
    assert_equal_latents(run, expected)


def test_unsupported_unet_is_refused() -> None:
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8,),
        layers_per_block=1,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        mid_block_type=None,
        norm_num_groups=4,
        class_embed_type="timestep",
    )
    with pytest.raises(ModelError, match="class_embed_type 'timestep'"):
        UNetDenoiser(unet, PIXELS)
