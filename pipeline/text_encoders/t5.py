"""Texts for the transformers of SD3 and FLUX.1: T5's hidden states, and CLIP's."""

import torch
from torch.nn import functional

from pipeline.conditioning import ConditioningShape, EncodedText
from pipeline.text_encoders.text_parts import TextParts, clip_length, token_ids, whole_number

SD3_T5_TOKENS = 256
"""Tokens that SD3's T5 reads, ``max_sequence_length`` of diffusers' pipeline."""
FLUX_TOKENS = 512
"""Tokens that FLUX.1-dev's T5 reads, ``max_sequence_length`` of diffusers' pipeline."""
SCHNELL_TOKENS = 256
"""Tokens that FLUX.1-schnell was trained with."""


class Sd3Text:
    """Texts of SD3 (arXiv:2403.03206, appendix B.3): two CLIP encoders side by side, and T5 behind them.

    CLIP's last but one hidden states are padded with zeros to T5's width. The pooled vector is that of both CLIP
    encoders. A folder without T5 has zeros in its place, as in diffusers' pipeline.
    """

    zeroes_empty_negative = False

    def __init__(self, parts: TextParts) -> None:
        self.shape = sd3_shape(parts)
        self._clip_tokens = clip_length(parts)
        self._encoders = [
            (parts.tokenizer(f"tokenizer{end}"), parts.network(f"text_encoder{end}")) for end in ("", "_2")
        ]
        has_t5 = parts.has("text_encoder_3")
        self._t5 = (parts.tokenizer("tokenizer_3"), parts.network("text_encoder_3")) if has_t5 else None

    def __call__(self, text: str) -> EncodedText:
        """Return one encoded text, float32."""
        hidden, pooled = [], []
        for tokenizer, network in self._encoders:
            ids, _ = token_ids(tokenizer, text, self._clip_tokens)
            out = network(ids, output_hidden_states=True)
            hidden.append(out.hidden_states[-2][0].float())
            pooled.append(out[0][0].float())
        width = self.shape.embeds[1]
        clip = torch.cat(hidden, dim=-1)
        rest = torch.zeros(SD3_T5_TOKENS, width)
        if self._t5 is not None:
            tokenizer, network = self._t5
            rest = network(token_ids(tokenizer, text, SD3_T5_TOKENS)[0])[0][0].float()
        padded = functional.pad(clip, (0, width - clip.shape[-1]))
        return EncodedText(torch.cat([padded, rest]), pooled=torch.cat(pooled))


class FluxText:
    """Texts of FLUX.1: T5's hidden states, without a mask, and the pooled vector of CLIP."""

    zeroes_empty_negative = False

    def __init__(self, parts: TextParts) -> None:
        self.shape = flux_shape(parts)
        self._clip_tokens = clip_length(parts)
        self._clip = parts.tokenizer("tokenizer"), parts.network("text_encoder")
        self._t5 = parts.tokenizer("tokenizer_2"), parts.network("text_encoder_2")

    def __call__(self, text: str) -> EncodedText:
        """Return one encoded text, float32."""
        tokenizer, network = self._clip
        pooled = network(token_ids(tokenizer, text, self._clip_tokens)[0]).pooler_output[0]
        tokenizer, network = self._t5
        hidden = network(token_ids(tokenizer, text, self.shape.embeds[0])[0])[0][0]
        return EncodedText(hidden.float().clone(), pooled=pooled.float().clone())


def sd3_shape(parts: TextParts) -> ConditioningShape:
    """Return the shape of `Sd3Text`, known before anything is loaded."""
    pooled = sum(whole_number(parts, name, "projection_dim") for name in ("text_encoder", "text_encoder_2"))
    width = whole_number(parts, "transformer", "joint_attention_dim")
    return ConditioningShape((clip_length(parts) + SD3_T5_TOKENS, width), pooled=pooled)


def flux_shape(parts: TextParts) -> ConditioningShape:
    """Return the shape of `FluxText`, known before anything is loaded."""
    guided = bool(parts.configurations["transformer"].get("guidance_embeds"))
    tokens = FLUX_TOKENS if guided else SCHNELL_TOKENS
    width = whole_number(parts, "transformer", "joint_attention_dim")
    return ConditioningShape((tokens, width), pooled=whole_number(parts, "transformer", "pooled_projection_dim"))
