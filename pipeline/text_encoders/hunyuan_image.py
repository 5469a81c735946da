"""Texts for HunyuanImage: Qwen 2.5-VL reads the prompt, and a ByT5 the words in quotes, which are to be written."""

import re
from typing import Any

import torch
from torch.nn import functional

from pipeline.conditioning import ConditioningShape, EncodedText
from pipeline.text_encoders.text_parts import TextParts, whole_number
from presets.errors import ModelError

WORDS = 256
"""Tokens of the prompt that are read. diffusers' pipeline reads up to 1000, which no live prompt has."""
GLYPHS = 128
"""Tokens of the words in quotes that are read, as in diffusers' pipeline."""

LAYER = -3
"""Hidden states of Qwen 2.5-VL that the network was trained with: those before its last two layers."""

INSTRUCTION = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, spatial"
    " relationships of the objects and background:<|im_end|>\n<|im_start|>user\n{}<|im_end|>"
)
"""Text around the prompt that the network was trained with."""

INSTRUCTION_TOKENS = 34
"""Tokens before the prompt, which the network does not see."""

_QUOTED = (r"'(.*?)'", r'"(.*?)"', r"‘(.*?)’", r"“(.*?)”")


class HunyuanImageText:
    """Texts of HunyuanImage-2.1: hidden states of Qwen 2.5-VL, those of the ByT5 behind them, and the mask of both.

    Padding is masked, so that the text networks read the tokens of the text alone.
    """

    zeroes_empty_negative = False

    def __init__(self, parts: TextParts) -> None:
        self.shape = hunyuan_image_shape(parts)
        self._tokenizers = parts.tokenizer("tokenizer"), parts.tokenizer("tokenizer_2")
        # The head of a language model would predict words, which nobody reads.
        self._qwen, self._byt5 = parts.network("text_encoder").base_model, parts.network("text_encoder_2")

    def __call__(self, text: str) -> EncodedText:
        """Return one encoded text, float32."""
        ids = _ids(self._tokenizers[0], INSTRUCTION.format(text), INSTRUCTION_TOKENS + WORDS)
        out = self._qwen(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True, use_cache=False)
        parts = [(out.hidden_states[LAYER][0, INSTRUCTION_TOKENS:], WORDS)]
        quoted = glyph_text(text)
        ids = _ids(self._tokenizers[1], quoted, GLYPHS)
        glyphs = self._byt5(input_ids=ids, attention_mask=torch.ones_like(ids).float())[0][0]
        parts.append((glyphs if quoted else glyphs[:0], GLYPHS))
        width = self.shape.embeds[1]
        embeds = [functional.pad(each.float(), (0, width - each.shape[1], 0, n - len(each))) for each, n in parts]
        mask = [(torch.arange(n) < len(each)).float() for each, n in parts]
        return EncodedText(torch.cat(embeds), torch.cat(mask))


def _ids(tokenizer: Any, text: str, most: int) -> torch.Tensor:
    """Return the token ids of a text, int64 ``[1, L]`` with L up to `most`."""
    ids: torch.Tensor = tokenizer(text, truncation=True, max_length=most, return_tensors="pt").input_ids
    return ids


def glyph_text(prompt: str) -> str:
    """Return the words in quotes in the form that the ByT5 was trained with; an empty text if there are none."""
    found = [words for pattern in _QUOTED for words in re.findall(pattern, prompt)]
    return "".join(f'Text "{words}". ' for words in found)


def _text_width(parts: TextParts) -> object:
    """Return the width of Qwen 2.5-VL's hidden states. Its configuration has those of its language model apart."""
    config = parts.configurations["text_encoder"]
    inner = config.get("text_config")
    return (inner if isinstance(inner, dict) else config).get("hidden_size")


def hunyuan_image_shape(parts: TextParts) -> ConditioningShape:
    """Return the shape of `HunyuanImageText`, known before anything is loaded."""
    widths = []
    for key, component, theirs in (
        ("text_embed_dim", "text_encoder", _text_width(parts)),
        ("text_embed_2_dim", "text_encoder_2", parts.configurations["text_encoder_2"].get("d_model")),
    ):
        read = whole_number(parts, "transformer", key)
        if read != theirs:
            raise ModelError(
                f"The transformer reads texts of width {read} ({key}), and the {component} gives {theirs!r}. They are"
                " of different models."
            )
        widths.append(read)
    return ConditioningShape((WORDS + GLYPHS, max(widths)), masked=True)
