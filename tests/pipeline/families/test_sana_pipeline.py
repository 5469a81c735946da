"""The stream against diffusers' SanaSprintPipeline, latent for latent, fresh noise and all."""

import pytest
import torch
from diffusers import SanaSprintPipeline, SanaTransformer2DModel, SCMScheduler
from side_by_side import HEARD, TOLERANCE, Order, drawn, farthest, start, words
from tiny_networks import sana_network

from pipeline.conditioning import EncodedText
from pipeline.families.sana import SanaDenoiser
from pipeline.noise import unit_noise
from pipeline.schedules.trigflow import trigflow_schedule

SHAPE, TOKENS = (4, 3, 5), 6
ORDERS = [Order(2, 0, 0, 4.5), Order(4, 1, 1, 2.0), Order(1, 2, 2, 6.0), Order(3, 3, 3, 4.5), Order(2, 1, 0, 1.0)]


def piped(
    transformer: SanaTransformer2DModel, order: Order, monkeypatch: pytest.MonkeyPatch, text: EncodedText | None = None
) -> torch.Tensor:
    pipe = SanaSprintPipeline(None, None, None, transformer, SCMScheduler())
    pipe.set_progress_bar_config(disable=True)
    rows = iter(range(1, order.steps + 1))  # the fresh noise of row r is the seed's noise r + 1
    monkeypatch.setattr(
        "diffusers.schedulers.scheduling_scm.randn_tensor",
        lambda shape, **_: unit_noise(order.seed, next(rows), tuple(shape)),
    )
    text = text or words(order.text, SanaDenoiser(transformer).conditioning(TOKENS)).positive
    latents = pipe(
        prompt_embeds=text.embeds[None],
        prompt_attention_mask=text.mask[None],
        latents=start(order, SHAPE),
        height=32 * SHAPE[1],
        width=32 * SHAPE[2],
        num_inference_steps=order.steps,
        intermediate_timesteps=1.3 if order.steps == 2 else None,
        guidance_scale=order.guidance,
        use_resolution_binning=False,
        output_type="latent",
    ).images
    assert next(rows, None) is None
    return latents


def test_the_stream_draws_what_sana_sprint_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    transformer = sana_network()
    denoiser = SanaDenoiser(transformer)
    shape = denoiser.conditioning(TOKENS)
    alone = [piped(transformer, order, monkeypatch) for order in ORDERS]
    for changed in ({"text": 9}, {"guidance": 2.5}, {"seed": 9}):
        assert farthest(piped(transformer, ORDERS[0]._replace(**changed), monkeypatch), alone[0]) > HEARD
    text = words(ORDERS[0].text, shape).positive
    unmasked = EncodedText(text.embeds, torch.ones_like(text.mask))
    assert farthest(piped(transformer, ORDERS[0], monkeypatch, unmasked), alone[0]) > HEARD

    run = drawn(
        denoiser,
        ORDERS,
        lambda order: trigflow_schedule(order.steps, 1.0),
        latent_shape=SHAPE,
        conditioning=shape,
        embedded_guidance=True,
    )
    assert run.mixed >= 3
    for latent, reference in zip(run.latents, alone, strict=True):
        assert farthest(latent, reference) < TOLERANCE
