"""Named palettes: look-up tables from dark to light for the colour words of a prompt."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float32]
"""Colours of the field values 0 to 1, float32 ``[256, 3]``, RGB in 0..255."""

MOODS: dict[str, tuple[str, tuple[str, ...]]] = {
    # name: (stops from dark to light, words for it)
    "neon": ("0a0118 3a0ca3 f72585 4cc9f0 f4fbff", ("neon", "electric neon", "cyberpunk", "neon pink and cyan")),
    "fire": ("080000 5a0a00 d63a00 ff9a00 fff3b0", ("fire", "fiery", "ember", "burning", "lava", "molten")),
    "ice": ("02060f 0d3b66 4aa3df b8e8ff ffffff", ("ice", "icy", "frozen", "frosty", "arctic", "cold")),
    "ocean": ("000814 00205c 0353a4 00a6a6 8ff5dc", ("ocean", "deep sea", "underwater", "aquatic", "marine")),
    "forest": ("010800 0b3d12 2a8c2a 9bd24a f2ffc0", ("forest", "jungle", "mossy", "leafy", "emerald")),
    "gold": ("060300 4a2c00 b8860b ffd54a fff8d0", ("gold", "golden", "black and gold", "amber", "brass")),
    "sunset": ("12002b 5b0f72 d7346b ff8c42 ffe27a", ("sunset", "dusk", "twilight", "evening", "sunrise")),
    "mono": ("000000 3c3c3c b4b4b4 ffffff", ("black and white", "monochrome", "greyscale", "silver", "chrome")),
    "candy": ("ff4f9a ffa6d2 fff0f5 a0e7ff 6fc9ff", ("candy", "pastel", "bubblegum", "cotton candy", "sweet")),
    "acid": ("020a00 1a4d00 6fff00 d8ff2a f8ffd0", ("acid", "acid green", "toxic", "lime", "radioactive")),
    "blood": ("050000 3a0008 a3001b ff1f2e ffb3a8", ("blood", "blood red", "crimson", "scarlet", "ruby")),
    "violet": ("04000f 2a0a5e 6a1fd0 b67aff f0dcff", ("violet", "ultraviolet", "amethyst", "lavender")),
    "rainbow": ("e01030 ff9a00 f8f020 20c840 1878ff 9a20e0 e01030", ("rainbow", "psychedelic", "multicoloured")),
}

POSITIONAL = frozenset({"rainbow"})
"""Moods whose hue depends on the position in the image. Only their brightness depends on the motif."""

COLOURS: dict[str, str] = {
    "red": "ee1c24",
    "orange": "ff7a00",
    "yellow": "ffe000",
    "green": "18b834",
    "cyan": "00d8e8",
    "blue": "1c46ff",
    "purple": "8a1ee6",
    "magenta": "ff18c8",
    "pink": "ff6fb4",
    "white": "ffffff",
}
"""Plain colours. Two of them also make a palette, for example "red and blue"."""


def _rgb(code: str) -> NDArray[np.float32]:
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], dtype=np.float32)


def _ramp(stops: list[NDArray[np.float32]]) -> Table:
    at = np.linspace(0.0, 1.0, len(stops))
    grid = np.linspace(0.0, 1.0, 256)
    return np.stack([np.interp(grid, at, [stop[c] for stop in stops]) for c in range(3)], axis=1).astype(np.float32)


@lru_cache(maxsize=256)
def palette_table(name: str) -> Table:
    """Return the read-only table of a mood ("fire"), a colour ("red") or two colours ("red and blue").

    Raises:
        KeyError: there is no such palette.
    """
    if name in MOODS:
        table = _ramp([_rgb(code) for code in MOODS[name][0].split()])
    elif " and " in name:
        first, second = (_rgb(COLOURS[part]) for part in name.split(" and "))
        table = _ramp([first * 0.06, first * 0.8, first, second, 0.6 * second + 102.0])
    else:
        colour = _rgb(COLOURS[name])
        table = _ramp([colour * 0.02, colour * 0.4, colour, 0.45 * colour + 140.0])
    table.setflags(write=False)
    return table


def palette_words(name: str) -> tuple[str, ...]:
    """Return every name of the palette that captions use."""
    if name in MOODS:
        return MOODS[name][1]
    return (name,)


def random_palette(rng: np.random.Generator) -> str:
    """Return a random palette: 55 % moods, 25 % plain colours, 20 % two colours."""
    kind = rng.random()
    if kind < 0.55:
        return str(rng.choice(list(MOODS)))
    colours = list(COLOURS)
    if kind < 0.8:
        return str(rng.choice(colours))
    first, second = rng.choice(len(colours), size=2, replace=False)
    return f"{colours[first]} and {colours[second]}"
