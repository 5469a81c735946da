"""The stream equals diffusers' pipelines of Z-Image, latent for latent, for texts of different lengths."""

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, ZImageImg2ImgPipeline, ZImagePipeline
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
from tiny_networks import z_image_network

from pipeline.conditioning import EncodedText
from pipeline.families.family import PictureShape
from pipeline.families.z_image import Z_IMAGE, ZImageDenoiser
from pipeline.schedules.flow_matching import flow_matching_schedule
from presets.errors import ModelError

TOKENS = 70
"""Texts of up to three times the 32 tokens that the network pads to, and no multiple of them."""
SHAPES = [(4, 6, 8), (4, 8, 16)]
"""Pictures of 12 tokens, which are padded to 32, and of 32."""
FRAMES = [
    FrameSettings(4, 0, 0, 5.0),
    FrameSettings(2, 1, 1, 1.0),
    FrameSettings(6, 2, 2, 2.5),
    FrameSettings(1, 3, 3, 7.0),
    FrameSettings(4, 4, 0, 1.0),
]
SHARED = [
    FrameSettings(8, 0, 0, 3.5, 0.5),
    FrameSettings(5, 1, 1, 1.0, 1.0),
    FrameSettings(6, 2, 2, 2.5, 0.5),
    FrameSettings(1, 3, 3, 7.0, 1.0),
    FrameSettings(4, 4, 0, 3.0, 0.75),
]


def read_tokens(text: EncodedText) -> list[torch.Tensor]:
    """Return a text as diffusers takes it: without padding."""
    return [text.embeds[: int(text.mask.sum())]]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [ZImagePipeline, ZImageImg2ImgPipeline])
def test_stream_equals_z_image(kind: type, shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    # Two networks of the same weights: the adapter replaces the attention of its own.
    scheduler, denoiser = FlowMatchEulerDiscreteScheduler(shift=3.0), ZImageDenoiser(z_image_network(), shape)
    pipe = kind(scheduler, unused_autoencoder(), None, None, z_image_network())
    pipe.set_progress_bar_config(disable=True)
    texts, frames = denoiser.conditioning(TOKENS), FRAMES if kind is ZImagePipeline else SHARED
    lengths = {len(read_tokens(conditioning_for(frame.text, texts).positive)[0]) for frame in frames}
    assert len({-(-length // 32) for length in lengths}) > 1

    def draw_with_diffusers(frame: FrameSettings) -> torch.Tensor:
        text = conditioning_for(frame.text, texts)
        begin = {"latents": initial_noise(frame, shape)}
        if kind is ZImageImg2ImgPipeline:
            monkeypatch.setattr(f"{kind.__module__}.randn_tensor", lambda *_, **__: initial_noise(frame, shape))
            begin = {"image": source_latent(frame, shape), "strength": frame.strength}
        return pipe(
            prompt_embeds=read_tokens(text.positive),
            negative_prompt_embeds=read_tokens(text.negative),
            height=8 * shape[1],
            width=8 * shape[2],
            num_inference_steps=frame.steps,
            guidance_scale=frame.guidance - 1.0,  # its scale is that of what the prompt adds
            output_type="latent",
            **begin,
        ).images

    expected = [draw_with_diffusers(frame) for frame in frames]
    for changed in ({"text": 9}, {"guidance": 2.5}):
        assert max_difference(draw_with_diffusers(frames[0]._replace(**changed)), expected[0]) > MIN_EFFECT
    run = draw_in_stream(
        denoiser,
        frames,
        lambda frame: flow_matching_schedule(frame.steps, frame.strength, shift=3.0),
        latent_shape=shape,
        conditioning=texts,
        img2img=kind is ZImageImg2ImgPipeline,
    )
    assert_equal_latents(run, expected)


def test_untrained_size_is_refused() -> None:
    with pytest.raises(ModelError, match="at most 1024 pixels a side, after texts of 1022 tokens; 2048 × 64 after 512"):
        Z_IMAGE.adapter(z_image_network(), PictureShape(64, 2048, (4, 8, 256)))
