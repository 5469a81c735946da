"""Texts for Z-Image and FLUX.2-klein: Qwen 3, which reads the prompt as the message of a chat."""

from typing import Any

import torch
from torch.nn import functional

from pipeline.conditioning import ConditioningShape, EncodedText
from pipeline.text_encoders.text_parts import TextParts, token_ids, whole_number
from presets.errors import ModelError

TOKENS = 512
"""Tokens of a text that the networks read, ``max_sequence_length`` of diffusers' pipelines."""


KLEIN_LAYERS = (9, 18, 27)
"""Layers of Qwen 3 after which FLUX.2-klein reads it, ``text_encoder_out_layers`` of diffusers' pipeline."""


class QwenChat:
    """Qwen 3 behind the chat template of its tokenizer."""

    def __init__(self, parts: TextParts, *, thinking: bool) -> None:
        """
        Args:
            parts: Tokenizer and text network of a model.
            thinking: Setting ``enable_thinking`` of the template, as the model was trained.

        Raises:
            ModelError: the tokenizer has no chat template, or one that can't be used.
        """
        from jinja2 import TemplateError  # every start would import it

        self._tokenizer, self._thinking = parts.tokenizer("tokenizer"), thinking
        # The head of a language model would predict words, which nobody reads.
        self._network = parts.network("text_encoder").base_model
        if not getattr(self._tokenizer, "chat_template", None):
            raise ModelError("The tokenizer of this model has no chat template, through which its Qwen 3 reads texts.")
        try:
            self._message("a text")
        except (TemplateError, ValueError, TypeError) as error:
            raise ModelError(f"The chat template of this model's tokenizer can't be used: {error}") from error

    def __call__(self, text: str) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """Return the hidden states ``[1, TOKENS, D]`` before the first layer and after each, and the mask ``[1,
        TOKENS]``."""
        ids, mask = token_ids(self._tokenizer, self._message(text), TOKENS)
        out = self._network(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
        return out.hidden_states, mask

    def _message(self, text: str) -> Any:
        return self._tokenizer.apply_chat_template(
            [{"role": "user", "content": text}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=self._thinking,
        )


class ZImageText:
    """Texts of Z-Image: the last but one hidden states of Qwen 3, without padding, and their mask."""

    zeroes_empty_negative = False

    def __init__(self, parts: TextParts) -> None:
        self.shape = z_image_shape(parts)
        self._chat = QwenChat(parts, thinking=True)

    def __call__(self, text: str) -> EncodedText:
        """Return one encoded text, float32. Its tokens come first, and zeros follow."""
        hidden, mask = self._chat(text)
        tokens = hidden[-2][0, mask[0].bool()].float()
        rest = TOKENS - len(tokens)
        return EncodedText(functional.pad(tokens, (0, 0, 0, rest)), (torch.arange(TOKENS) < len(tokens)).float())


def z_image_shape(parts: TextParts) -> ConditioningShape:
    """Return the shape of `ZImageText`, known before anything is loaded."""
    return ConditioningShape((TOKENS, checked_width(parts, "cap_feat_dim", 1)), masked=True)


class Flux2Text:
    """Texts of FLUX.2-klein: hidden states after three layers of Qwen 3 side by side, padding included."""

    zeroes_empty_negative = False

    def __init__(self, parts: TextParts) -> None:
        self.shape = flux2_shape(parts)
        self._chat = QwenChat(parts, thinking=False)

    def __call__(self, text: str) -> EncodedText:
        """Return one encoded text, float32."""
        hidden, _ = self._chat(text)
        return EncodedText(torch.cat([hidden[layer][0].float() for layer in KLEIN_LAYERS], dim=-1))


def flux2_shape(parts: TextParts) -> ConditioningShape:
    """Return the shape of `Flux2Text`, known before anything is loaded."""
    layers = whole_number(parts, "text_encoder", "num_hidden_layers")
    if layers < KLEIN_LAYERS[-1]:
        raise ModelError(f"The text_encoder has {layers} layers; FLUX.2-klein reads {KLEIN_LAYERS[-1]} of them.")
    return ConditioningShape((TOKENS, checked_width(parts, "joint_attention_dim", len(KLEIN_LAYERS))))


def checked_width(parts: TextParts, key: str, layers: int) -> int:
    """Return the width of a text, which is that of `layers` hidden states of Qwen 3 side by side.

    Args:
        parts: Text parts of a model.
        key: Setting of the transformer for the width that it reads.
        layers: Number of hidden states.

    Raises:
        ModelError: text encoder and transformer don't fit together.
    """
    read, hidden = whole_number(parts, "transformer", key), whole_number(parts, "text_encoder", "hidden_size")
    if read != layers * hidden:
        raise ModelError(
            f"The transformer reads texts of width {read} ({key}), and the text_encoder gives {layers * hidden}. They"
            " are of different models."
        )
    return read
