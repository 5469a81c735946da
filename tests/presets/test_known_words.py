"""Prompts in words that a model knows: known ones stay, others are replaced or left out, whatever is typed."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presets.known_words import Interpretation, KnownWords
from presets.prompt_text import LONGEST_PROMPT, MOST_WORDS
from presets.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_json(
    {
        "known": {
            "styles": [
                "halftone",
                "ink drawing",
                "neon edges",
                "x-ray",
                "oil painting",
                "glyph cells",
                "stained glass",
            ],
            "palettes": ["fire", "ocean", "black and white", "grey", "neon", "true colours", "rainbow"],
            "adjectives": ["dark", "glowing", "blurry", "tiny"],
            "motifs": ["stars", "waves", "kaleidoscope", "light bulbs", "clouds", "night sky"],
        },
        "fillers": ["a", "and", "in", "of", "the", "made", "over"],
        "other_spellings": ["gray", "true colors"],
        "ignored": ["please", "very", "is"],
        "synonyms": {
            "comic": "halftone",
            "water": "ocean",
            "gold leaf": "rainbow",
            "turquoise": "ocean",
            "grün": "fire",
        },
    },
    "test",
)
KNOWN = KnownWords(VOCABULARY)
PHRASES = [*VOCABULARY.phrases(), *VOCABULARY.fillers, *VOCABULARY.other_spellings]


def is_known(text: str) -> bool:
    """Return True if the text is made of known phrases alone. Written without the code under test."""
    words = re.findall(r"[^\W_]+|[^\w\s,.;:!?'\"()/&+-]", text.lower())
    phrases = {tuple(re.split("[ -]", phrase)) for phrase in PHRASES}
    reached = {0}
    for start in range(len(words)):
        if start in reached:
            reached |= {
                start + len(phrase) for phrase in phrases if tuple(words[start : start + len(phrase)]) == phrase
            }
    return len(words) in reached


ANYTHING = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.one_of(st.sampled_from(PHRASES), st.text(max_size=9), st.sampled_from(sorted(VOCABULARY.synonyms)))
    ).map(" ".join),
    st.lists(
        st.tuples(
            st.sampled_from([*PHRASES, "xyzzy", "zoo", "comic"]), st.sampled_from([" ", "-", "_", ", ", " (", ""])
        )
    ).map(lambda parts: "".join(map("".join, parts))),
)


@pytest.mark.parametrize(
    ("prompt", "text", "note"),
    [
        ("", "", ""),
        ("Halftone, in FIRE!", "Halftone, in FIRE!", ""),
        (
            "a comic fire, xyzzy",
            "a halftone fire",
            "drawn as 'a halftone fire': comic → halftone; 'xyzzy' is not known",
        ),
        ("neon-edges_ocean", "neon edges ocean", ""),
        ("x ray, X-Ray, gray true colors", "x-ray, X-Ray, gray true colors", ""),
        ("a very dark ocean, please", "a dark ocean", ""),
        ("black gold leaf", "black and white rainbow", None),
        ("watery starry wave glow", "ocean stars waves glowing", None),
        ("oilpainting of a light bulb", "oil painting of a light bulbs", None),
        ("kaleidescope turqoise", "kaleidoscope ocean", None),
        ("glass over the cloud", "stained glass over the clouds", None),
        ("fire (xyzzy) ocean", "fire, ocean", None),
        ("stars in a zoo", "stars", "drawn as 'stars': 'zoo' is not known"),
        ("GRÜN", "fire", "drawn as 'fire': GRÜN → fire"),
        ("🔥🌊", "fire waves", "drawn as 'fire waves': 🔥 → fire, 🌊 → waves"),
        ("<|endoftext|> fire\n\x1b[2J ocean", "fire ocean", None),
    ],
)
def test_interpretation(prompt: str, text: str, note: str | None) -> None:
    drawn = KNOWN.interpret(prompt)
    assert drawn.text == text
    if note is not None:
        assert drawn.note == note


def test_nothing_known_takes_the_nearest() -> None:
    assert KNOWN.interpret("wombats").text == "waves"
    assert KNOWN.interpret("wombats").replaced == (("wombats", "waves"),)
    for prompt in ("zq", "火事", "\U0001f984", "please"):
        assert KNOWN.interpret(prompt).text in VOCABULARY.phrases()


def test_note_is_bounded() -> None:
    many = " ".join(f"zz{letter}zz" for letter in "bcdfghj") + " fire" * 40
    note = KNOWN.interpret(many).note
    assert "'zzbzz', 'zzczz', 'zzdzz', 'zzfzz' and 3 more are not known" in note
    assert len(note) < 200


@pytest.mark.parametrize("prompt", ["fire " * MOST_WORDS + "ocean", "fire" + " " * LONGEST_PROMPT + "ocean"])
def test_cut_prompt_is_told(prompt: str) -> None:
    drawn = KNOWN.interpret(prompt)
    assert drawn.is_cut
    assert drawn.note.endswith(f"words past {LONGEST_PROMPT} characters or {MOST_WORDS} words are not read")
    assert "ocean" not in drawn.text


def test_longest_prompt_is_not_cut() -> None:
    drawn = KNOWN.interpret("fire " * (LONGEST_PROMPT // 5))
    assert not drawn.is_cut
    assert drawn.note == ""


@settings(max_examples=300, deadline=None)
@given(ANYTHING)
def test_any_prompt_becomes_known_words(prompt: str) -> None:
    drawn = KNOWN.interpret(prompt)
    assert is_known(drawn.text), drawn
    again = KNOWN.interpret(drawn.text)
    assert again == Interpretation(drawn.text), "interpreted twice, a prompt must not change"
    assert len(drawn.text) <= LONGEST_PROMPT
    assert KnownWords(VOCABULARY).interpret(prompt) == drawn
    if any(letter.isalnum() and letter.isascii() for letter in prompt):
        assert drawn.text


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PHRASES), st.sampled_from([" ", ", ", "; ", " & ", " - "])), max_size=30),
    st.sampled_from([str.lower, str.upper, str.title]),
)
def test_known_prompts_stay(parts: list[tuple[str, str]], case: object) -> None:
    prompt = case("".join(phrase + gap for phrase, gap in parts))  # type: ignore[operator]
    assert KNOWN.interpret(prompt) == Interpretation(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "a" * 100_000,
        " ".join(f"{chr(97 + i % 26)}{chr(97 + i // 26)}qxjzv" for i in range(200)),
        "\ufdfa" * 5000,
        "🦄🔥" * 3000,
        "\0\x1b\n" * 5000,
        "é\u0301" * 3000,
        "neonx halftome stainex " * 60,
        "a " * 5000,
    ],
)
def test_hostile_prompts_are_quick(prompt: str) -> None:
    KNOWN.interpret("index once")
    began = time.process_time()
    drawn = KnownWordsWithoutCache.interpret(prompt)
    assert time.process_time() - began < 0.2, "20 ms on a machine at rest"
    assert len(drawn.text) <= LONGEST_PROMPT
    assert all(len(word) <= 40 for word in drawn.dropped)


KnownWordsWithoutCache = KnownWords(VOCABULARY)
KnownWordsWithoutCache.interpret("index once")
