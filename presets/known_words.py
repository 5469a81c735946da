"""`KnownWords`: prompts in words that a model knows. Unknown words are replaced by known ones or left out.

A word that is not known is looked up in this order: the synonyms, other forms of the word (plural, -ing, -y), phrases
that contain it, the nearest spelling. A symbol, such as an emoji, is looked up by its Unicode name.
"""

from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import NamedTuple

from presets.prompt_text import LONGEST_PROMPT, MOST_WORDS, Piece, Prompt, assemble, fold, read_prompt
from presets.vocabulary import Vocabulary
from presets.word_forms import SpellingIndex, nearest, other_forms

LONGEST_WORD = 40
"""Characters of the longest unknown word that is looked up, and that a notice shows."""
LEAST_LETTERS = 4
"""Letters of the shortest word whose spelling is corrected, or that is looked up inside phrases."""
LEAST_SYNONYM = 6
"""Letters of the shortest synonym whose spelling is corrected. Shorter ones are near too many other words."""
MOST_NAMED = 4
"""Replaced and unknown words that a notice names. Any more are only counted."""
LONGEST_QUOTE = 80
"""Characters of a prompt that a notice quotes."""

# Costs of a way to divide a prompt into phrases. Known phrases first, then the fewest unknown words.
_KNOWN, _SYNONYM, _IGNORED, _UNKNOWN = 1, 1000, 2000, 1_000_000


class Interpretation(NamedTuple):
    """A prompt in words that the model knows."""

    text: str
    """Text to encode."""
    replaced: tuple[tuple[str, str], ...] = ()
    """Each word that was replaced, and the known phrase in its place."""
    dropped: tuple[str, ...] = ()
    """Each word that was left out."""
    is_cut: bool = False
    """True if the prompt is longer than what is read."""

    @property
    def note(self) -> str:
        """Sentence for the performer; empty if every word is read and known."""
        if not (self.replaced or self.dropped or self.is_cut):
            return ""
        text = self.text if len(self.text) <= LONGEST_QUOTE else f"{self.text[:LONGEST_QUOTE]}…"
        parts = []
        if self.replaced:
            parts.append(_listed([f"{word} → {known}" for word, known in self.replaced]))
        if self.dropped:
            verb = "is" if len(self.dropped) == 1 else "are"
            parts.append(f"{_listed([repr(word) for word in self.dropped])} {verb} not known")
        if self.is_cut:
            parts.append(f"words past {LONGEST_PROMPT} characters or {MOST_WORDS} words are not read")
        return f"drawn as '{text}': {'; '.join(parts)}"


def _listed(words: list[str]) -> str:
    more = len(words) - MOST_NAMED
    return ", ".join(words) if more <= 0 else f"{', '.join(words[:MOST_NAMED])} and {more} more"


class KnownWords:
    """The words of one vocabulary, indexed on first use. Any thread may interpret prompts."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._recent = lru_cache(maxsize=256)(self._interpret)
        self._similar = lru_cache(maxsize=1024)(self._look_up)

    def interpret(self, text: str) -> Interpretation:
        """Return a prompt in words that the model knows.

        Known words and phrases stay as they are, with their order and punctuation. If no word is known, the nearest
        known one by spelling is taken. The empty prompt stays empty. Text past `LONGEST_PROMPT` characters is ignored.
        """
        return self._recent(text[: LONGEST_PROMPT + 1])

    def _interpret(self, text: str) -> Interpretation:
        first = self._once(text)
        # Replaced words can form a phrase that is written with a hyphen. A second pass then writes it so.
        return first._replace(text=self._once(first.text).text)

    def _once(self, text: str) -> Interpretation:
        prompt = read_prompt(text)
        pieces = [self._known_piece(prompt, *bounds) for bounds in self._divide(prompt)]
        if not any(piece.text and not piece.is_filler for piece in pieces):
            pieces = self._with_nearest(prompt, pieces)
        replaced = {piece.word[:LONGEST_WORD]: piece.text for piece in pieces if piece.text and piece.is_replaced}
        dropped = {piece.word[:LONGEST_WORD]: None for piece in pieces if not piece.text and not piece.is_ignored}
        return Interpretation(assemble(prompt, pieces), tuple(replaced.items()), tuple(dropped), prompt.is_cut)

    def _divide(self, prompt: Prompt) -> list[tuple[int, int]]:
        """Return the first and last + 1 word of each piece of the best division of a prompt into phrases."""
        words, joined = prompt.folded, prompt.joined
        best: list[tuple[int, int]] = [(0, len(words))] * len(words) + [(0, 0)]
        """Cost from each word to the end, and the end of the piece that begins there."""
        for start in range(len(words) - 1, -1, -1):
            options = [(_UNKNOWN + best[start + 1][0], start + 1)]
            for length in self._index.lengths.get(words[start], ()):
                end = start + length
                if end <= len(words) and all(joined[start + 1 : end]):
                    cost = self._index.cost(words[start:end])
                    options += [] if cost is None else [(cost + best[end][0], end)]
            best[start] = min(options)
        bounds, start = [], 0
        while start < len(words):
            bounds.append((start, best[start][1]))
            start = best[start][1]
        return bounds

    def _known_piece(self, prompt: Prompt, start: int, end: int) -> Piece:
        key = prompt.folded[start:end]
        written, index = prompt.written(start, end), self._index
        if known := index.known.get(key):
            text = written if written.lower() == known else known
            return Piece(start, end, written, text, is_filler=known in index.fillers)
        if synonym := index.synonyms.get(key):
            is_filler = synonym in index.fillers
            return Piece(start, end, written, synonym, is_filler, is_replaced=not is_filler)
        if key in index.ignored:
            return Piece(start, end, written, "", is_ignored=True)
        return Piece(
            start, end, written, self._similar(key[0][: LONGEST_WORD + 1], prompt.names[start]), is_replaced=True
        )

    def _look_up(self, word: str, name: str) -> str:
        """Return the known phrase for one unknown word, empty if there is none. `name` is that of a symbol."""
        if len(word) > LONGEST_WORD:
            return ""
        index = self._index
        for form in [word, *reversed(name.split())]:
            if found := index.meaning(form) or index.meaning_of_any(other_forms(form)):
                return found
        if name or len(word) < LEAST_LETTERS:
            return ""
        return index.containing(word) or index.spellings.nearest(word)

    def _with_nearest(self, prompt: Prompt, pieces: list[Piece]) -> list[Piece]:
        """Replace the first unknown word by the nearest known one, if there is any unknown word."""
        unknown = [piece for piece in pieces if not piece.text]
        if not unknown:
            return pieces
        chosen = min(unknown, key=lambda piece: (piece.is_ignored, piece.start))
        word = prompt.names[chosen.start] or fold(chosen.word)
        text = nearest(word[:LONGEST_WORD], self._index.single_words)
        replacement = chosen._replace(text=text, is_replaced=True, is_ignored=False)
        return [replacement if piece is chosen else piece for piece in pieces]

    @cached_property
    def _index(self) -> "_WordIndex":
        return _WordIndex(self.vocabulary)


class _WordIndex:
    """Look-up tables of one vocabulary. Keys are tuples of folded words."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        phrases = vocabulary.phrases()
        self.fillers = frozenset(vocabulary.fillers) - set(phrases)
        self.known = {_key(text): text for text in (*vocabulary.fillers, *vocabulary.other_spellings, *phrases)}
        self.synonyms = {_key(word): known for word, known in _singular_and_plural(phrases)}
        self.synonyms |= {_key(word): known for word, known in vocabulary.synonyms.items()}
        self.ignored = {_key(word) for word in vocabulary.ignored}
        self.lengths: dict[str, tuple[int, ...]] = {}
        """Numbers of words of the phrases that begin with a word."""
        for key in (*self.known, *self.synonyms, *self.ignored):
            self.lengths[key[0]] = tuple({*self.lengths.get(key[0], ()), len(key)})
        self.single_words = [text for text in phrases if len(_key(text)) == 1] or list(phrases)
        self._containing: dict[str, str] = {}
        for text in phrases:
            for word in _key(text):
                self._containing.setdefault(word, text)
        self._glued = {"".join(_key(text)): text for text in phrases}
        synonyms = {key[0]: text for key, text in self.synonyms.items() if len(key) == 1}
        names = {word: text for word, text in synonyms.items() if len(word) >= LEAST_SYNONYM} | self._glued
        self.spellings = SpellingIndex({word: text for word, text in names.items() if len(word) >= LEAST_LETTERS})

    def cost(self, key: tuple[str, ...]) -> int | None:
        """Return the cost of taking these words as one phrase, None if it is none."""
        if key in self.known:
            return _KNOWN
        if key in self.synonyms:
            return _SYNONYM
        return _IGNORED if key in self.ignored else None

    def meaning(self, word: str) -> str:
        """Return the known phrase that one word stands for, by itself, as a synonym or as a phrase without spaces."""
        key = (word,)
        known = self.known.get(key, "")
        return ("" if known in self.fillers else known) or self.synonyms.get(key) or self._glued.get(word, "")

    def meaning_of_any(self, words: Iterable[str]) -> str:
        """Return the meaning of the first word that has one, empty for none."""
        return next((found for word in words if (found := self.meaning(word))), "")

    def containing(self, word: str) -> str:
        """Return the first phrase that contains a word or another form of it, empty for none."""
        forms = (word, *other_forms(word))
        found = (self._containing[form] for form in forms if len(form) >= LEAST_LETTERS and form in self._containing)
        return next(found, "")


def _key(phrase: str) -> tuple[str, ...]:
    return read_prompt(phrase).folded


def _singular_and_plural(phrases: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Yield each phrase of several words with its last word in the other number."""
    for phrase in phrases:
        if " " in phrase:
            yield (phrase[:-1] if phrase.endswith("s") else f"{phrase}s"), phrase
