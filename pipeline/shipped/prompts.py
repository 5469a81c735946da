"""Captions of recipes in free word order, with synonyms. Some word orders are kept back for evaluation."""

import re

import numpy as np

from pipeline.shipped.recipes import Recipe
from pipeline.shipped.styles import STYLES
from pipeline.shipped.vocabulary import ADJECTIVE_WORDS, MOTIF_WORDS, palette_words

TEMPLATES: dict[str, tuple[str, ...]] = {
    # The letters name the parts: s style, p palette, m motif. {a} is the adjectives, which may be empty.
    "s": (
        "{s}", "{a} {s}", "{a} {s}", "{s}, {a}", "a {a} {s}", "make it {a} {s}", "as {a} {s}",
        "in the style of {a} {s}", "{a}, {s}", "{s} effect, {a}", "everything {a} {s}",
    ),
    "p": (
        "{p}", "{a} {p}", "{p}, {a}", "{p} colours, {a}", "everything in {a} {p}", "{a} {p} light", "make it {a} {p}",
        "in {p}, {a}", "{p} palette, {a}", "{a}, {p}",
    ),
    "m": ("{m}", "{a} {m}", "{m}, {a}", "a {a} {m}", "visuals of {a} {m}", "{a}, {m}", "abstract {a} {m}"),
    "a": ("{a}", "make it {a}", "{a} picture", "more {a}", "{a} light"),
    "sp": (
        "{a} {p} {s}", "{p} {a} {s}", "{s}, {p}, {a}", "{a} {s} in {p}", "{s} in {p}, {a}", "{p}, {a} {s}",
        "a {a} {s} in {p}", "{s} with {p} colours, {a}", "make it {a} {p} {s}", "{p} {s}, {a}", "{s} {p} {a}",
        "{a}, {s}, {p}", "{s} made of {a} {p}", "{a} {s}, {p}", "{p} {s}", "{s} in {a} {p}",
    ),
    "pm": (
        "{a} {p} {m}", "{m}, {p}, {a}", "{a} {m} in {p}", "a {p} {m}, {a}", "{m} made of {p}, {a}", "{p}, {a} {m}",
        "visuals of {a} {p} {m}", "{p} {a} {m}", "{m} {p} {a}", "{a} {m}, {p} colours",
    ),
    "sm": (
        "{a} {s} {m}", "{m}, {s}, {a}", "{m} as {a} {s}", "{a} {m} in {s}", "{s} of a {m}, {a}", "{s}, {m}, {a}",
        "a {m} drawn as {a} {s}", "{s} {a} {m}",
    ),
    "spm": (
        "{a} {p} {s} {m}", "{m}, {s}, {p}, {a}", "{s} of a {m} in {p}, {a}", "{a} {s} {m} in {p}", "{p} {m} as {a} {s}",
        "{p}, {s}, {m}, {a}", "{s} {m}, {p}, {a}", "a {p} {m} drawn as {a} {s}",
    ),
}  # fmt: skip
"""Word orders for training."""

HELD_OUT: dict[str, tuple[str, ...]] = {
    "s": ("turn it into {a} {s}", "{s} look, {a}", "{s} {a}", "now {s}, {a}, please"),
    "p": ("only {a} {p}", "{p} tones, {a}", "{p} {a}", "paint the room {p}, {a}"),
    "m": ("show me {a} {m}", "{m} {a}", "some {m}, {a}"),
    "a": ("turn it {a}", "let it be {a}"),
    "sp": (
        "{s}, {a}, {p}", "{a} {s} and {p} colours", "turn this into {p} {s}, {a}", "{p} {a}, {s}",
        "{p} tones, {s}, {a}",
    ),
    "pm": ("{m}, {a}, {p}", "show {a} {p} {m}", "{p} tones, {m}, {a}"),
    "sm": ("{m} turned into {s}, {a}", "show {a} {s}, {m}", "{a} {m}, {s}"),
    "spm": ("{m} turned into {p} {s}, {a}", "{p} tones, {m}, {s}, {a}", "{s}, {m}, {a}, {p}"),
}  # fmt: skip
"""Word orders that are never trained on."""

JOINS = ("{s} and {t}", "{s} over {t}", "{s} with {t}", "{s} on {t}", "{s}, {t}", "{s} and {t}")
"""Joints of two styles. The common one is there twice."""
_HELD_OUT_JOINS = ("{s} plus {t}", "{s} on top of {t}")


def _one_of(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    # The first word is the most common in prompts, so it gets an extra 40 %.
    return words[0] if rng.random() < 0.4 else words[int(rng.integers(len(words)))]


def _any_of(rng: np.random.Generator, forms: tuple[str, ...]) -> str:
    return forms[int(rng.integers(len(forms)))]


def caption_for(recipe: Recipe, rng: np.random.Generator, held_out: bool = False) -> str:
    """Return a random caption of a recipe, in lower case. It is never empty.

    Styles, palette and motif are always named. Of several adjectives one may be omitted.

    Args:
        recipe: what is drawn
        rng: source of the word order and synonyms
        held_out: use the word orders that are kept for evaluation

    Raises:
        ValueError: the recipe has nothing to name.
    """
    style, joins = "", _HELD_OUT_JOINS if held_out else JOINS
    if recipe.style is not None:
        style = _one_of(rng, STYLES[recipe.style].words)
        if recipe.second is not None:
            style = _any_of(rng, joins).format(s=style, t=_one_of(rng, STYLES[recipe.second].words))
    palette = "" if recipe.palette is None else _one_of(rng, palette_words(recipe.palette))
    motif = "" if recipe.motif is None else _one_of(rng, MOTIF_WORDS[recipe.motif])
    adjectives = [_one_of(rng, ADJECTIVE_WORDS[word]) for word in recipe.adjectives]
    rng.shuffle(adjectives)
    if len(adjectives) > 1 and rng.random() < 0.1:
        adjectives.pop()
    parts = "".join(letter for letter, text in (("s", style), ("p", palette), ("m", motif)) if text)
    if not parts and not adjectives:
        raise ValueError(f"{recipe} names no style, palette, motif or adjective, so it has no caption.")
    forms = (HELD_OUT if held_out else TEMPLATES)[parts or "a"]
    form = _any_of(rng, tuple(form for form in forms if "{a}" in form) if adjectives else forms)
    noun = motif if form.endswith(("{m}", "{m}, {a}")) and motif else style
    if noun.endswith("s") and not noun.endswith("ss"):
        form = re.sub(r"\ba \{", "{", form)
    return _tidy(form.format(s=style, p=palette, m=motif, a=" ".join(adjectives)), rng)


def _tidy(text: str, rng: np.random.Generator) -> str:
    """Remove what empty parts leave, correct articles, and write some captions in American spelling."""
    pieces = (" ".join(piece.split()) for piece in text.split(","))
    text = ", ".join(piece for piece in pieces if piece)
    text = re.sub(r"\bcolours (colours|light|palette|tones)\b", "colours", text)
    text = re.sub(r"\ba ([aeiou])", r"an \1", text)
    if rng.random() < 0.15:
        text = text.replace("colour", "color").replace("grey", "gray")
    return text
