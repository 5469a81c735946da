"""Texts for SANA-Sprint: Gemma 2 behind the instruction that the model was trained with."""

import inspect

import torch

from pipeline.conditioning import ConditioningShape, EncodedText
from pipeline.library_imports import load_class
from pipeline.text_encoders.text_parts import TextParts, token_ids, whole_number

TOKENS = 300
"""Tokens of a text that the network reads, ``max_sequence_length`` of diffusers' pipeline."""


class SanaText:
    """Texts of SANA and SANA-Sprint (arXiv:2410.10629, section 3.1).

    Gemma reads an instruction before the prompt. The network gets the first token and the last `TOKENS` − 1, with their
    mask.
    """

    zeroes_empty_negative = False

    def __init__(self, parts: TextParts) -> None:
        self.shape = sana_shape(parts)
        self._tokenizer, self._network = parts.tokenizer("tokenizer"), parts.network("text_encoder")
        self._tokenizer.padding_side = "right"
        self._instruction = instruction()
        # Like diffusers' pipeline: room for the prompt behind the instruction, whose start and end tokens are shared.
        self._length = len(self._tokenizer.encode(self._instruction)) + TOKENS - 2

    def __call__(self, text: str) -> EncodedText:
        """Return one encoded text, float32."""
        ids, mask = token_ids(self._tokenizer, self._instruction + text.lower().strip(), self._length)
        hidden = self._network(ids, attention_mask=mask)[0][0].float()
        first_and_last = [0, *range(-TOKENS + 1, 0)]
        return EncodedText(hidden[first_and_last], mask[0, first_and_last].to(torch.float32))


def instruction() -> str:
    """Return the instruction of diffusers' SANA-Sprint pipeline, which is a default of its call."""
    pipeline = load_class("diffusers", "SanaSprintPipeline")
    lines = inspect.signature(pipeline.__call__).parameters["complex_human_instruction"].default
    return "\n".join(lines)


def sana_shape(parts: TextParts) -> ConditioningShape:
    """Return the shape of `SanaText`, known before anything is loaded."""
    return ConditioningShape((TOKENS, whole_number(parts, "transformer", "caption_channels")), masked=True)
