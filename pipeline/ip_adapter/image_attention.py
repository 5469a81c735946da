"""Cross attention of diffusers' UNets to the tokens of an image beside those of a text (IP-Adapter, arXiv:2308.06721,
section 3.2.2).

The tokens and the scale are inputs of the network (`pipeline.extra_inputs`), so that they change with every picture,
rows of one batch may differ, and neither is part of a compiled engine. diffusers' own processors hold one scale each.
"""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from pipeline.encoded_text import IMAGE_TOKENS
from pipeline.extra_inputs import ExtraInputs, declare_extra_input
from pipeline.ip_adapter.adapter_file import IpAdapter
from presets.errors import ModelError

SCALE = "image_scale"
"""Name of the input ``[B, 1]``: the factor of the attention to the image. At 0 a row attends to its text alone."""


class ImageAttention(nn.Module):
    """A processor of diffusers' ``Attention``: ``to_out(text + scale·image)``, with one query for both."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, inputs: ExtraInputs) -> None:
        """
        Args:
            keys: Weights of the keys of image tokens, ``[C, D]``.
            values: Weights of their values, ``[C, D]``.
            inputs: The extra inputs of the network.
        """
        super().__init__()
        self._inputs = inputs
        out, width = keys.shape
        self.to_k_ip, self.to_v_ip = (nn.Linear(width, out, bias=False) for _ in range(2))
        self.to_k_ip.weight.data, self.to_v_ip.weight.data = keys, values

    def forward(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: None = None,
        temb: None = None,
    ) -> torch.Tensor:
        """Return the attention of ``[B, S, C]``. The UNets of the stream have no mask."""
        text = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if attn.norm_cross:
            text = attn.norm_encoder_hidden_states(text)
        image = self._inputs[IMAGE_TOKENS].to(hidden_states.dtype)
        scale = self._inputs[SCALE].to(hidden_states.dtype).unsqueeze(-1)

        def heads(tokens: torch.Tensor) -> torch.Tensor:
            return tokens.view(*tokens.shape[:2], attn.heads, -1).transpose(1, 2)

        query = heads(attn.to_q(hidden_states))
        read = scaled_dot_product_attention(query, heads(attn.to_k(text)), heads(attn.to_v(text)))
        seen = scaled_dot_product_attention(query, heads(self.to_k_ip(image)), heads(self.to_v_ip(image)))
        both = read.transpose(1, 2).flatten(2) + scale * seen.transpose(1, 2).flatten(2)
        out: torch.Tensor = attn.to_out[1](attn.to_out[0](both))
        return out


def add_ip_adapter(unet: Any, adapter: IpAdapter) -> None:
    """Put an IP-Adapter into a UNet of diffusers, whole or not at all, and declare its inputs.

    The file numbers the attentions to texts 1, 3, 5, … in the order of ``unet.attn_processors``.

    Raises:
        ModelError: the file does not fit. The network is as it was.
    """
    tensors, processors = adapter.read("ip_adapter."), dict(unet.attn_processors)
    names = [name for name in processors if not name.endswith("attn1.processor")]
    pairs = {f"{2 * place + 1}.to_{part}_ip.weight" for place in range(len(names)) for part in "kv"}
    if pairs != tensors.keys():
        raise ModelError(
            f"{adapter.path} has attention for {len(tensors) // 2} layers, and this unet attends to texts in"
            f" {len(names)}. It is for another model."
        )
    fitted = {}
    for place, name in enumerate(names):
        layer = unet.get_submodule(name.removesuffix(".processor"))
        keys, values = (tensors[f"{2 * place + 1}.to_{part}_ip.weight"] for part in "kv")
        _check_fit(adapter, name, layer, keys, values)
        fitted[name] = keys.to(unet.dtype), values.to(unet.dtype)
    for name in (SCALE, IMAGE_TOKENS):
        inputs = declare_extra_input(unet, name)
    unet.set_attn_processor(processors | {name: ImageAttention(*pair, inputs) for name, pair in fitted.items()})
    unet.eval().requires_grad_(False)


def _check_fit(adapter: IpAdapter, name: str, layer: Any, keys: torch.Tensor, values: torch.Tensor) -> None:
    plain = layer.group_norm is None and layer.spatial_norm is None and layer.rescale_output_factor == 1.0
    if not name.endswith("attn2.processor") or layer.residual_connection or not plain:
        raise ModelError(f"The unet has attention of another kind in {name}, which no IP-Adapter is played with.")
    wanted = (layer.inner_dim, adapter.image[1])
    for part in (keys, values):
        if tuple(part.shape) != wanted:
            raise ModelError(
                f"{adapter.path} is an IP-Adapter for another model: for {name} it has a matrix of {[*part.shape]}, and"
                f" {[*wanted]} is expected."
            )
