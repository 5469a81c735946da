"""Words of the bundled model: captions pass as they are, and each synonym leads to a word that captions have."""

from pathlib import Path

import numpy as np

from pipeline.shipped.prompts import caption_for
from pipeline.shipped.recipes import random_recipe
from pipeline.shipped.synonyms import IGNORED, WORDS_FOR, shipped_vocabulary, write_words
from pipeline.shipped.vocabulary import known_words, vocabulary
from presets.known_words import Interpretation, KnownWords
from presets.vocabulary import read_vocabulary


def test_written_file_has_every_word(tmp_path: Path) -> None:
    write_words(tmp_path)
    written = read_vocabulary(tmp_path)
    assert written == shipped_vocabulary()
    assert sorted(written.phrases()) == sorted(known_words())
    assert list(written.known) == ["styles", "palettes", "adjectives", "motifs"]
    assert len(written.synonyms) >= 150


def test_captions_pass_as_they_are() -> None:
    words, rng = KnownWords(shipped_vocabulary()), np.random.default_rng(0)
    for _ in range(400):
        caption = caption_for(random_recipe(rng), rng)
        assert words.interpret(caption) == Interpretation(caption)
        # Other word orders keep their known words, and lose the rest without a notice.
        assert words.interpret(caption_for(random_recipe(rng), rng, held_out=True)).note == ""


def test_synonyms_are_unknown_and_unique() -> None:
    listed = [word for words in WORDS_FOR.values() for word in words.split(", ")]
    assert len(listed) == len(set(listed))
    assert not set(listed) & ({*vocabulary()} | IGNORED)
    words = KnownWords(shipped_vocabulary())
    for phrase, unknown in WORDS_FOR.items():
        for word in unknown.split(", "):
            assert words.interpret(word).text == phrase, word
