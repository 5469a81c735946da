"""The tokenizer encodes any text, and the words of captions as single tokens."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from pipeline.shipped.configuration import MODEL_FOLDER, SHAPE
from pipeline.shipped.tokenizer import load_tokenizer
from pipeline.shipped.vocabulary import known_words

TOKENIZER = load_tokenizer(MODEL_FOLDER / "tokenizer")


def ids(text: str) -> list[int]:
    encoded: list[int] = TOKENIZER(text, padding="max_length", truncation=True, max_length=SHAPE.tokens).input_ids
    return encoded


@given(st.text(max_size=400))
def test_any_text_is_encoded(text: str) -> None:
    row = ids(text)
    assert len(row) == SHAPE.tokens
    assert all(0 <= token < len(TOKENIZER) for token in row)
    assert row[0] == TOKENIZER.bos_token_id
    assert TOKENIZER.eos_token_id in row


@pytest.mark.parametrize("text", ["", " ", "🔥", "東京の夜", "Ünïcödé", "a" * 5000, "\x00\n\t", "<|endoftext|>"])
def test_odd_texts_are_encoded(text: str) -> None:
    assert len(ids(text)) == SHAPE.tokens


def test_unknown_words_are_split() -> None:
    assert TOKENIZER.unk_token_id not in ids("xylophone 🔥 東京")[1:4]
    assert ids("xylophone") != ids("zeppelin") != ids("")


def test_case_is_ignored() -> None:
    assert ids("NEON Tunnel") == ids("neon tunnel")


def test_caption_words_are_single_tokens() -> None:
    words = {word for phrase in known_words() for word in re.findall(r"[a-z]+", phrase)}
    assert len(words) > 150
    whole = [word for word in words if len(TOKENIZER.tokenize(word)) == 1]
    assert len(whole) > 0.95 * len(words)


def test_auto_tokenizer_is_the_same() -> None:
    auto = AutoTokenizer.from_pretrained(MODEL_FOLDER / "tokenizer")
    assert auto("glowing neon tunnel").input_ids == TOKENIZER("glowing neon tunnel").input_ids
