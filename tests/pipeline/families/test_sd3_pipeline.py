"""The stream against diffusers' StableDiffusion3Pipeline, latent for latent, guided."""

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3Pipeline,
)
from side_by_side import HEARD, TOLERANCE, Order, drawn, farthest, source, start, words
from tiny_networks import sd3_network

from pipeline.diffusers_schedulers import FlowMatchEulerScheduler
from pipeline.families.sd3 import SD3Denoiser
from pipeline.schedules.flow_matching import flow_matching_schedule

SHAPE, TOKENS = (4, 6, 8), 5
ORDERS = [Order(4, 0, 0, 5.0), Order(2, 1, 1, 1.0), Order(6, 2, 2, 2.5), Order(1, 3, 3, 7.0), Order(4, 1, 0, 1.0)]


def piped(transformer: SD3Transformer2DModel, scheduler: object, order: Order) -> torch.Tensor:
    pipe = StableDiffusion3Pipeline(transformer, scheduler, *(None,) * 7)
    pipe.set_progress_bar_config(disable=True)
    text = words(order.text, SD3Denoiser(transformer).conditioning(TOKENS))
    return pipe(
        prompt_embeds=text.positive.embeds[None],
        pooled_prompt_embeds=text.positive.pooled[None],
        negative_prompt_embeds=text.negative.embeds[None],
        negative_pooled_prompt_embeds=text.negative.pooled[None],
        latents=start(order, SHAPE),
        height=8 * SHAPE[1],
        width=8 * SHAPE[2],
        num_inference_steps=order.steps,
        guidance_scale=order.guidance,
        output_type="latent",
    ).images


def test_the_stream_draws_what_stable_diffusion_3_draws() -> None:
    transformer = sd3_network()
    scheduler, denoiser = FlowMatchEulerDiscreteScheduler(shift=3.0), SD3Denoiser(transformer)
    alone = [piped(transformer, scheduler, order) for order in ORDERS]
    for changed in ({"text": 9}, {"guidance": 4.0}):
        assert farthest(piped(transformer, scheduler, ORDERS[0]._replace(**changed)), alone[0]) > HEARD
    run = drawn(
        denoiser,
        ORDERS,
        lambda order: flow_matching_schedule(order.steps, 1.0, shift=3.0, sigmas="scheduler"),
        latent_shape=SHAPE,
        conditioning=denoiser.conditioning(TOKENS),
    )
    assert run.mixed >= 3
    for latent, reference in zip(run.latents, alone, strict=True):
        assert farthest(latent, reference) < TOLERANCE


def test_our_scheduler_in_its_place_changes_nothing() -> None:
    transformer = sd3_network()
    for order in ORDERS[:3]:
        theirs, ours = (
            piped(transformer, scheduler(shift=3.0), order)
            for scheduler in (FlowMatchEulerDiscreteScheduler, FlowMatchEulerScheduler)
        )
        assert torch.equal(theirs, ours)


def test_the_stream_redraws_what_stable_diffusion_3_redraws(monkeypatch: pytest.MonkeyPatch) -> None:
    transformer = sd3_network()
    denoiser = SD3Denoiser(transformer)
    shape = denoiser.conditioning(TOKENS)
    autoencoder = AutoencoderKL(
        block_out_channels=(4,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
        latent_channels=4,
    )
    # Any of the model's schedulers: ours, here.
    pipe = StableDiffusion3Img2ImgPipeline(transformer, FlowMatchEulerScheduler(shift=3.0), autoencoder, *(None,) * 6)
    pipe.set_progress_bar_config(disable=True)
    entries = dict[Order, float]()

    def piped(order: Order) -> torch.Tensor:
        monkeypatch.setattr(
            "diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3_img2img.randn_tensor",
            lambda *_, **__: start(order, SHAPE),
        )
        text = words(order.text, shape)
        latents = pipe(
            image=source(order, SHAPE),
            prompt_embeds=text.positive.embeds[None],
            pooled_prompt_embeds=text.positive.pooled[None],
            negative_prompt_embeds=text.negative.embeds[None],
            negative_pooled_prompt_embeds=text.negative.pooled[None],
            height=8 * SHAPE[1],
            width=8 * SHAPE[2],
            strength=order.strength,
            num_inference_steps=order.steps,
            guidance_scale=order.guidance,
            output_type="latent",
        ).images
        # The pipeline's strength counts rows; what it comes to is the noise of the row that it enters at.
        entries[order] = float(pipe.scheduler.sigmas[pipe.scheduler.begin_index])
        return latents

    orders = [
        Order(8, 0, 0, 5.0, 0.5),
        Order(5, 1, 1, 1.0, 1.0),
        Order(6, 2, 2, 2.5, 0.7),
        Order(1, 3, 3, 7.0, 1.0),
        Order(7, 1, 0, 3.0, 0.8),
    ]
    alone = [piped(order) for order in orders]
    for changed in ({"text": 9}, {"strength": 0.75}):
        assert farthest(piped(orders[0]._replace(**changed)), alone[0]) > HEARD
    run = drawn(
        denoiser,
        orders,
        lambda order: flow_matching_schedule(order.steps, entries[order], shift=3.0, sigmas="scheduler"),
        latent_shape=SHAPE,
        conditioning=shape,
        pictures=True,
    )
    assert run.mixed >= 3
    for latent, reference in zip(run.latents, alone, strict=True):
        assert farthest(latent, reference) < TOLERANCE
