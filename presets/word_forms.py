"""Words that are like a given one: other forms of it, and the nearest spelling."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches

_ENDINGS = ("s", "es", "ies", "ing", "ed", "d", "y", "ly", "er", "est", "ness", "ish", "like", "'s")
"""Endings that are taken off a word."""
_ADDED = ("", "s", "es", "e", "y", "ing", "ed", "en")
"""Endings that are put in their place."""
_SHORTEST_STEM = 3

TWO_TYPOS = 7
"""Letters from which a word may have two typing errors."""
CUTOFF, CUTOFF_LONG = 0.8, 0.84
"""Least ratio of `difflib` for a corrected spelling, and for one of `TWO_TYPOS` letters or more.

One wrong letter of five has 0.8, as many as two errors in words that mean something else (spinning, shining).
"""
LONGEST_CORRECTED = 16
"""Letters of the longest word whose spelling is corrected."""


def other_forms(word: str) -> Iterator[str]:
    """Yield other forms of an English word: singular and plural, -ing, -y and so on. Some of them are no words."""
    stems = [word]
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _SHORTEST_STEM:
            stems += [stem, f"{stem}y"] if ending == "ies" else [stem]
            if len(stem) > _SHORTEST_STEM and stem[-1] == stem[-2]:
                stems.append(stem[:-1])  # starry, star
    for added in _ADDED:
        for stem in stems:
            yield stem + added


class SpellingIndex:
    """Known words by their spellings with letters left out, so that a look-up compares few of them."""

    def __init__(self, meanings: Mapping[str, str]) -> None:
        """`meanings` are known phrases by word."""
        self._meanings = meanings
        self._words: dict[str, list[str]] = {}
        for word in meanings:
            for spelling in _shortened(word):
                self._words.setdefault(spelling, []).append(word)

    def nearest(self, word: str) -> str:
        """Return the known phrase whose spelling is nearest, empty if none is near."""
        if len(word) > LONGEST_CORRECTED:
            return ""
        near = {known: None for spelling in _shortened(word) for known in self._words.get(spelling, ())}
        # Typing errors are rare in the first letter, and other words are common: band, sand.
        cutoff = CUTOFF if len(word) < TWO_TYPOS else CUTOFF_LONG
        found = get_close_matches(word, [known for known in near if known[0] == word[0]], 1, cutoff)
        return self._meanings[found[0]] if found else ""


def nearest(word: str, known: Sequence[str]) -> str:
    """Return the nearest of one or more known words, however far; the first of those that are equally near."""
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(word)
    best, best_ratio = known[0], 0.0
    for candidate in known:
        matcher.set_seq1(candidate)
        if matcher.real_quick_ratio() > best_ratio and matcher.quick_ratio() > best_ratio:
            ratio = matcher.ratio()
            if ratio > best_ratio:
                best, best_ratio = candidate, ratio
    return best


def _shortened(word: str) -> set[str]:
    """Return a word, and the word without each letter; without each two letters too if it is long."""
    if len(word) > LONGEST_CORRECTED:
        return set()
    once = {word[:place] + word[place + 1 :] for place in range(len(word))}
    if len(word) < TWO_TYPOS:
        return {word, *once}
    return {word, *once, *(each[:place] + each[place + 1 :] for each in once for place in range(len(each)))}
