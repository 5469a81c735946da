"""The stream against diffusers' Stable Diffusion pipelines, latent for latent: PeRFlow and LCM."""

import pytest
import torch
from diffusers import (
    LCMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from side_by_side import HEARD, TOLERANCE, Order, drawn, farthest, source, start, words
from tiny_networks import unet_network

from pipeline.diffusers_schedulers import PeRFlowScheduler
from pipeline.families.unet import UNetDenoiser
from pipeline.noise import unit_noise
from pipeline.schedules.lcm import lcm_schedule
from pipeline.schedules.perflow import Rule, perflow_schedule
from pipeline.schedules.windows import PredictionType
from presets.errors import ModelError

SHAPE, TOKENS, PIXELS = (4, 8, 8), 5, (64, 64)
ORDERS = [Order(4, 0, 0, 5.0), Order(6, 1, 1, 1.0), Order(9, 2, 2, 2.5), Order(4, 3, 3, 7.0), Order(7, 1, 0, 1.0)]


def pipeline_of(unet: UNet2DConditionModel, scheduler: object) -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline(None, None, None, unet, scheduler, None, None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def piped(pipe: StableDiffusionPipeline, order: Order) -> torch.Tensor:
    text = words(order.text, UNetDenoiser(pipe.unet, PIXELS).conditioning(TOKENS))
    return pipe(
        prompt_embeds=text.positive.embeds[None],
        negative_prompt_embeds=text.negative.embeds[None],
        latents=start(order, SHAPE),
        num_inference_steps=order.steps,
        guidance_scale=order.guidance,
        output_type="latent",
    ).images


@pytest.mark.parametrize("kind", ["ddim_eps", "diff_eps", "velocity"])
@pytest.mark.parametrize("rule", ["continuous", "diffusers"])
def test_the_stream_draws_what_perflow_draws(kind: PredictionType, rule: Rule) -> None:
    unet = unet_network()
    pipe, denoiser = pipeline_of(unet, PeRFlowScheduler(prediction_type=kind)), UNetDenoiser(unet, PIXELS)
    alone = [piped(pipe, order) for order in ORDERS]
    for changed in ({"text": 9}, {"guidance": 2.5}):
        assert farthest(piped(pipe, ORDERS[0]._replace(**changed)), alone[0]) > HEARD
    run = drawn(
        denoiser,
        ORDERS,
        lambda order: perflow_schedule(order.steps, 1.0, prediction_type=kind, rule=rule),
        latent_shape=SHAPE,
        conditioning=denoiser.conditioning(TOKENS),
    )
    assert run.mixed >= 3
    for latent, reference in zip(run.latents, alone, strict=True):
        assert farthest(latent, reference) < TOLERANCE


def test_the_stream_redraws_what_perflow_redraws(monkeypatch: pytest.MonkeyPatch) -> None:
    unet, orders = unet_network(), [
        Order(4, 0, 0, 5.0, 0.5),
        Order(6, 1, 1, 1.0, 0.7),
        Order(8, 2, 2, 2.5, 0.3),
        Order(2, 3, 3, 7.0, 0.5),  # fewer steps than windows: the original enters at row 1 of 4
        Order(2, 1, 2, 1.0, 1.0),
        Order(5, 1, 0, 3.0, 1.0),
    ]  # fmt: skip
    pipe = StableDiffusionImg2ImgPipeline(
        None, None, None, unet, PeRFlowScheduler(prediction_type="diff_eps"), None, None, requires_safety_checker=False
    )
    pipe.set_progress_bar_config(disable=True)
    denoiser = UNetDenoiser(unet, PIXELS)
    shape = denoiser.conditioning(TOKENS)

    def piped(order: Order) -> torch.Tensor:
        monkeypatch.setattr(
            "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img.randn_tensor",
            lambda *_, **__: start(order, SHAPE),
        )
        text = words(order.text, shape)
        return pipe(
            image=source(order, SHAPE),
            prompt_embeds=text.positive.embeds[None],
            negative_prompt_embeds=text.negative.embeds[None],
            strength=order.strength,
            num_inference_steps=order.steps,
            guidance_scale=order.guidance,
            output_type="latent",
        ).images

    alone = [piped(order) for order in orders]
    for changed in ({"text": 9}, {"guidance": 2.5}, {"strength": 0.75}):
        assert farthest(piped(orders[0]._replace(**changed)), alone[0]) > HEARD
    run = drawn(
        denoiser,
        orders,
        lambda order: perflow_schedule(order.steps, order.strength, prediction_type="diff_eps", rule="diffusers"),
        latent_shape=SHAPE,
        conditioning=shape,
        pictures=True,
    )
    assert run.mixed >= 3
    for latent, reference in zip(run.latents, alone, strict=True):
        assert farthest(latent, reference) < TOLERANCE


def test_the_stream_draws_what_sdxl_draws_with_perflow() -> None:
    unet = unet_network(sizes=True)
    denoiser = UNetDenoiser(unet, PIXELS)
    shape = denoiser.conditioning(TOKENS)
    pipe = StableDiffusionXLPipeline(None, None, None, None, None, unet, PeRFlowScheduler(), add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)

    def piped(order: Order, size: tuple[int, int] | None = None) -> torch.Tensor:
        text = words(order.text, shape)
        return pipe(
            prompt_embeds=text.positive.embeds[None],
            pooled_prompt_embeds=text.positive.pooled[None],
            negative_prompt_embeds=text.negative.embeds[None],
            negative_pooled_prompt_embeds=text.negative.pooled[None],
            latents=start(order, SHAPE),
            original_size=size,
            height=PIXELS[0],
            width=PIXELS[1],
            num_inference_steps=order.steps,
            guidance_scale=order.guidance,
            output_type="latent",
        ).images

    alone = [piped(order) for order in ORDERS]
    for changed in ({"text": 9}, {"guidance": 2.5}):
        assert farthest(piped(ORDERS[0]._replace(**changed)), alone[0]) > HEARD
    assert farthest(piped(ORDERS[0], (640, 20)), alone[0]) > HEARD
    run = drawn(
        denoiser,
        ORDERS,
        lambda order: perflow_schedule(order.steps, 1.0),
        latent_shape=SHAPE,
        conditioning=shape,
    )
    assert run.mixed >= 3
    for latent, reference in zip(run.latents, alone, strict=True):
        assert farthest(latent, reference) < TOLERANCE


def test_the_stream_draws_what_lcm_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    unet = unet_network(guidance=32)
    pipe, denoiser = pipeline_of(unet, LCMScheduler(steps_offset=1)), UNetDenoiser(unet, PIXELS)
    assert denoiser.embedded_guidance

    def noisy(order: Order) -> torch.Tensor:
        rows = iter(range(1, order.steps))  # the last row adds none
        monkeypatch.setattr(
            "diffusers.schedulers.scheduling_lcm.randn_tensor",
            lambda shape, **_: unit_noise(order.seed, next(rows), tuple(shape)),
        )
        latents = piped(pipe, order)
        assert next(rows, None) is None
        return latents

    alone = [noisy(order) for order in ORDERS]
    for changed in ({"text": 9}, {"guidance": 2.5}):
        assert farthest(noisy(ORDERS[0]._replace(**changed)), alone[0]) > HEARD
    run = drawn(
        denoiser,
        ORDERS,
        lambda order: lcm_schedule(order.steps, 1.0),
        latent_shape=SHAPE,
        conditioning=denoiser.conditioning(TOKENS),
        embedded_guidance=True,
    )
    assert run.mixed >= 3
    for latent, reference in zip(run.latents, alone, strict=True):
        assert farthest(latent, reference) < TOLERANCE


def test_a_unet_that_wants_more_than_a_stream_can_tell_is_refused() -> None:
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
