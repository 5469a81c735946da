"""Encoded texts and images as a network takes them, and the encoders that make them."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import torch

from presets.errors import StreamError

IMAGE_TOKENS = "image_tokens"
"""Name of the network's input of image tokens, ``[B, N, D]`` (`pipeline.ip_adapter`)."""


class ConditioningShape(NamedTuple):
    """Shape of one text as a network takes it."""

    embeds: tuple[int, int]
    """``(L, D)``: number of tokens, and width of the text encoder's hidden states."""
    masked: bool = False
    """True if the network takes a mask of padding tokens."""
    pooled: int | None = None
    """Width of the pooled vector, None if the network takes none."""
    image: tuple[int, int] | None = None
    """``(N, D)``: number and width of the tokens of an image, None if the network takes none."""


@dataclass(frozen=True, eq=False)
class EncodedText:
    """One text, or a mix of several, encoded for the network."""

    embeds: torch.Tensor
    """Hidden states of the text encoder, ``[L, D]``, padded to the model's token length."""
    mask: torch.Tensor | None = None
    """``[L]``: 1 for a token, 0 for padding. None if the network takes no mask."""
    pooled: torch.Tensor | None = None
    """Pooled vector ``[P]``. None if the network takes none."""
    image: torch.Tensor | None = None
    """Tokens ``[N, D]`` of the image beside the text. None if the network takes none."""

    def __post_init__(self) -> None:
        """Raise `StreamError` if the shapes of the parts don't fit together."""
        fits = self.embeds.ndim == 2 and (self.pooled is None or self.pooled.ndim == 1)
        if not fits or (self.mask is not None and self.mask.shape != self.embeds.shape[:1]):
            shapes = ", ".join(f"{name} {tuple(part.shape)}" for name, part in self.parts().items())
            raise StreamError(f"A text has {shapes}; it must have embeds [L, D], mask [L] and pooled [P].")

    def parts(self) -> dict[str, torch.Tensor]:
        """Return every part that the text has, by the name of the network's input."""
        named = {"embeds": self.embeds, "mask": self.mask, "pooled": self.pooled, IMAGE_TOKENS: self.image}
        return {name: part for name, part in named.items() if part is not None}

    @property
    def shape(self) -> ConditioningShape:
        """Shape that a network must take to fit this text."""
        pooled = None if self.pooled is None else int(self.pooled.shape[0])
        tokens, width = self.embeds.shape
        image = None if self.image is None else (int(self.image.shape[0]), int(self.image.shape[1]))
        return ConditioningShape((int(tokens), int(width)), self.mask is not None, pooled, image)


@dataclass(frozen=True, eq=False)
class Conditioning:
    """Texts of a frame. Immutable, so frames can share one."""

    positive: EncodedText
    """The prompt."""
    negative: EncodedText
    """The negative prompt, or the empty prompt without one. Used under guidance."""
    shows_image: bool = False
    """True if there is an image beside the prompt. Tokens without one mean nothing."""


class TextEncoder(Protocol):
    """One text to its encoding, as a family of models has it."""

    @property
    def shape(self) -> ConditioningShape:
        """Shape of every encoded text."""
        ...

    @property
    def zeroes_empty_negative(self) -> bool:
        """True if the network was trained with zeros in place of an empty negative prompt."""
        ...

    def __call__(self, text: str) -> EncodedText:
        """Return one encoded text, float32 in main memory."""
        ...


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """An image as the network sees it beside texts, or the absence of one."""

    tokens: torch.Tensor
    """``[N, D]``, beside the prompt."""
    negative: torch.Tensor
    """``[N, D]``, beside the negative prompt: those of no image."""
    is_shown: bool
    """False for the absence."""

    def beside(self, texts: Conditioning) -> Conditioning:
        """Return the texts with the image beside them."""
        positive, negative = replace(texts.positive, image=self.tokens), replace(texts.negative, image=self.negative)
        return Conditioning(positive, negative, self.is_shown)


class ImageEncoder(Protocol):
    """The file of an image to its tokens. `encode` runs on the thread of texts, `recall` on any."""

    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def refused(self) -> str: ...
    def encode(self, path: str) -> EncodedImage: ...
    def recall(self, path: str) -> EncodedImage | None: ...
