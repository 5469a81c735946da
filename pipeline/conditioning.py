"""Text conditioning: prompts encoded, cached, and mixed by weight in embedding space."""

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import torch

from pipeline.encoded_text import IMAGE_TOKENS as IMAGE_TOKENS
from pipeline.encoded_text import Conditioning as Conditioning
from pipeline.encoded_text import ConditioningShape as ConditioningShape
from pipeline.encoded_text import EncodedImage, ImageEncoder
from pipeline.encoded_text import EncodedText as EncodedText
from pipeline.encoded_text import TextEncoder as TextEncoder
from pipeline.lazy_text_encoder import LazyTextEncoder
from pipeline.mixing import iterated_slerp, weighted_mean
from presets.frame_parameters import PromptMixture
from presets.known_words import KnownWords
from presets.parameters import PromptMix
from presets.vocabulary import Vocabulary

Weights = tuple[float, ...]

WeighLoras = Callable[[Weights], AbstractContextManager[None]]
"""Sets the weights of LoRAs for the texts that are encoded within its context."""

CACHE_SIZE = 64
"""Encoded texts that are kept: enough for the prompts of a show."""

LONGEST_QUOTE = 40
"""Characters of a text in a sentence about it."""


class TextEncoderState(NamedTuple):
    """State of a text encoder, for the one who watches its memory and tells the performer."""

    loading: str = ""
    """Work in words while a text waits for the text encoder; empty for none."""
    encoded: int = 0
    """Number of texts that it has encoded."""
    held: int = 0
    """Bytes of main memory that freeing it gives back, about; 0 if there is nothing to free."""


class TextsOnDisk(Protocol):
    """The part of `pipeline.kept_texts.KeptTexts` that is used here."""

    def read(self, text: str, weights: Weights) -> EncodedText | None: ...
    def write(self, text: str, weights: Weights, encoded: EncodedText) -> None: ...


class TextConditioner:
    """A text encoder with a cache of encoded texts.

    `encode`, `encode_text`, `load` and `free` may run on one thread at a time, which need not be the stream's. All else
    may run on any thread at the same time.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        vocabulary: Vocabulary | None = None,
        weigh: WeighLoras | None = None,
        images: ImageEncoder | None = None,
        kept: TextsOnDisk | None = None,
    ) -> None:
        """
        Args:
            encoder: The text encoder.
            vocabulary: Words that the text encoder knows; texts are written in them. None leaves texts as they are.
            weigh: Sets the weights of LoRAs while a text is encoded. None if texts depend on none.
            images: Encodes the image beside the prompt. None if the network takes none.
            kept: Texts on disk, which are not encoded again. None keeps none.
        """
        self._encoder = encoder
        self._known = None if vocabulary is None else KnownWords(vocabulary)
        self._weigh = weigh
        self._images = images
        self._kept = kept
        self._lazy = encoder if isinstance(encoder, LazyTextEncoder) else None
        self._encoded, self._loading = 0, ""
        self._cache: dict[tuple[str, Weights], EncodedText] = {}
        """Encoded texts, in the words that the text encoder knows, with the weights of LoRAs that they depend on."""
        self._last: tuple[PromptMixture, EncodedImage | None, Conditioning] | None = None
        self._zeros = _zeros(encoder.shape) if encoder.zeroes_empty_negative else None
        """Encoding of an empty negative prompt, None if it is encoded like any other text."""

    @property
    def shape(self) -> ConditioningShape:
        """Shape of every encoded text."""
        return self._encoder.shape._replace(image=None if self._images is None else self._images.shape)

    @property
    def refused(self) -> str:
        """Sentence about the image that was asked for last and can't be read; empty if it is shown or none was."""
        return "" if self._images is None else self._images.refused

    @property
    def text_encoder(self) -> TextEncoderState:
        """State of the text encoder."""
        return TextEncoderState(self._loading, self._encoded, 0 if self._lazy is None else self._lazy.held_bytes)

    def load(self) -> None:
        """Load the text encoder, if it is not. Raises `ModelError`."""
        if self._lazy is not None:
            self._lazy.load()

    def free(self) -> None:
        """Drop the text encoder's networks, which the next unknown text loads again. Encoded texts stay."""
        if self._lazy is not None:
            self._lazy.free()

    def encode(self, prompts: PromptMixture) -> Conditioning:
        """Return the conditioning of a mix of prompts. Cached texts are not encoded again."""
        for text in prompts.ahead:
            self.encode_text(text, prompts.loras)
        texts = [self.encode_text(text, prompts.loras) for text, _ in prompts.prompt]
        texts += [self._zeros_for(text) or self.encode_text(text, prompts.loras) for text, _ in prompts.negative]
        return self._mixed(prompts, texts, None if self._images is None else self._images.encode(prompts.image))

    def recall(self, prompts: PromptMixture) -> Conditioning | None:
        """Return the conditioning of a mix of prompts if every text is cached, otherwise None. Encodes nothing."""
        if any(self._key(text, prompts.loras) not in self._cache for text in prompts.ahead):
            return None
        found = [self._cache.get(self._key(text, prompts.loras)) for text, _ in prompts.prompt]
        found += [
            self._zeros_for(text) or self._cache.get(self._key(text, prompts.loras)) for text, _ in prompts.negative
        ]
        texts = [text for text in found if text is not None]
        image = None if self._images is None else self._images.recall(prompts.image)
        unknown = len(texts) < len(found) or (image is None and self._images is not None)
        return None if unknown else self._mixed(prompts, texts, image)

    def encode_text(self, text: str, loras: Weights = ()) -> EncodedText:
        """Return one encoded text, from the cache if it is among the last `CACHE_SIZE`. `loras` are their weights."""
        key = self._key(text, loras)
        encoded = self._cache.pop(key, None) or self._encode(*key)
        self._cache[key] = encoded  # the most recent is last
        if len(self._cache) > CACHE_SIZE:
            del self._cache[next(iter(self._cache))]
        return encoded

    def _key(self, text: str, loras: Weights) -> tuple[str, Weights]:
        known = text if self._known is None else self._known.interpret(text).text
        return known, () if self._weigh is None else loras

    def _mixed(self, prompts: PromptMixture, texts: Sequence[EncodedText], image: EncodedImage | None) -> Conditioning:
        """Return the conditioning of `texts`. That of the last mix is the same object, which no frame copies again."""
        wanted = prompts._replace(loras=prompts.loras if self._weigh else (), image="", ahead=())
        last = self._last
        if last is None or last[0] != wanted or last[1] is not image:
            mixed = _mix_prompts(prompts, texts)
            self._last = last = wanted, image, mixed if image is None else image.beside(mixed)
        return last[2]

    def _zeros_for(self, negative: str) -> EncodedText | None:
        return self._zeros if not negative.strip() else None

    def _encode(self, text: str, loras: Weights) -> EncodedText:
        if self._kept is not None and (found := self._kept.read(text, loras)) is not None:
            return found
        if self._lazy is not None and not self._lazy.is_loaded:
            quoted = text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"
            self._loading = f"loading the text encoder for '{quoted}'"
            try:
                self._lazy.load()  # ahead of the weights of its LoRAs
            finally:
                self._loading = ""
        with torch.inference_mode(), contextlib.nullcontext() if self._weigh is None else self._weigh(loras):
            encoded = self._encoder(text)
        self._encoded += 1
        if self._kept is not None:
            self._kept.write(text, loras, encoded)
        return encoded


def _zeros(shape: ConditioningShape) -> EncodedText:
    return EncodedText(
        torch.zeros(shape.embeds),
        torch.ones(shape.embeds[0]) if shape.masked else None,
        None if shape.pooled is None else torch.zeros(shape.pooled),
    )


def _mix_prompts(prompts: PromptMixture, texts: Sequence[EncodedText]) -> Conditioning:
    """Return the conditioning of `texts`: first those of the prompt, then those of the negative prompt."""
    split = len(prompts.prompt)
    return Conditioning(
        mix_texts(texts[:split], [weight for _, weight in prompts.prompt], prompts.mix),
        mix_texts(texts[split:], [weight for _, weight in prompts.negative], prompts.mix),
    )


@torch.inference_mode()
def mix_texts(texts: Sequence[EncodedText], weights: Sequence[float], mix: PromptMix) -> EncodedText:
    """Return a weighted mix of texts of one shape.

    Args:
        texts: One or more texts.
        weights: Weights above 0, of any sum.
        mix: "linear" for `pipeline.mixing.weighted_mean`, "spherical" for `pipeline.mixing.iterated_slerp`.

    Returns:
        The mix. Its mask is 1 where that of any text is.
    """
    if len(texts) == 1:
        return texts[0]
    mix_vectors = weighted_mean if mix == "linear" else iterated_slerp
    masks = [text.mask for text in texts if text.mask is not None]
    pooled = [text.pooled for text in texts if text.pooled is not None]
    return EncodedText(
        mix_vectors([text.embeds for text in texts], weights),
        torch.stack(masks).amax(0) if masks else None,
        mix_vectors(pooled, weights) if pooled else None,
    )
