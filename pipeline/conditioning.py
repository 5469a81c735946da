"""Conditioning: words to embeddings, several weighted prompts mixed, encoded texts kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from presets.parameters import WeightedPrompt

CACHED = 64
"""How many encoded texts are kept: a show's prompts, and the faders between them cost no encoding."""


class ConditioningShape(NamedTuple):
    """What a model is told of a text."""

    embeds: tuple[int, int]
    """``(L, D)``: tokens, and the width of the text encoder's hidden states."""
    masked: bool = False
    """Whether the network is told which tokens are padding."""
    pooled: int | None = None
    """The width of the text as one vector, where the network takes that too."""


@dataclass(frozen=True, eq=False)
class Text:
    """One text, or a mix of several, as the network reads it."""

    embeds: torch.Tensor
    """``[L, D]``: the text encoder's hidden states, padded to the model's token length."""
    mask: torch.Tensor | None = None
    """``[L]``, 1 where a token counts; None where the network is not told."""
    pooled: torch.Tensor | None = None
    """``[P]``, or None where the network takes none."""

    @property
    def shape(self) -> ConditioningShape:
        """What a network must take for this text to fit it."""
        pooled = None if self.pooled is None else int(self.pooled.shape[0])
        tokens, width = self.embeds.shape
        return ConditioningShape((int(tokens), int(width)), self.mask is not None, pooled)


@dataclass(frozen=True, eq=False)
class Conditioning:
    """What one picture is drawn from, and away from. Never changed once made, so pictures may share it."""

    positive: Text
    negative: Text
    """Of the negative prompt; of the empty prompt if there is none. Read under guidance."""


class TextConditioner:
    """A CLIP tokenizer and text encoder with a cache. One thread at a time may call it, beside the stream's own."""

    def __init__(self, tokenizer: Any, text_encoder: Any, device: torch.device, dtype: torch.dtype) -> None:
        self._tokenizer = tokenizer
        self._text_encoder = text_encoder
        self._device = device
        self._dtype = dtype
        self._tokens = min(tokenizer.model_max_length, text_encoder.config.max_position_embeddings)
        self._width = int(text_encoder.config.hidden_size)
        self.text = lru_cache(maxsize=CACHED)(self._encode)

    @property
    def shape(self) -> ConditioningShape:
        """Of every text."""
        return ConditioningShape((self._tokens, self._width))

    def encode(self, prompts: Sequence[WeightedPrompt], negative: str = "") -> Conditioning:
        """The prompts mixed linearly by their shares of the sum of weights; empty texts and zero weights are absent.

        With no prompt left it is the empty prompt's: the model draws what it likes.
        """
        heard = [prompt for prompt in prompts if prompt.text.strip() and prompt.weight > 0]
        total = sum(prompt.weight for prompt in heard)
        if len(heard) < 2:
            embeds = self.text(heard[0].text if heard else "")
        else:
            embeds = torch.zeros(self.shape.embeds, dtype=self._dtype, device=self._device)
            for prompt in heard:
                embeds.add_(self.text(prompt.text), alpha=prompt.weight / total)
        return Conditioning(Text(embeds), Text(self.text(negative if negative.strip() else "")))

    @torch.inference_mode()
    def _encode(self, text: str) -> torch.Tensor:
        tokens = self._tokenizer(
            text, padding="max_length", truncation=True, max_length=self._tokens, return_tensors="pt"
        )
        # As in diffusers' Stable Diffusion pipelines: no mask unless the configuration asks for one.
        masked = getattr(self._text_encoder.config, "use_attention_mask", False)
        state = self._text_encoder(
            tokens.input_ids.to(self._device),
            attention_mask=tokens.attention_mask.to(self._device) if masked else None,
        ).last_hidden_state
        embeds: torch.Tensor = state[0].to(self._dtype).clone()
        return embeds
