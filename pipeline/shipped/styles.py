"""All styles by name, and drawing with one of them."""

import numpy as np

from pipeline.shipped import styles_cells, styles_lines, styles_matter, styles_paint, styles_screens
from pipeline.shipped.palettes import POSITIONAL, palette_table, ramp_table
from pipeline.shipped.picture import Colours, Picture, Style

STYLES: dict[str, Style] = {
    style.name: style
    for module in (styles_lines, styles_cells, styles_paint, styles_matter, styles_screens)
    for style in module.STYLES
}
"""Every style, in the order of contact sheets."""

OWN = "own"
"""Name of the palette that keeps the colours of the source."""


def draw_one(colours: Colours, style: str | None, palette: str | None, adjectives: tuple[str, ...]) -> Colours:
    """Return RGB in 0..1 redrawn in one style, or in the palette alone without a style."""
    natural = STYLES[style].natural if style is not None else None
    if palette == OWN:
        table = None
    elif palette is not None:
        table = palette_table(palette) / np.float32(255)
    else:
        table = None if natural is None else ramp_table(natural) / np.float32(255)
    scale = 0.6 if "fine" in adjectives else (1.6 if "coarse" in adjectives else 1.0)
    density = 1.5 if "dense" in adjectives else (0.65 if "sparse" in adjectives else 1.0)
    picture = Picture(colours, table, palette in POSITIONAL, scale, density)
    if style is not None:
        return STYLES[style].draw(picture)
    return colours if table is None else picture.paint(picture.tone)
