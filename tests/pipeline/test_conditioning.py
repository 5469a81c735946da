"""Conditioning: mixed in embedding space, empty texts absent, encoded once."""

from pathlib import Path

import pytest
import torch

from pipeline.conditioning import CACHED, TextConditioner
from pipeline.models import load_model
from presets.parameters import WeightedPrompt as Prompt


@pytest.fixture
def conditioner(tiny_folder: Path) -> TextConditioner:
    model = load_model(tiny_folder)
    return TextConditioner(model.tokenizer, model.text_encoder, torch.device("cpu"), torch.float32)


def test_it_is_the_text_encoder_s_last_hidden_state(conditioner: TextConditioner, tiny_folder: Path) -> None:
    model = load_model(tiny_folder)
    ids = model.tokenizer("neon", padding="max_length", max_length=12, return_tensors="pt").input_ids
    with torch.no_grad():
        expected = model.text_encoder(ids).last_hidden_state[0]
    embeds = conditioner.encode([Prompt(text="neon")]).positive.embeds
    assert embeds.shape == conditioner.shape.embeds == (12, 16)
    torch.testing.assert_close(embeds, expected)


def test_weights_are_shares_of_the_mix(conditioner: TextConditioner) -> None:
    one, other = (conditioner.encode([Prompt(text=text)]).positive.embeds for text in ("neon tunnel", "blue rings"))
    assert (one - other).abs().max() > 0.1
    mixed = conditioner.encode(
        [Prompt(text="neon tunnel", weight=1.5), Prompt(text="blue rings", weight=0.5)]
    ).positive.embeds
    torch.testing.assert_close(mixed, 0.75 * one + 0.25 * other)


def test_what_is_empty_or_without_weight_is_absent(conditioner: TextConditioner) -> None:
    alone = conditioner.encode([Prompt(text="neon", weight=0.3)]).positive.embeds
    beside = conditioner.encode([Prompt(text=" "), Prompt(text="neon"), Prompt(text="rings", weight=0)]).positive.embeds
    torch.testing.assert_close(beside, alone)
    empty = conditioner.text("")
    for prompts in ([], [Prompt(text="")], [Prompt(text="neon", weight=0)]):
        torch.testing.assert_close(conditioner.encode(prompts).positive.embeds, empty)


def test_the_negative_is_the_empty_prompt_or_its_own(conditioner: TextConditioner) -> None:
    prompts = [Prompt(text="neon")]
    torch.testing.assert_close(conditioner.encode(prompts).negative.embeds, conditioner.text(""))
    torch.testing.assert_close(conditioner.encode(prompts, "grey").negative.embeds, conditioner.text("grey"))


def test_texts_are_encoded_once_and_the_cache_is_bounded(conditioner: TextConditioner) -> None:
    assert (
        conditioner.encode([Prompt(text="neon")]).positive.embeds
        is conditioner.encode([Prompt(text="neon")]).positive.embeds
    )
    for number in range(CACHED + 10):
        conditioner.text(f"neon {number}")
    assert conditioner.text.cache_info().currsize == CACHED


def test_a_text_longer_than_the_model_hears_is_cut(conditioner: TextConditioner) -> None:
    assert conditioner.encode([Prompt(text="neon tunnel " * 80)]).positive.shape == conditioner.shape
