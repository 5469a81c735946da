"""Contact sheets of drawn styles: ``python -m pipeline.shipped.style_sheet OUT.png``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from pipeline.shipped.draw import draw_style
from pipeline.shipped.palettes import PALETTES
from pipeline.shipped.prompts import caption_for
from pipeline.shipped.recipes import Recipe, random_recipe
from pipeline.shipped.scenes import MOTIFS, Image
from pipeline.shipped.source_pictures import held_out_pictures
from pipeline.shipped.styles import OWN, STYLES
from pipeline.shipped.vocabulary import ADJECTIVE_WORDS

_LABEL = 18
# More rows than this are folded into blocks side by side.
_FOLD = 12


class Subject(StrEnum):
    """Rows of a sheet."""

    STYLES = "styles"
    PALETTES = "palettes"
    ADJECTIVES = "adjectives"
    PAIRS = "pairs"
    MOTIFS = "motifs"
    CAPTIONS = "captions"


def _rows(subject: Subject, palette: str | None, columns: int) -> list[list[tuple[str, Recipe]]]:
    """Return label and recipe of each place of the sheet, row by row."""
    names = list(STYLES)
    if subject is Subject.STYLES:
        return [[(name, Recipe(name, palette=palette))] * columns for name in names]
    if subject is Subject.PALETTES:
        shown: list[str | None] = [None, "neon edges", "stained glass", "liquid chrome", "paper cut"]
        return [[(name, Recipe(style, palette=name)) for style in shown[:columns]] for name in PALETTES]
    if subject is Subject.ADJECTIVES:
        some = ("neon edges", "halftone", "oil strokes", "contour map", "stained glass")
        return [
            [(f"{word} {name}", Recipe(name, adjectives=(word,))) for name in some[:columns]]
            for word in ADJECTIVE_WORDS
        ]
    if subject is Subject.PAIRS:
        return [
            [(f"{one} / {two}", Recipe(one, two, palette)) for two in names[at : at + 11 * columns : 11]]
            for at, one in enumerate(names[:16])
        ]
    if subject is Subject.MOTIFS:
        drawn = [None, "neon edges", "oil strokes", "stained glass", "halftone"]
        return [
            [
                (f"{name} {style or ''}", Recipe(style, None, palette, (), name, 0.0, 7 + at))
                for at, style in enumerate(drawn)
            ]
            for name in MOTIFS
        ]
    rng = np.random.default_rng(3)
    recipes = [random_recipe(rng) for _ in range(10 * columns)]
    return [[(caption_for(recipe, rng), recipe) for recipe in recipes[at::10]] for at in range(10)]


def draw_sheet(subject: Subject, pictures: list[Image], palette: str | None = None) -> Image:
    """Return a sheet with one row for each style, palette, adjective, pair or motif."""
    size = pictures[0].shape[0]
    lines = []
    for row in _rows(subject, palette, len(pictures)):
        places = []
        for picture, (label, recipe) in zip(pictures, row, strict=False):
            place = np.zeros((size + _LABEL, size, 3), np.uint8)
            place[:size] = draw_style(picture, recipe)
            cv2.putText(place, label, (2, size + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
            places.append(place)
        lines.append(np.hstack(places))
    width = max(line.shape[1] for line in lines)
    lines = [np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0))) for line in lines]
    lines += [np.zeros_like(lines[0])] * (-len(lines) % -(-len(lines) // _FOLD))
    blocks = -(-len(lines) // _FOLD)
    high = len(lines) // blocks
    return np.hstack([np.vstack(lines[at * high : (at + 1) * high]) for at in range(blocks)])


def main(
    out: Annotated[Path, typer.Argument(help="Picture to write, PNG or JPEG.")],
    subject: Annotated[Subject, typer.Option(help="Rows of the sheet.")] = Subject.STYLES,
    palette: Annotated[str, typer.Option(help="Palette of all places, or own for the colours of the source.")] = "",
    size: Annotated[int, typer.Option(min=64, max=1024, help="Side of each picture in pixels.")] = 256,
) -> None:
    """Draw styles of the held-out photographs and clip on one sheet."""
    if palette and palette != OWN and palette not in PALETTES:
        raise typer.BadParameter(f"{palette} is no palette. Palettes: {OWN}, {', '.join(PALETTES)}.")
    sheet = draw_sheet(subject, held_out_pictures(size), palette or None)
    if not cv2.imwrite(str(out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise typer.BadParameter(f"{out} cannot be written. Use the ending .png or .jpg in an existing folder.")


if __name__ == "__main__":
    typer.run(main)
