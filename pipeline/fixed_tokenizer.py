"""Tokenizers whose file says how texts are padded and truncated, read without transformers.

Its import takes more than a second.
"""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer

from presets.errors import ModelError

FILE = "tokenizer.json"


class TokenRow(NamedTuple):
    """One text as tokens, named as transformers does."""

    input_ids: torch.Tensor
    """int64 ``[1, L]``."""
    attention_mask: torch.Tensor
    """int64 ``[1, L]``: 1 for a token, 0 for padding."""


class FixedTokenizer:
    """Tokenizer of texts that are padded or truncated to one length, called as one of transformers."""

    def __init__(self, tokenizer: Tokenizer, length: int) -> None:
        self._tokenizer = tokenizer
        self.model_max_length = length
        """Tokens of every text."""

    def __call__(self, text: str, **_: object) -> TokenRow:
        """Return the tokens of a text. The options of transformers are those of the file."""
        encoding = self._tokenizer.encode(text)
        return TokenRow(torch.tensor([encoding.ids]), torch.tensor([encoding.attention_mask]))


def fixed_tokenizer(folder: Path, length: int) -> FixedTokenizer | None:
    """Return the tokenizer in a folder; None if its file does not pad and truncate every text to `length` tokens.

    Raises:
        ModelError: the file is JSON and no tokenizer.
    """
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
        content = json.loads(text)
        lengths = content["padding"]["strategy"]["Fixed"], content["truncation"]["max_length"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if lengths != (length, length):
        return None
    try:
        return FixedTokenizer(Tokenizer.from_str(text), length)
    except Exception as error:
        if type(error) is not Exception:  # the library raises that class itself
            raise
        raise ModelError(f"{folder / FILE} can't be read: {error}. Download the model again.") from error
