"""Byte-level BPE tokenizer in CLIP's format, trained on captions. Every text can be encoded."""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex as Pattern
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from pipeline.shipped.configuration import SHAPE

START, END = "<|startoftext|>", "<|endoftext|>"

_STAGE_WORDS = """
abstract animated background beat black brown building camera city colour color dance dancer deep digital dream energy
eye face flash floor flow flying fractal future geometry glitch grey gray hand heart human light loop machine metal moon
motion mountain music night noise organic particle pattern person portrait pulse rain retro river robot rose shadow
shape skull sky snow space speed stage storm sun techno texture tree triangle video water wind world the of in and with
over on a an made from very
"""
# Words that are likely in prompts and absent from captions. Single tokens leave room for the others.

_WORDS = Pattern(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")


def train_tokenizer(captions: Iterable[str]) -> CLIPTokenizer:
    """Return a tokenizer of transformers with merges learned from the captions.

    The vocabulary contains all 256 bytes, inside a word and at its end, so no text is unknown.
    """
    raw = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
    raw.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_WORDS, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=SHAPE.vocabulary - 2,
        min_frequency=2,
        show_progress=False,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
    )
    raw.train_from_iterator([*captions, *[_STAGE_WORDS] * 2], trainer)
    merges = [tuple(pair) for pair in json.loads(raw.to_str())["model"]["merges"]]
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    tokens += dict.fromkeys(left + right for left, right in merges)
    vocabulary = {token: index for index, token in enumerate([*dict.fromkeys(tokens), START, END])}
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        unk_token=END,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        model_max_length=SHAPE.tokens,
    )


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """Return a saved tokenizer."""
    return CLIPTokenizer.from_pretrained(folder)
