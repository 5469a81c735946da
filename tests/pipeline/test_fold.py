"""Folded layers compared with the layers that diffusers builds: everywhere, the border included."""

import pytest
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipeline.fold import StridedPair, UpsampledPair, doubling, folded_autoencoder, folded_unet

TOLERANCE = 1e-5


def autoencoder(encoder: tuple[int, ...], decoder: tuple[int, ...]) -> AutoencoderTiny:
    torch.manual_seed(sum(encoder) + 10 * sum(decoder))
    channels = (8,) * len(encoder)
    return AutoencoderTiny(
        encoder_block_out_channels=channels,
        decoder_block_out_channels=channels,
        num_encoder_blocks=encoder,
        num_decoder_blocks=decoder,
    ).eval()


def kinds(network: nn.Module) -> set[str]:
    return {type(module).__name__ for module in network.modules()}


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    assert other.std() > 100 * TOLERANCE  # there is something to be wrong about
    torch.testing.assert_close(one, other, rtol=0, atol=TOLERANCE * float(other.abs().max()))


@pytest.mark.parametrize(
    ("encoder", "decoder", "pairs"),
    [((0, 1, 1), (1, 1, 0), True), ((1, 1, 1), (1, 1, 1), False)],  # the second as in TAESD: a block stands between
)
def test_folded_autoencoder_is_equal(encoder: tuple[int, ...], decoder: tuple[int, ...], pairs: bool) -> None:
    whole = autoencoder(encoder, decoder)
    front, back = folded_autoencoder(whole.encoder), folded_autoencoder(whole.decoder)
    assert ("StridedPair" in kinds(front)) == ("UpsampledPair" in kinds(back)) == pairs
    assert "Upsample" not in kinds(back)
    with torch.no_grad():
        picture = torch.rand(2, 3, 32, 48) * 2 - 1
        close(front(picture), whole.encoder(picture))
        latent = torch.randn(2, 4, 5, 7)
        close(back(latent), whole.decoder(latent))


biases = st.booleans()
sides = st.integers(1, 6)


@settings(max_examples=40, deadline=None)
@given(height=sides, width=sides, channels=st.tuples(*[st.integers(1, 4)] * 3), biases=st.tuples(biases, biases))
def test_folded_pairs_are_exact(
    height: int, width: int, channels: tuple[int, int, int], biases: tuple[bool, bool]
) -> None:
    torch.manual_seed(height + 10 * width)
    into, middle, out = channels
    first = nn.Conv2d(into, middle, 3, padding=1, bias=biases[0]).double()
    with torch.no_grad():
        second = nn.Conv2d(middle, out, 3, padding=1, bias=biases[1]).double()
        low = torch.randn(2, into, height, width, dtype=torch.float64)
        doubled = nn.functional.interpolate(low, scale_factor=2.0, mode="nearest")
        torch.testing.assert_close(UpsampledPair(first, second)(low), second(first(doubled)), rtol=0, atol=1e-12)
        torch.testing.assert_close(doubling(first)(low), first(doubled), rtol=0, atol=1e-12)

        strided = nn.Conv2d(middle, out, 3, stride=2, padding=1, bias=biases[1]).double()
        torch.testing.assert_close(StridedPair(first, strided)(doubled), strided(first(doubled)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(8, 8), (6, 10), (5, 7)])  # the odd ones do not halve evenly
@pytest.mark.parametrize("blocks", ["", "Simple"])  # resampling by a convolution, or in a block that time scales
def test_folded_unet_is_equal(size: tuple[int, int], blocks: str) -> None:
    torch.manual_seed(3)
    unet = UNet2DConditionModel(
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D" if blocks else "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "ResnetUpsampleBlock2D" if blocks else "UpBlock2D"),
        norm_num_groups=8,
        attention_head_dim=4,
        cross_attention_dim=16,
        resnet_time_scale_shift="scale_shift" if blocks else "default",
    ).eval()
    if blocks and 5 in size:
        pytest.skip("these blocks of diffusers take even sizes only")
    quick = folded_unet(unet)
    assert kinds(quick) >= {"FoldedUpsample", "FoldedGate"} | ({"FoldedScaleShift"} if blocks else set())
    with torch.no_grad():
        latents, times, text = torch.randn(2, 4, *size), torch.tensor([900.0, 40.0]), torch.randn(2, 5, 16)
        close(quick(latents, times, text).sample, unet(latents, times, text).sample)


def test_fold_leaves_original_alone() -> None:
    whole = autoencoder((0, 1), (1, 0))
    before = kinds(whole)
    folded_autoencoder(whole.encoder)
    folded_autoencoder(whole.decoder)
    assert kinds(whole) == before
    assert all(parameter.requires_grad for parameter in whole.parameters())
