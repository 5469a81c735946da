"""Tokenizers that are read without transformers: the tokens are the same."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.fixed_tokenizer import FILE, FixedTokenizer, fixed_tokenizer
from pipeline.models import SHIPPED, Model, load_model
from presets.errors import ModelError

MODEL = load_model(SHIPPED)
FOLDER = MODEL.folder / "tokenizer"
LENGTH = MODEL.conditioning.embeds[0]


@settings(max_examples=200, deadline=None)
@given(text=st.text() | st.text("aei <|>nrst,.'é夜\n\t", max_size=200))
@example(text="")
@example(text="neon tunnel, FIRE  halftone")
@example(text="<|endoftext|> ice <|startoftext|>")
@example(text="fire and ice " * 40)
def test_tokens_are_those_of_transformers(text: str) -> None:
    found = MODEL.text_tokenizer(text)
    assert isinstance(MODEL.text_tokenizer, FixedTokenizer)
    expected = MODEL.tokenizer(text, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
    assert torch.equal(found.input_ids, expected.input_ids)
    assert torch.equal(found.attention_mask, expected.attention_mask)
    assert found.input_ids.shape == (1, LENGTH)


def test_other_files_need_transformers(tmp_path: Path, tiny: Model) -> None:
    assert fixed_tokenizer(tmp_path, LENGTH) is None, "there is no file"
    assert fixed_tokenizer(FOLDER, LENGTH + 1) is None, "texts have another length"
    content = json.loads((FOLDER / FILE).read_text())
    for change in ({"padding": None}, {"truncation": None}, {"padding": {"strategy": "BatchLongest"}}):
        (tmp_path / FILE).write_text(json.dumps(content | change))
        assert fixed_tokenizer(tmp_path, LENGTH) is None
    for text in ("{", "[]", "3"):
        (tmp_path / FILE).write_text(text)
        assert fixed_tokenizer(tmp_path, LENGTH) is None
    assert tiny.text_tokenizer is tiny.tokenizer


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    shutil.copy(FOLDER / FILE, tmp_path)
    content = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(content | {"model": {"type": "BPE", "vocab": 3}}))
    with pytest.raises(ModelError, match=r"tokenizer\.json can't be read: .*Download the model again\."):
        fixed_tokenizer(tmp_path, LENGTH)
