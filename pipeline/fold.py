"""Adjacent linear layers folded into one: the same function but for rounding, with less work.

* AutoencoderTiny may begin and end with two convolutions in a row, at the full size of the frame, where it spends most
  of its time. One convolution needs a tenth of the work. At the border the pair pads its intermediate result with zeros
  and one convolution does not, which is corrected there.
* Nearest upsampling repeats pixels, so a convolution after it is a transposed one, with 4 products for each pixel
  instead of 9.
* The two halves of a gated layer are two products, and need not be computed as one and split. So are the scale and the
  shift that the time gives a block. (OpenVINO 2026.4 crashes on compiling that split behind a group normalisation.)
"""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from pipeline.loras.lora_layers import LowRankLayer

Kernel = torch.Tensor


def folded_autoencoder(network: Any) -> Any:
    """Return a copy of an encoder or decoder of diffusers. Those of ``AutoencoderTiny`` get folded `layers`."""
    network = copy.deepcopy(network)
    if hasattr(network, "layers"):
        network.layers = nn.Sequential(*_folded_layers(list(network.layers)))
    return network.eval().requires_grad_(False)


def folded_unet(unet: Any) -> Any:
    """Return a copy of a UNet of diffusers with its upsamplers, gated layers and scales by time folded."""
    unet = copy.deepcopy(unet)
    for name, module in list(unet.named_modules()):
        kind = type(module).__name__
        if (
            kind == "Upsample2D"
            and module.norm is None
            and module.interpolate
            and _plain(getattr(module, "conv", None))
        ):
            unet.set_submodule(name, FoldedUpsample(module))
        elif kind == "GEGLU":
            unet.set_submodule(name, FoldedGate(module))
        elif kind == "ResnetBlock2D" and module.time_embedding_norm == "scale_shift":
            unet.set_submodule(name, FoldedScaleShift(module))
    return unet.eval().requires_grad_(False)


def _folded_layers(layers: list[nn.Module]) -> Iterator[nn.Module]:
    place = 0
    while place < len(layers):
        here, *after = layers[place : place + 3]
        if len(after) == 2 and _doubles(here) and _plain(after[0]) and _plain(after[1]):
            yield UpsampledPair(after[0], after[1])
            place += 3
        elif after and _plain(here) and _plain(after[0], stride=2):
            yield StridedPair(here, after[0])
            place += 2
        elif after and _doubles(here) and _plain(after[0]):
            yield doubling(after[0])
            place += 2
        else:
            yield here
            place += 1


def _doubles(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Upsample) and layer.mode == "nearest" and layer.scale_factor in (2, (2, 2))


def _plain(layer: object, stride: int = 1) -> bool:
    """Return True for a 3×3 convolution that pads each side with one zero."""
    return (
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (3, 3)
        and layer.stride == (stride, stride)
        and layer.padding == (1, 1)
        and (layer.padding_mode, layer.dilation, layer.groups) == ("zeros", (1, 1), 1)
    )


def doubling(convolution: Any) -> nn.ConvTranspose2d:
    """Return nearest upsampling by 2 and a plain 3×3 convolution as one transposed convolution, 4×4 with stride 2."""
    # Output row 2i − 1 + k gets from the low row i the sum of the taps that fall on it.
    taps = convolution.weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    out, channels = convolution.weight.shape[:2]
    transposed = nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1, bias=convolution.bias is not None)
    transposed.weight.data = torch.einsum("ky,ocyx,lx->cokl", taps, convolution.weight, taps).contiguous()
    if convolution.bias is not None:
        transposed.bias = convolution.bias
    return transposed


class FoldedUpsample(nn.Module):
    """An ``Upsample2D`` of diffusers."""

    def __init__(self, upsample: Any) -> None:
        super().__init__()
        self.whole = upsample
        self.doubled = doubling(upsample.conv)

    def forward(self, hidden_states: torch.Tensor, output_size: Any = None) -> torch.Tensor:
        # A size is given if the frame does not halve evenly, which is no doubling.
        out: torch.Tensor = (
            self.doubled(hidden_states) if output_size is None else self.whole(hidden_states, output_size)
        )
        return out


class FoldedGate(nn.Module):
    """A ``GEGLU`` of diffusers."""

    def __init__(self, gated: Any) -> None:
        super().__init__()
        self.value, self.gate = _halves(gated.proj)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.value(hidden_states) * functional.gelu(self.gate(hidden_states))
        return out


class FoldedScaleShift(nn.Module):
    """A ``ResnetBlock2D`` of diffusers with ``time_embedding_norm`` "scale_shift"."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.scale, self.shift = _halves(block.time_emb_proj)
        (self.scale.base if isinstance(self.scale, LowRankLayer) else self.scale).bias.data += 1.0
        block.time_emb_proj = None
        self.block = block

    def forward(self, hidden_states: torch.Tensor, temb: torch.Tensor) -> torch.Tensor:
        block, shortcut = self.block, hidden_states
        hidden_states = block.nonlinearity(block.norm1(hidden_states))
        for resample in (block.upsample, block.downsample):
            if resample is not None:
                shortcut, hidden_states = resample(shortcut), resample(hidden_states)
        hidden_states = block.norm2(block.conv1(hidden_states))
        time = temb if block.skip_time_act else block.nonlinearity(temb)
        hidden_states = hidden_states * self.scale(time)[:, :, None, None] + self.shift(time)[:, :, None, None]
        hidden_states = block.conv2(block.nonlinearity(hidden_states))
        if block.conv_shortcut is not None:
            shortcut = block.conv_shortcut(shortcut)
        out: torch.Tensor = (shortcut + hidden_states) / block.output_scale_factor
        return out


def _halves(layer: Any) -> tuple[Any, Any]:
    """Return two layers that compute the first and the second half of the outputs of a linear layer."""
    if isinstance(layer, LowRankLayer):
        return layer.halves(*_halves(layer.base))
    inner, bias = layer.out_features // 2, layer.bias is not None
    halves = nn.Linear(layer.in_features, inner, bias=bias), nn.Linear(layer.in_features, inner, bias=bias)
    for half, rows in zip(halves, (slice(inner), slice(inner, None)), strict=True):
        half.weight.data = layer.weight.data[rows].clone()
        if bias:
            half.bias.data = layer.bias.data[rows].clone()
    return halves


class UpsampledPair(nn.Module):
    """Nearest upsampling by 2 and two 3×3 convolutions, ``[B, C, h, w]`` to ``[B, O, 2h, 2w]``.

    One 3×3 convolution at the low size computes the four pixels of each low one, as channels.
    """

    def __init__(self, first: Any, second: Any) -> None:
        super().__init__()
        whole = _composed(first.weight, second.weight)
        out, channels = whole.shape[:2]
        phases = whole.new_zeros(out, 2, 2, channels, 3, 3)
        for y in range(2):
            for x in range(2):
                for down in range(5):
                    for right in range(5):
                        # Pixel 2i + y reads the doubled row 2i + y + down − 2, the low row i + (y + down)//2 − 1.
                        phases[:, y, x, :, (y + down) // 2, (x + right) // 2] += whole[:, :, down, right]
        bias = _constant(first.bias, second)
        self.kernel = nn.Parameter(phases.flatten(0, 2))
        self.bias = nn.Parameter(bias.repeat_interleave(4))
        self.edges = _BorderExcess(first, second)

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        whole = functional.pixel_shuffle(functional.conv2d(low, self.kernel, self.bias, padding=1), 2)
        rows = (low[:, :, :1].repeat_interleave(2, 3), low[:, :, -1:].repeat_interleave(2, 3))
        columns = (low[..., :1].repeat_interleave(2, 2), low[..., -1:].repeat_interleave(2, 2))
        above, below = self.edges.row(rows[0], 0), self.edges.row(rows[1], 2)
        left, right = self.edges.column(columns[0], 0), self.edges.column(columns[1], 2)
        whole = torch.cat([whole[:, :, :1] - above, whole[:, :, 1:-1], whole[:, :, -1:] - below], 2)
        return torch.cat([whole[..., :1] - left, whole[..., 1:-1], whole[..., -1:] - right], 3)


class StridedPair(nn.Module):
    """A 3×3 convolution and one of stride 2, ``[B, C, h, w]`` to ``[B, O, h/2, w/2]``, with even h and w."""

    def __init__(self, first: Any, second: Any) -> None:
        super().__init__()
        self.kernel = nn.Parameter(_composed(first.weight, second.weight))
        self.bias = nn.Parameter(_constant(first.bias, second))
        self.edges = _BorderExcess(first, second)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        whole = functional.conv2d(image, self.kernel, self.bias, stride=2, padding=2)
        # With even sides, the second convolution reads padding above and to the left only.
        above = self.edges.row(image[:, :, :1], 0, stride=2)
        left = self.edges.column(image[..., :1], 0, stride=2)
        whole = torch.cat([whole[:, :, :1] - above, whole[:, :, 1:]], 2)
        return torch.cat([whole[..., :1] - left, whole[..., 1:]], 3)


class _BorderExcess(nn.Module):
    """Excess of the folded convolution at the border: the first convolution's output just outside of the frame."""

    def __init__(self, first: Any, second: Any) -> None:
        super().__init__()
        bias = first.bias if first.bias is not None else first.weight.new_zeros(first.out_channels)
        self.bias = nn.Parameter(bias.clone())
        self.first, self.second = nn.Parameter(first.weight.clone()), nn.Parameter(second.weight.clone())

    def row(self, edge: torch.Tensor, side: int, stride: int = 1) -> torch.Tensor:
        """Return the excess from the outermost row ``[B, C, 1, w]``: above it for side 0, below it for side 2."""
        # The first kernel's row that reads the edge from outside, two columns wider than the frame.
        outside = functional.conv2d(edge, self.first[:, :, 2 - side : 3 - side], self.bias, padding=(0, 2))
        return functional.conv2d(outside, self.second[:, :, side : side + 1], stride=(1, stride))

    def column(self, edge: torch.Tensor, side: int, stride: int = 1) -> torch.Tensor:
        """Return the excess from the outermost column ``[B, C, h, 1]``, left or right. Corners belong to rows."""
        outside = functional.conv2d(edge, self.first[..., 2 - side : 3 - side], self.bias, padding=(1, 0))
        return functional.conv2d(outside, self.second[..., side : side + 1], stride=(stride, 1), padding=(1, 0))


def _composed(first: Kernel, second: Kernel) -> Kernel:
    """Return the 5×5 kernel ``[O, C, 5, 5]`` of two 3×3 kernels, ``[M, C, 3, 3]`` and then ``[O, M, 3, 3]``."""
    # A convolution of kernels. torch computes a correlation, so the first kernel is flipped.
    flipped = first.double().flip(2, 3).transpose(0, 1)
    return functional.conv2d(second.double(), flipped, padding=2).to(first.dtype)


def _constant(first_bias: torch.Tensor | None, second: Any) -> torch.Tensor:
    """Return the bias ``[O]`` of both."""
    own = second.bias if second.bias is not None else second.weight.new_zeros(second.out_channels)
    both: torch.Tensor = own if first_bias is None else own + second.weight.sum((2, 3)) @ first_bias
    return both
