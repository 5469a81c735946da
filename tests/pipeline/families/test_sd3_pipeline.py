"""The stream against diffusers' StableDiffusion3Pipeline, latent for latent, guided."""

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from side_by_side import HEARD, TOLERANCE, Order, drawn, farthest, louder, start, words

from pipeline.families.sd3 import SD3Denoiser
from pipeline.schedulers import FlowMatchEulerScheduler
from pipeline.schedules.flow_matching import flow_matching_schedule

SHAPE, TOKENS = (4, 6, 8), 5
ORDERS = [Order(4, 0, 0, 5.0), Order(2, 1, 1, 1.0), Order(6, 2, 2, 2.5), Order(1, 3, 3, 7.0), Order(4, 1, 0, 1.0)]


def network() -> SD3Transformer2DModel:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        transformer = SD3Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=12,
            caption_projection_dim=16,
            pooled_projection_dim=6,
            out_channels=4,
            pos_embed_max_size=8,
            dual_attention_layers=(0,),
            qk_norm="rms_norm",
        )
    louder(transformer, ["add_v_proj", "context_embedder", "text_embedder", "proj_out"], 2.0)
    return transformer.eval()


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
    transformer = network()
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
    transformer = network()
    for order in ORDERS[:3]:
        theirs, ours = (
            piped(transformer, scheduler(shift=3.0), order)
            for scheduler in (FlowMatchEulerDiscreteScheduler, FlowMatchEulerScheduler)
        )
        assert torch.equal(theirs, ours)
