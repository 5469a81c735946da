"""Every adapter reads nothing back from the device, works in half types, and treats rows independently."""

import pytest
import torch
from diffusers import LCMScheduler, StableDiffusionPipeline
from stream_comparison import conditioning_for
from tiny_networks import (
    flux2_network,
    flux_network,
    hunyuan_network,
    sana_network,
    sd3_network,
    unet_network,
    z_image_network,
)
from torch import nn

from pipeline.conditioning import EncodedText
from pipeline.denoiser import ConditioningRows
from pipeline.families.flux import FluxDenoiser
from pipeline.families.flux2 import Flux2Denoiser
from pipeline.families.hunyuan_image import HunyuanImageDenoiser
from pipeline.families.sana import SanaDenoiser
from pipeline.families.sd3 import SD3Denoiser
from pipeline.families.unet import UNetDenoiser
from pipeline.families.z_image import ZImageDenoiser
from pipeline.guidance import Guidance
from pipeline.schedules.lcm import lcm_schedule
from pipeline.stream import StreamPipeline
from pipeline.text_encoders.hunyuan_image import WORDS

SHAPE, TOKENS = (4, 8, 8), 5
FAMILIES = ["flux", "flux guided", "sana", "sd3", "unet", "sdxl", "lcm", "flux2", "z-image", "hunyuan-image"]


def adapter(family: str) -> nn.Module:
    match family:
        case "flux" | "flux guided":
            return FluxDenoiser(flux_network(family == "flux guided"), SHAPE)
        case "hunyuan-image":
            return HunyuanImageDenoiser(hunyuan_network())
        case "sana":
            return SanaDenoiser(sana_network())
        case "sd3":
            return SD3Denoiser(sd3_network())
        case "flux2":
            return Flux2Denoiser(flux2_network(), SHAPE)
        case "z-image":
            return ZImageDenoiser(z_image_network(), SHAPE)
    return UNetDenoiser(unet_network(32 if family == "lcm" else None, family == "sdxl"), (64, 64))


def inputs(denoiser: nn.Module, family: str) -> tuple[torch.Tensor, torch.Tensor, ConditioningRows]:
    """Return three latents at three timesteps, each with its own text and guidance."""
    shape = denoiser.conditioning(WORDS + TOKENS if family == "hunyuan-image" else TOKENS)
    texts: list[EncodedText] = [conditioning_for(text, shape).positive for text in range(3)]
    rows = [torch.stack(part) if part[0] is not None else None for part in zip(*map(parts, texts), strict=True)]
    guidance = torch.tensor([1.0, 4.0, 8.0]) if denoiser.embedded_guidance else None
    # FLUX's network rounds σ and guidance to its dtype, as in training, so these are exact in bfloat16.
    values = [1000.0, 500.0, 250.0] if "flux" in family else [1000.0, 751.0, 20.0]
    timesteps = torch.tensor(values) / (1000.0 if family == "sana" else 1.0)
    if family == "hunyuan-image":
        timesteps = torch.stack([timesteps, torch.tensor([512.0, 20.0, 0.0])], dim=1)
    channels, height, width = SHAPE
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(3, 2 * channels if family == "flux2" else channels, height, width, generator=generator)
    latents[2, channels:] = 0.0  # no source
    return latents, timesteps, ConditioningRows(*rows, guidance)


def parts(text: EncodedText) -> tuple[torch.Tensor | None, ...]:
    return text.embeds, text.mask, text.pooled


@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_no_read_back_from_the_device(family: str) -> None:
    denoiser = adapter(family)
    latents, timesteps, rows = inputs(denoiser, family)
    # Meta tensors have no values, so reading one raises.
    with pytest.raises((RuntimeError, NotImplementedError)):
        latents.to("meta").sum().item()
    on_meta = ConditioningRows.of({name: part.to("meta") for name, part in rows.parts().items()})
    out = denoiser.to("meta")(latents.to("meta"), timesteps.to("meta"), on_meta)
    assert out.shape == (3, *SHAPE)


@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_half_type_with_float32_timesteps(family: str) -> None:
    denoiser = adapter(family)
    latents, timesteps, rows = inputs(denoiser, family)
    full = denoiser(latents, timesteps, rows)
    halves = ConditioningRows.of({name: part.bfloat16() for name, part in rows.parts().items()})
    half = denoiser.to(torch.bfloat16)(latents.bfloat16(), timesteps, halves)
    assert half.dtype == torch.bfloat16
    assert (half - full).abs().max() < 0.1 * full.abs().max()
    if family in ("sd3", "unet", "sdxl", "lcm", "z-image", "hunyuan-image"):  # bfloat16 rounds 751 to 752
        rounded = denoiser(latents.bfloat16(), timesteps.bfloat16().float(), halves)
        assert torch.equal(rounded[0], half[0])
        assert not torch.equal(rounded[1], half[1])


@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_rows_are_independent(family: str) -> None:
    denoiser = adapter(family)
    latents, timesteps, rows = inputs(denoiser, family)
    batched = denoiser(latents, timesteps, rows)
    for index in range(3):
        here = slice(index, index + 1)
        own = ConditioningRows.of({name: part[here] for name, part in rows.parts().items()})
        alone = denoiser(latents[here], timesteps[here], own)
        torch.testing.assert_close(alone, batched[here], rtol=1e-4, atol=1e-4)
        assert (alone - batched[(index + 1) % 3]).abs().max() > 1e-2


def test_lcm_guidance_embedding() -> None:
    unet = unet_network(32)
    pipe = StableDiffusionPipeline(None, None, None, unet, LCMScheduler(steps_offset=1), None, None, None, False)
    scales = [1.0, 4.3, 7.7, 12.9]  # only the first is exact in bfloat16
    expected = pipe.get_guidance_scale_embedding(torch.tensor(scales) - 1.0, 32).bfloat16()
    seen, denoiser = dict[float, torch.Tensor](), UNetDenoiser(unet, (64, 64)).to(torch.bfloat16)

    def watched(latents: torch.Tensor, timesteps: torch.Tensor, rows: ConditioningRows) -> torch.Tensor:
        handle = unet.register_forward_pre_hook(
            lambda _, __, named: seen.update(zip(rows.guidance.tolist(), named["timestep_cond"], strict=True)),
            with_kwargs=True,
        )
        out: torch.Tensor = denoiser(latents, timesteps, rows)
        handle.remove()
        return out

    stream = StreamPipeline(
        watched, slots=4, latent_shape=SHAPE, conditioning=denoiser.conditioning(TOKENS), sizes=(4,),
        embedded_guidance=True, dtype=torch.bfloat16,
    )  # fmt: skip
    text = conditioning_for(0, denoiser.conditioning(TOKENS))
    for scale in scales:
        stream.admit(None, lcm_schedule(2, 1.0), text, guidance=Guidance(scale))
    stream.step()
    assert list(seen) == pytest.approx(scales)
    torch.testing.assert_close(torch.stack(list(seen.values())), expected, rtol=0, atol=8e-3)
