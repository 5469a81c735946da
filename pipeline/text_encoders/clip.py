"""Texts for the UNets: CLIP's last hidden states for Stable Diffusion, two CLIP encoders side by side for SDXL."""

from collections.abc import Mapping
from typing import Any

import torch

from pipeline.conditioning import ConditioningShape, EncodedText
from pipeline.text_encoders.text_parts import TextParts, clip_length, token_ids, whole_number


class ClipText:
    """Texts of Stable Diffusion: the last hidden states of one CLIP text encoder (a `conditioning.TextEncoder`)."""

    zeroes_empty_negative = False

    def __init__(self, tokenizer: Any, network: Any) -> None:
        """
        Args:
            tokenizer: Tokenizer of transformers.
            network: Text encoder of transformers, or an object that is called as it is.
        """
        self._tokenizer, self._network = tokenizer, network
        self._tokens = min(tokenizer.model_max_length, network.config.max_position_embeddings)
        # Like diffusers' Stable Diffusion pipelines: no mask unless the configuration asks for one.
        self._masked = bool(getattr(network.config, "use_attention_mask", False))

    @property
    def shape(self) -> ConditioningShape:
        """Shape of every encoded text."""
        return ConditioningShape((self._tokens, int(self._network.config.hidden_size)))

    def __call__(self, text: str) -> EncodedText:
        """Return one encoded text, float32."""
        ids, mask = token_ids(self._tokenizer, text, self._tokens)
        hidden = self._network(ids, attention_mask=mask if self._masked else None).last_hidden_state
        return EncodedText(hidden[0].float().clone())


class SdxlText:
    """Texts of SDXL (arXiv:2307.01952, section 2.1): the last but one hidden states of two CLIP encoders, side by side.

    The pooled vector is the second encoder's. An empty negative prompt is all zeros in models that were trained so.
    """

    def __init__(self, parts: TextParts) -> None:
        self.shape = sdxl_shape(parts)
        self.zeroes_empty_negative = sdxl_zeroes_empty_negative(parts.index)
        self._encoders = [
            (parts.tokenizer(f"tokenizer{end}"), parts.network(f"text_encoder{end}")) for end in ("", "_2")
        ]

    def __call__(self, text: str) -> EncodedText:
        """Return one encoded text, float32."""
        hidden, pooled = [], torch.empty(0)
        for tokenizer, network in self._encoders:
            ids, _ = token_ids(tokenizer, text, self.shape.embeds[0])
            out = network(ids, output_hidden_states=True)
            hidden.append(out.hidden_states[-2][0].float())
            pooled = out[0][0]
        return EncodedText(torch.cat(hidden, dim=-1), pooled=pooled.float().clone())


def clip_shape(parts: TextParts) -> ConditioningShape:
    """Return the shape of `ClipText`, known before anything is loaded."""
    return ConditioningShape((clip_length(parts), whole_number(parts, "text_encoder", "hidden_size")))


def sdxl_shape(parts: TextParts) -> ConditioningShape:
    """Return the shape of `SdxlText`, known before anything is loaded."""
    width = sum(whole_number(parts, name, "hidden_size") for name in ("text_encoder", "text_encoder_2"))
    return ConditioningShape(
        (clip_length(parts), width), pooled=whole_number(parts, "text_encoder_2", "projection_dim")
    )


def sdxl_zeroes_empty_negative(index: Mapping[str, Any]) -> bool:
    """Return True if a ``model_index.json`` asks for zeros in place of an empty negative prompt, diffusers' default."""
    return bool(index.get("force_zeros_for_empty_prompt", True))
