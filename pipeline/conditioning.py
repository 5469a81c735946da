"""Conditioning: words to embeddings, several weighted prompts mixed, encoded texts kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from pipeline.mixing import mean, turn
from presets.errors import StreamError
from presets.frame_parameters import PromptMixture
from presets.parameters import PromptMix

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
class EncodedText:
    """One text, or a mix of several, as the network reads it."""

    embeds: torch.Tensor
    """``[L, D]``: the text encoder's hidden states, padded to the model's token length."""
    mask: torch.Tensor | None = None
    """``[L]``, 1 where a token counts; None where the network is not told."""
    pooled: torch.Tensor | None = None
    """``[P]``, or None where the network takes none."""

    def __post_init__(self) -> None:
        """Raises `StreamError` where its parts can't be of one text."""
        whole = self.embeds.ndim == 2 and (self.pooled is None or self.pooled.ndim == 1)
        if not whole or (self.mask is not None and self.mask.shape != self.embeds.shape[:1]):
            parts = {"embeds": self.embeds, "mask": self.mask, "pooled": self.pooled}
            told = ", ".join(f"{name} {tuple(part.shape)}" for name, part in parts.items() if part is not None)
            raise StreamError(f"A text has {told}; it must be embeds [L, D], mask [L] and pooled [P].")

    @property
    def shape(self) -> ConditioningShape:
        """What a network must take for this text to fit it."""
        pooled = None if self.pooled is None else int(self.pooled.shape[0])
        tokens, width = self.embeds.shape
        return ConditioningShape((int(tokens), int(width)), self.mask is not None, pooled)


@dataclass(frozen=True, eq=False)
class Conditioning:
    """What one picture is drawn from, and away from. Never changed once made, so pictures may share it."""

    positive: EncodedText
    negative: EncodedText
    """Of the negative prompt; of the empty prompt if there is none. Read under guidance."""


class TextConditioner:
    """A CLIP tokenizer and text encoder, and the texts that it has met.

    `encode` and `text` belong to one thread at a time, which may be another than the stream's; `recall` may be called
    beside it, from any.
    """

    def __init__(self, tokenizer: Any, text_encoder: Any, device: torch.device, dtype: torch.dtype) -> None:
        self._tokenizer = tokenizer
        self._text_encoder = text_encoder
        self._device = device
        self._dtype = dtype
        self._tokens = min(tokenizer.model_max_length, text_encoder.config.max_position_embeddings)
        self._width = int(text_encoder.config.hidden_size)
        self._known: dict[str, EncodedText] = {}

    @property
    def shape(self) -> ConditioningShape:
        """Of every text."""
        return ConditioningShape((self._tokens, self._width))

    def encode(self, wording: PromptMixture) -> Conditioning:
        """The conditioning of these words; texts that were met before are not encoded again."""
        return _conditioning(wording, [self.text(share.text) for share in (*wording.prompt, *wording.negative)])

    def recall(self, wording: PromptMixture) -> Conditioning | None:
        """The same where no text has to be encoded for it, and None where one has: a few sums, and no waiting."""
        found = [self._known.get(share.text) for share in (*wording.prompt, *wording.negative)]
        known = [text for text in found if text is not None]
        return _conditioning(wording, known) if len(known) == len(found) else None

    def text(self, text: str) -> EncodedText:
        """One text, of the last `CACHED` that were encoded if it is among them."""
        known = self._known.pop(text, None) or self._encode(text)
        self._known[text] = known  # the newest last
        if len(self._known) > CACHED:
            del self._known[next(iter(self._known))]
        return known

    @torch.inference_mode()
    def _encode(self, text: str) -> EncodedText:
        tokens = self._tokenizer(
            text, padding="max_length", truncation=True, max_length=self._tokens, return_tensors="pt"
        )
        # As in diffusers' Stable Diffusion pipelines: no mask unless the configuration asks for one.
        masked = getattr(self._text_encoder.config, "use_attention_mask", False)
        state = self._text_encoder(
            tokens.input_ids.to(self._device),
            attention_mask=tokens.attention_mask.to(self._device) if masked else None,
        ).last_hidden_state
        return EncodedText(state[0].to(self._dtype).clone())


def _conditioning(wording: PromptMixture, texts: Sequence[EncodedText]) -> Conditioning:
    """`texts` are those of the prompt's shares and then those of the negative's."""
    split = len(wording.prompt)
    return Conditioning(
        mixed(texts[:split], [share.weight for share in wording.prompt], wording.mix),
        mixed(texts[split:], [share.weight for share in wording.negative], wording.mix),
    )


@torch.inference_mode()
def mixed(texts: Sequence[EncodedText], weights: Sequence[float], mix: PromptMix) -> EncodedText:
    """Texts of one shape as one, `weights` above 0 and of any sum: ``linear`` is `mean`, ``spherical`` is `turn`.

    A token counts for the network if it does in one of the texts.
    """
    if len(texts) == 1:
        return texts[0]
    fold = mean if mix == "linear" else turn
    masks = [text.mask for text in texts if text.mask is not None]
    pooled = [text.pooled for text in texts if text.pooled is not None]
    return EncodedText(
        fold([text.embeds for text in texts], weights),
        torch.stack(masks).amax(0) if masks else None,
        fold(pooled, weights) if pooled else None,
    )
