"""Captions name what is drawn, and every word has one meaning."""

import re

import numpy as np
import pytest

from pipeline.shipped.palettes import COLOURS, PALETTES
from pipeline.shipped.prompts import HELD_OUT, TEMPLATES, caption_for
from pipeline.shipped.recipes import Recipe, random_recipe
from pipeline.shipped.scenes import MOTIFS
from pipeline.shipped.styles import STYLES
from pipeline.shipped.vocabulary import (
    ADJECTIVE_WORDS,
    MOTIF_WORDS,
    OPPOSITES,
    Meaning,
    known_words,
    palette_words,
    vocabulary,
)


def british(caption: str) -> str:
    return caption.replace("color", "colour").replace("gray", "grey")


@pytest.mark.parametrize("held_out", [False, True])
def test_captions_name_what_is_drawn(held_out: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(1500):
        recipe = random_recipe(rng)
        caption = british(caption_for(recipe, rng, held_out))
        assert caption
        assert caption == caption.lower().strip(" ,")
        assert not re.search(r"  |,,| ,|[{}]", caption)
        named = [STYLES[name].words for name in (recipe.style, recipe.second) if name is not None]
        named += [palette_words(recipe.palette)] if recipe.palette else []
        named += [MOTIF_WORDS[recipe.motif]] if recipe.motif else []
        for words in named:
            assert any(word in caption for word in words), (recipe, caption)
        said = [any(word in caption for word in ADJECTIVE_WORDS[name]) for name in recipe.adjectives]
        assert sum(said) >= len(said) - 1, (recipe, caption)
        assert not said or any(said)


def test_held_out_word_orders_are_not_trained() -> None:
    assert HELD_OUT.keys() == TEMPLATES.keys()
    for parts, forms in HELD_OUT.items():
        assert not set(forms) & set(TEMPLATES[parts])
        assert any("{a}" in form for form in forms)
        assert any("{a}" in form for form in TEMPLATES[parts])


def test_captions_vary_and_repeat_by_seed() -> None:
    recipe = Recipe("neon edges", palette="fire", adjectives=("dark",))
    captions = {caption_for(recipe, np.random.default_rng(seed)) for seed in range(200)}
    assert len(captions) > 60
    assert caption_for(recipe, np.random.default_rng(3)) == caption_for(recipe, np.random.default_rng(3))


def test_recipe_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="no caption"):
        caption_for(Recipe(), np.random.default_rng(0))


def test_every_word_has_one_meaning() -> None:
    groups = [style.words for style in STYLES.values()]
    groups += [palette_words(name) for name in (*PALETTES, *COLOURS, "own")]
    groups += [*ADJECTIVE_WORDS.values(), *MOTIF_WORDS.values()]
    words = [word for group in groups for word in group]
    assert sorted(words) == sorted(set(words))
    assert set(known_words()) == set(words)
    assert set(MOTIF_WORDS) == set(MOTIFS)


def test_vocabulary_tells_the_meaning() -> None:
    assert vocabulary()["ascii art"] == Meaning("style", "glyph cells")
    assert vocabulary()["golden"] == Meaning("palette", "gold")
    assert vocabulary()["vortex"] == Meaning("motif", "spiral")
    assert vocabulary()["shining"] == Meaning("adjective", "glowing")


def test_opposites_do_not_meet() -> None:
    rng = np.random.default_rng(1)
    for _ in range(2000):
        words = set(random_recipe(rng).adjectives)
        assert not any(set(pair) <= words for pair in OPPOSITES)
