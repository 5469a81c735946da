"""Tokenizers and text networks of one model, and the call that all of transformers' text networks share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from presets.errors import ModelError

CPU = torch.device("cpu")


@dataclass(frozen=True)
class TextParts:
    """Tokenizers and text networks of a model folder, by the names of their components. Each is loaded on its call."""

    tokenizer: Callable[[str], Any]
    """Returns a tokenizer of transformers."""
    network: Callable[[str], Any]
    """Returns a text network of transformers, in main memory."""
    configurations: Mapping[str, Mapping[str, Any]]
    """``config.json`` of each component with weights."""
    index: Mapping[str, Any]
    """``model_index.json``."""
    lengths: Mapping[str, int]
    """``model_max_length`` of each tokenizer."""

    def has(self, component: str) -> bool:
        """Return True if the folder has this component."""
        return component in self.configurations


def token_ids(tokenizer: Any, text: str, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and mask of a text, int64 ``[1, length]`` each, padded or truncated to `length` tokens."""
    tokens = tokenizer(text, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    return tokens.input_ids, tokens.attention_mask


def clip_length(parts: TextParts, tokenizer: str = "tokenizer", network: str = "text_encoder") -> int:
    """Return the tokens that a CLIP text encoder reads: those of its tokenizer, at most those of its positions."""
    return min(parts.lengths[tokenizer], whole_number(parts, network, "max_position_embeddings"))


def whole_number(parts: TextParts, component: str, key: str) -> int:
    """Return a whole number of a component's configuration. Raises `ModelError` if it has none of this name."""
    value = parts.configurations[component].get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"The config.json of the {component} has {key}={value!r}; it must be a whole number.")
    return value
