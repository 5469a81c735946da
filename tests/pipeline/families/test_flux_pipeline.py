"""The stream against diffusers' FluxPipeline, latent for latent."""

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from side_by_side import HEARD, TOLERANCE, Order, drawn, farthest, start, words
from tiny_networks import flux_network

from pipeline.families.flux import FluxDenoiser
from pipeline.schedules.flow_matching import flow_matching_schedule, linear_mu
from presets.errors import ModelError, StreamError

SHAPE, TOKENS = (4, 6, 8), 5
GUIDED = [Order(4, 0, 0, 3.5), Order(2, 1, 1, 1.0), Order(5, 2, 2, 6.0), Order(1, 3, 3, 2.0), Order(4, 1, 0, 1.0)]


def pipeline_of(transformer: FluxTransformer2DModel) -> FluxPipeline:
    """With the scheduler's settings of FLUX.1-dev, or of FLUX.1-schnell."""
    dev = {"shift": 3.0, "use_dynamic_shifting": True}
    scheduler = FlowMatchEulerDiscreteScheduler(**dev if transformer.config.guidance_embeds else {"shift": 1.0})
    pipe = FluxPipeline(scheduler, None, None, None, None, None, transformer)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def piped(pipe: FluxPipeline, order: Order) -> torch.Tensor:
    text = words(order.text, FluxDenoiser(pipe.transformer, SHAPE).conditioning(TOKENS)).positive
    channels, height, width = SHAPE
    tokens = pipe(
        prompt_embeds=text.embeds[None],
        pooled_prompt_embeds=text.pooled[None],
        latents=pipe._pack_latents(start(order, SHAPE), 1, channels, height, width),
        height=8 * height,
        width=8 * width,
        num_inference_steps=order.steps,
        guidance_scale=order.guidance,
        output_type="latent",
    ).images
    return pipe._unpack_latents(tokens, 8 * height, 8 * width, 8)


@pytest.mark.parametrize("guided", [False, True])
def test_the_stream_draws_what_flux_draws(guided: bool) -> None:
    transformer = flux_network(guided)
    pipe, denoiser = pipeline_of(transformer), FluxDenoiser(transformer, SHAPE)
    alone = [piped(pipe, order) for order in GUIDED]
    heard = {"text": 9, "guidance": 2.5} if guided else {"text": 9}
    for name, value in heard.items():
        assert farthest(piped(pipe, GUIDED[0]._replace(**{name: value})), alone[0]) > HEARD

    run = drawn(
        denoiser,
        # The guidance is an input of the network, or nothing at all: schnell has no second row either.
        GUIDED if guided else [order._replace(guidance=1.0) for order in GUIDED],
        lambda order: flow_matching_schedule(
            order.steps, 1.0, mu=linear_mu(SHAPE[1] * SHAPE[2] // 4) if guided else None
        ),
        latent_shape=SHAPE,
        conditioning=denoiser.conditioning(TOKENS),
        embedded_guidance=denoiser.embedded_guidance,
    )
    assert run.mixed >= 3
    for latent, reference in zip(run.latents, alone, strict=True):
        assert farthest(latent, reference) < TOLERANCE


def test_a_latent_that_makes_no_whole_tokens_is_refused() -> None:
    transformer = flux_network(False)
    for shape in ((4, 5, 8), (4, 6, 7), (3, 6, 8)):
        with pytest.raises(StreamError, match="latent_shape"):
            FluxDenoiser(transformer, shape)


def test_a_network_that_answers_fewer_channels_is_refused() -> None:
    transformer = FluxTransformer2DModel(
        in_channels=32,
        out_channels=16,
        num_layers=1,
        num_single_layers=0,
        attention_head_dim=16,
        num_attention_heads=1,
        axes_dims_rope=(4, 4, 8),
    )
    with pytest.raises(ModelError, match="32 channels and answers 16"):
        FluxDenoiser(transformer, (8, 4, 4))
