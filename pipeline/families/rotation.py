"""Rotary positions (arXiv:2104.09864) in real numbers, for attention that diffusers computes with complex ones.

Neither ONNX nor OpenVINO has complex numbers.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention


def rotations(places: torch.Tensor, widths: Sequence[int], theta: float) -> torch.Tensor:
    """Return the rotations of tokens.

    Args:
        places: Place of each token on each axis, whole numbers ``[..., S, A]``.
        widths: Numbers of a head that each of the A axes rotates.
        theta: Base of the frequencies.

    Returns:
        Cosine and sine, float32 ``[..., S, D/2, 2]`` for heads of D numbers.
    """
    # In double precision where the device has it, as in diffusers: a place of 512 leaves few digits of an angle.
    dtype = torch.float32 if places.device.type == "mps" else torch.float64
    angles = []
    for axis, width in enumerate(widths):
        octaves = torch.arange(0, width, 2, dtype=dtype, device=places.device) / width
        angles.append(places[..., axis, None].to(dtype) * theta**-octaves)
    angle = torch.cat(angles, dim=-1).float()
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


class RotatedAttention:
    """Processor of diffusers' `Attention`: self-attention over heads with rotated positions.

    It computes what `ZSingleStreamAttnProcessor` does, whose ``freqs_cis`` is the complex form of `rotations`.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        freqs_cis: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the attention's output.

        Args:
            attn: The layer.
            hidden_states: ``[B, S, D]``.
            encoder_hidden_states: Unused.
            attention_mask: ``[B, S]``, False for tokens that nothing attends to. None is all True.
            freqs_cis: Result of `rotations`, ``[B or 1, S, D/2, 2]``.
        """
        query, key, value = (
            layer(hidden_states).unflatten(-1, (attn.heads, -1)) for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        if attn.norm_q is not None:
            query = attn.norm_q(query)
        if attn.norm_k is not None:
            key = attn.norm_k(key)
        if freqs_cis is not None:
            query, key = _rotated(query, freqs_cis), _rotated(key, freqs_cis)
        mask = None if attention_mask is None else attention_mask[:, None, None, :]
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        heads = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        out: torch.Tensor = attn.to_out[0](heads.transpose(1, 2).flatten(2).to(query.dtype))
        return out


def _rotated(heads: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Return heads ``[B, S, H, D]`` with each pair of numbers rotated, in float32 like diffusers."""
    first, second = heads.float().reshape(*heads.shape[:-1], -1, 2).unbind(-1)
    cosine, sine = turns[:, :, None].unbind(-1)
    turned = torch.stack([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
    return turned.flatten(-2).to(heads.dtype)
