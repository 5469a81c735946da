"""Prompts as words with gaps between them: read from any text, and put together again."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

LONGEST_PROMPT = 1000
"""Characters of the longest prompt, as its parameter declares."""

MOST_WORDS = 256
"""Words of the longest prompt that are read. Text encoders read fewer."""

_KEPT_PUNCTUATION = ",.;:!?'\"()/&+-"
_PLAIN = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-"}
    | {
        character: " "
        for character in map(chr, range(128))
        if not (character.isalnum() or character in _KEPT_PUNCTUATION)
    }
)
_WORD = re.compile(rf"[^\W_]+(?:'[^\W_]+)*|[^\w\s{re.escape(_KEPT_PUNCTUATION)}]")
_JOINT = re.compile(" +|-")
"""Gap between two words of one phrase."""


@dataclass(frozen=True)
class Prompt:
    """Words of a prompt and the gaps before, between and after them."""

    words: tuple[str, ...]
    gaps: tuple[str, ...]
    """One more than `words`."""
    folded: tuple[str, ...]
    """Words in lower case without accents."""
    names: tuple[str, ...]
    """Unicode names of words that are symbols, in lower case; empty for other words."""
    joined: tuple[bool, ...]
    """True for each word that can be in one phrase with the word before it."""
    is_cut: bool = False
    """True if the text goes on past what is read."""

    def written(self, start: int, end: int) -> str:
        """Return words `start` to `end` - 1 as they are written."""
        between = (
            gap + word for gap, word in zip(self.gaps[start + 1 : end], self.words[start + 1 : end], strict=True)
        )
        return self.words[start] + "".join(between)


class Piece(NamedTuple):
    """Words of a prompt, and the text in their place."""

    start: int
    end: int
    word: str
    """The words as they are written."""
    text: str
    """Empty if the words are left out."""
    is_filler: bool = False
    is_replaced: bool = False
    is_ignored: bool = False


def fold(word: str) -> str:
    """Return a word in lower case without accents."""
    word = word.lower()
    if word.isascii():
        return word
    letters = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in letters if not unicodedata.category(letter).startswith("M"))


def read_prompt(text: str) -> Prompt:
    """Return the words and gaps of a text, up to `LONGEST_PROMPT` characters and `MOST_WORDS` words.

    Everything but letters, digits, symbols and punctuation becomes a space.
    """
    text = _plain(text)
    is_long = len(text) > LONGEST_PROMPT
    if is_long:
        text = text[:LONGEST_PROMPT].rpartition(" ")[0] or text[:LONGEST_PROMPT]
    matches = _WORD.finditer(text)
    found = list(islice(matches, MOST_WORDS))
    is_cut = is_long or next(matches, None) is not None
    words = tuple(match[0] for match in found)
    ends = [0, *(match.end() for match in found)]
    starts = [*(match.start() for match in found), len(text) if len(found) < MOST_WORDS else ends[-1]]
    gaps = tuple(text[end:start] for end, start in zip(ends, starts, strict=True))
    names = tuple("" if word[0].isalnum() else unicodedata.name(word, "").lower() for word in words)
    joined = tuple(_JOINT.fullmatch(gap) is not None for gap in gaps[:-1])
    return Prompt(words, gaps, tuple(map(fold, words)), names, joined, is_cut)


def assemble(prompt: Prompt, pieces: Sequence[Piece]) -> str:
    """Return the text of the pieces of a prompt, at most `LONGEST_PROMPT` characters.

    Fillers right before words that are left out go with them.
    """
    kept: list[tuple[str, Piece]] = []
    after_dropped: str | None = None
    """Gaps around the words that were left out last, None after a piece that is kept."""
    for piece in pieces:
        gap = prompt.gaps[piece.start]
        if piece.text:
            kept.append((gap if after_dropped is None else _merged(after_dropped + gap), piece))
            after_dropped = None
            continue
        after_dropped = (after_dropped or "") + gap
        while kept and kept[-1][1].is_filler and not piece.is_ignored and _JOINT.fullmatch(gap):
            gap = kept.pop()[0]
            after_dropped = gap + after_dropped
    text = ""
    for place, (gap, piece) in enumerate(kept):
        if place == 0:
            added = (gap if piece is pieces[0] else "") + piece.text
        else:
            added = (" " if gap in ("", "-") else gap) + piece.text
        if len(text) + len(added) > LONGEST_PROMPT:
            return text
        text += added
    tail = prompt.gaps[-1] if kept and after_dropped is None else ""
    return (text + tail)[:LONGEST_PROMPT]


def _merged(gaps: str) -> str:
    """Return the gap in place of words that are left out and the gaps around them."""
    return ", " if set(gaps) - set(" -") else " "


def _plain(text: str) -> str:
    if text.isascii():
        return text.translate(_PLAIN)
    text = unicodedata.normalize("NFKC", text[: LONGEST_PROMPT + 1])[: LONGEST_PROMPT + 1]  # one can become 18
    return "".join(map(_plain_character, text.translate(_PLAIN)))


def _plain_character(character: str) -> str:
    """Return a letter, a digit or a symbol as it is; nothing for marks and formats, a space for the rest."""
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category[0] in "LN" or category in ("So", "Sm", "Sc"):
        return character
    return "" if category[0] == "M" or category in ("Cf", "Cs", "Co", "Cn", "Sk") else " "
