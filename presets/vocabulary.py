"""`Vocabulary`: words that a model was trained on, and synonyms for others. A model folder may have one in a file.

``vocabulary.json`` is an object with these keys. Only ``known`` is required::

    known            {"styles": ["halftone", …], …}, words and phrases by kind, in the order of the page
    fillers          ["in", "of", …], words of captions that mean nothing alone
    other_spellings  ["color", …], known too, but not listed
    ignored          ["please", …], unknown words that are left out without a notice
    synonyms         {"comic": "halftone", …}, from a word or phrase to a known one
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from presets.errors import ModelError

VOCABULARY_FILE = "vocabulary.json"

MOST_BYTES = 256 * 1024
MOST_KINDS = 16
MOST_PHRASES = 4096
"""Most phrases of the whole vocabulary, and most synonyms."""
LONGEST_PHRASE = 48
"""Characters of the longest phrase."""
MOST_WORDS = 6
"""Words of the longest phrase."""

_PHRASE = re.compile(r"[^\W_]+(?:'[^\W_]+)*(?:[ -][^\W_]+(?:'[^\W_]+)*)*")
_LISTS = ("fillers", "other_spellings", "ignored")


@dataclass(frozen=True)
class Vocabulary:
    """Words that a model knows. Every phrase is in lower case, its words joined by one space or hyphen."""

    known: Mapping[str, tuple[str, ...]]
    """Words and phrases by kind: styles, palettes, adjectives, motifs."""
    fillers: tuple[str, ...] = ()
    """Words of the model's captions that mean nothing alone."""
    other_spellings: tuple[str, ...] = ()
    """Phrases that are known but not listed."""
    ignored: tuple[str, ...] = ()
    """Unknown words that are left out without a notice."""
    synonyms: Mapping[str, str] = field(default_factory=dict)
    """Known phrase or filler for each word or phrase that the model does not know."""

    @classmethod
    def from_json(cls, value: object, name: str) -> "Vocabulary":
        """Return the vocabulary in a JSON value. Raises `ModelError`, which begins with `name`, for anything else."""
        if not isinstance(value, dict) or not isinstance(value.get("known"), dict):
            raise ModelError(f'{name} must hold an object with a key "known", whose value is an object of lists.')
        if unknown := sorted(set(value) - {"known", "synonyms", *_LISTS}):
            raise ModelError(
                f"{name} has the key {unknown[0][:40]!r}; known, {', '.join(_LISTS)}, synonyms are expected."
            )
        kinds = value["known"]
        if not 0 < len(kinds) <= MOST_KINDS:
            raise ModelError(f'{name}: "known" has {len(kinds)} kinds of words; 1 to {MOST_KINDS} are expected.')
        for kind in kinds:
            _check_phrase(kind, f'{name}: a kind in "known"')
        known = {kind: _phrases(words, f'{name}: "{kind}"') for kind, words in kinds.items()}
        lists = {key: _phrases(value.get(key, []), f'{name}: "{key}"') for key in _LISTS}
        synonyms = _synonyms(value.get("synonyms", {}), f'{name}: "synonyms"')
        vocabulary = cls(MappingProxyType(known), **lists, synonyms=synonyms)
        vocabulary._check_whole(name)
        return vocabulary

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object that `from_json` reads."""
        lists = {key: list(getattr(self, key)) for key in _LISTS}
        return {
            "known": {kind: list(words) for kind, words in self.known.items()},
            **lists,
            "synonyms": dict(self.synonyms),
        }

    def phrases(self) -> tuple[str, ...]:
        """Return all words and phrases of all kinds, in order."""
        return tuple(phrase for words in self.known.values() for phrase in words)

    def _check_whole(self, name: str) -> None:
        phrases = {*self.phrases()}
        if not 0 < len(phrases) <= MOST_PHRASES:
            raise ModelError(f"{name} has {len(phrases)} phrases; 1 to {MOST_PHRASES} are expected.")
        for word, target in self.synonyms.items():
            if target not in phrases and target not in self.fillers:
                raise ModelError(
                    f'{name}: the synonym of {word!r} is {target!r}; a phrase in "known" or a filler is expected.'
                )


def read_vocabulary(folder: Path) -> Vocabulary | None:
    """Return the vocabulary of a model folder, None if it has none.

    Raises `ModelError` for a file that can't be read whole, with its path and what was expected.
    """
    path = folder / VOCABULARY_FILE
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ModelError(f"{path} is larger than {MOST_BYTES // 1024} KiB, the most for a vocabulary.")
        value = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not readable JSON: {str(error)[:120]}") from error
    return Vocabulary.from_json(value, str(path))


def write_vocabulary(vocabulary: Vocabulary, folder: Path) -> None:
    """Write the vocabulary into a model folder. Raises `ModelError` if it could not be read again."""
    Vocabulary.from_json(vocabulary.as_json(), str(folder / VOCABULARY_FILE))
    text = json.dumps(vocabulary.as_json(), indent=1, ensure_ascii=False)
    (folder / VOCABULARY_FILE).write_text(text + "\n", encoding="utf-8")


def _phrases(words: object, name: str) -> tuple[str, ...]:
    if not isinstance(words, list) or len(words) > MOST_PHRASES:
        raise ModelError(f"{name} must be a list of at most {MOST_PHRASES} phrases.")
    for word in words:
        _check_phrase(word, f"{name}: an entry")
    return tuple(dict.fromkeys(words))


def _synonyms(entries: object, name: str) -> Mapping[str, str]:
    if not isinstance(entries, dict) or len(entries) > MOST_PHRASES:
        raise ModelError(f"{name} must be an object of at most {MOST_PHRASES} phrases.")
    for phrase in (*entries, *entries.values()):
        _check_phrase(phrase, f"{name}: an entry")
    return MappingProxyType(entries)


def _check_phrase(phrase: object, name: str) -> None:
    """Raise `ModelError` unless `phrase` is lower-case words, each joined to the next by one space or hyphen."""
    is_plain = (
        isinstance(phrase, str)
        and len(phrase) <= LONGEST_PHRASE
        and phrase == phrase.lower() == unicodedata.normalize("NFKC", phrase)
        and _PHRASE.fullmatch(phrase)
        and len(re.split("[ -]", phrase)) <= MOST_WORDS
    )
    if not is_plain:
        raise ModelError(
            f"{name} is {repr(phrase)[:60]}; words in lower case are expected, at most {MOST_WORDS} words and"
            f" {LONGEST_PHRASE} characters, joined by single spaces or hyphens."
        )
