"""The stream equals diffusers' FluxPipeline, latent for latent."""

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxImg2ImgPipeline, FluxPipeline, FluxTransformer2DModel
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
from tiny_networks import flux_network

from pipeline.families.flux import FluxDenoiser
from pipeline.schedules.dynamic_shift import linear_mu
from pipeline.schedules.flow_matching import flow_matching_schedule
from presets.errors import ModelError, StreamError

SHAPE, TOKENS = (4, 6, 8), 5
GUIDED = [
    FrameSettings(4, 0, 0, 3.5),
    FrameSettings(2, 1, 1, 1.0),
    FrameSettings(5, 2, 2, 6.0),
    FrameSettings(1, 3, 3, 2.0),
    FrameSettings(4, 1, 0, 1.0),
]


def pipeline_of(transformer: FluxTransformer2DModel, kind: type = FluxPipeline) -> FluxPipeline:
    """Return a pipeline with the scheduler settings of FLUX.1-dev if guided, otherwise of FLUX.1-schnell."""
    dev = {"shift": 3.0, "use_dynamic_shifting": True}
    scheduler = FlowMatchEulerDiscreteScheduler(**dev if transformer.config.guidance_embeds else {"shift": 1.0})
    pipe = kind(scheduler, unused_autoencoder(), None, None, None, None, transformer)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw_with_diffusers(pipe: FluxPipeline, frame: FrameSettings) -> torch.Tensor:
    text = conditioning_for(frame.text, FluxDenoiser(pipe.transformer, SHAPE).conditioning(TOKENS)).positive
    channels, height, width = SHAPE
    tokens = pipe(
        prompt_embeds=text.embeds[None],
        pooled_prompt_embeds=text.pooled[None],
        latents=pipe._pack_latents(initial_noise(frame, SHAPE), 1, channels, height, width),
        height=8 * height,
        width=8 * width,
        num_inference_steps=frame.steps,
        guidance_scale=frame.guidance,
        output_type="latent",
    ).images
    return pipe._unpack_latents(tokens, 8 * height, 8 * width, 8)


@pytest.mark.parametrize("guided", [False, True])
def test_stream_equals_flux(guided: bool) -> None:
    transformer = flux_network(guided)
    pipe, denoiser = pipeline_of(transformer), FluxDenoiser(transformer, SHAPE)
    expected = [draw_with_diffusers(pipe, frame) for frame in GUIDED]
    changes = {"text": 9, "guidance": 2.5} if guided else {"text": 9}
    for name, value in changes.items():
        assert max_difference(draw_with_diffusers(pipe, GUIDED[0]._replace(**{name: value})), expected[0]) > MIN_EFFECT

    run = draw_in_stream(
        denoiser,
        # FLUX.1-schnell has no guidance, neither embedded nor as a second row.
        GUIDED if guided else [frame._replace(guidance=1.0) for frame in GUIDED],
        lambda frame: flow_matching_schedule(
            frame.steps, 1.0, mu=linear_mu(SHAPE[1] * SHAPE[2] // 4) if guided else None
        ),
        latent_shape=SHAPE,
        conditioning=denoiser.conditioning(TOKENS),
        embedded_guidance=denoiser.embedded_guidance,
    )
    assert_equal_latents(run, expected)


def test_stream_equals_flux_img2img(monkeypatch: pytest.MonkeyPatch) -> None:
    transformer = flux_network(True)
    pipe, denoiser = pipeline_of(transformer, FluxImg2ImgPipeline), FluxDenoiser(transformer, SHAPE)
    frames = [
        FrameSettings(8, 0, 0, 3.5, 0.5),
        FrameSettings(5, 1, 1, 1.0, 1.0),
        FrameSettings(6, 2, 2, 2.5, 0.5),
        FrameSettings(1, 3, 3, 7.0, 1.0),
        FrameSettings(4, 1, 0, 3.0, 0.75),
    ]

    def draw_with_diffusers(frame: FrameSettings) -> torch.Tensor:
        monkeypatch.setattr(f"{type(pipe).__module__}.randn_tensor", lambda *_, **__: initial_noise(frame, SHAPE))
        text = conditioning_for(frame.text, denoiser.conditioning(TOKENS)).positive
        size = {"height": 8 * SHAPE[1], "width": 8 * SHAPE[2]}
        tokens = pipe(
            image=source_latent(frame, SHAPE),
            prompt_embeds=text.embeds[None],
            pooled_prompt_embeds=text.pooled[None],
            strength=frame.strength,
            num_inference_steps=frame.steps,
            guidance_scale=frame.guidance,
            output_type="latent",
            **size,
        ).images
        return pipe._unpack_latents(tokens, *size.values(), 8)

    expected = [draw_with_diffusers(frame) for frame in frames]
    for changed in ({"text": 9}, {"guidance": 2.5}, {"strength": 0.75}):
        assert max_difference(draw_with_diffusers(frames[0]._replace(**changed)), expected[0]) > MIN_EFFECT
    run = draw_in_stream(
        denoiser,
        frames,
        lambda frame: flow_matching_schedule(frame.steps, frame.strength, mu=linear_mu(SHAPE[1] * SHAPE[2] // 4)),
        latent_shape=SHAPE,
        conditioning=denoiser.conditioning(TOKENS),
        embedded_guidance=True,
        img2img=True,
    )
    assert_equal_latents(run, expected)


def test_odd_latent_is_refused() -> None:
    transformer = flux_network(False)
    for shape in ((4, 5, 8), (4, 6, 7), (3, 6, 8)):
        with pytest.raises(StreamError, match="latent_shape"):
            FluxDenoiser(transformer, shape)


def test_unequal_channels_are_refused() -> None:
    transformer = FluxTransformer2DModel(
        in_channels=32,
        out_channels=16,
        num_layers=1,
        num_single_layers=0,
        attention_head_dim=16,
        num_attention_heads=1,
        axes_dims_rope=(4, 4, 8),
    )
    with pytest.raises(ModelError, match="32 channels and returns 16"):
        FluxDenoiser(transformer, (8, 4, 4))
