"""Named palettes: look-up tables from dark to light for the colour words of a prompt."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float32]
"""Colours of the field values 0 to 1, float32 ``[256, 3]``, RGB in 0..255."""

PALETTES: dict[str, tuple[str, tuple[str, ...]]] = {
    # name: (stops from dark to light, words for it)
    "neon": ("06000f 3a0ca3 f72585 4cc9f0 f4fbff", ("neon", "electric neon", "cyberpunk", "neon pink and cyan")),
    "fire": ("080000 5a0a00 d63a00 ff9a00 fff3b0", ("fire", "fiery", "ember", "burning", "blazing")),
    "ice": ("02060f 0d3b66 4aa3df b8e8ff ffffff", ("ice", "icy", "frozen", "arctic", "cold")),
    "ocean": ("000814 00205c 0353a4 00a6a6 8ff5dc", ("ocean", "deep sea", "underwater", "aquatic", "marine")),
    "forest": ("020800 1c3c0e 4a7c1c a4b838 f2f0b0", ("forest", "jungle", "mossy", "leafy", "emerald")),
    "gold": ("060300 4a2c00 b8860b ffd54a fff8d0", ("gold", "golden", "black and gold", "amber", "brass")),
    "sunset": ("12002b 5b0f72 d7346b ff8c42 ffe27a", ("sunset", "dusk", "twilight", "evening", "sunrise")),
    "mono": ("000000 2c2c2c b4b4b4 ffffff", ("black and white", "monochrome", "greyscale", "grey", "silver")),
    "candy": ("ff4f9a ffa6d2 fff0f5 a0e7ff 6fc9ff", ("candy", "pastel", "bubblegum", "cotton candy", "sweet")),
    "acid": ("0a0c00 4a5a00 c8f000 f4ff3a fbffc8", ("acid", "acid yellow", "lime", "sulphur", "fluorescent")),
    "blood": ("050000 3a0008 a3001b ff1f2e ffb3a8", ("blood", "blood red", "crimson", "scarlet", "ruby")),
    "violet": ("0a0014 4a0a6e a81fd0 e67aff fbe0ff", ("violet", "amethyst", "orchid", "lilac")),
    "rainbow": ("e01030 ff9a00 f8f020 20c840 1878ff 9a20e0 e01030", ("rainbow", "psychedelic", "multicoloured")),
    "toxic": ("0c0018 3a0a5a 0f8a3a 4dff2a d8ffb0", ("toxic", "radioactive", "slime", "poison", "alien")),
    "vaporwave": ("2b1055 7a5cff ff71ce 01cdfe fffb96", ("vaporwave", "synthwave", "retrowave", "miami")),
    "copper": ("0a0301 5a2008 d0682c f0a878 8fe8d0", ("copper", "verdigris", "rust", "patina", "bronze")),
    "midnight": ("000003 03041c 0c1450 3040b0 d0d8ff", ("midnight", "night", "moonlight", "indigo")),
    "coral": ("3a0a1e a83048 ff5f57 ff9f80 ffe9d6", ("coral", "salmon", "peach", "flamingo")),
    "mint": ("0a3a34 14806c 4fd8b0 b0ffdc f6fffa", ("mint", "peppermint", "seafoam", "jade")),
    "desert": ("2a1206 8a4a20 d29a58 ecc890 fff4dc", ("desert", "sand", "dune", "sahara", "terracotta")),
    "ultraviolet": ("02000a 1400a0 4a00ff 9a4dff 70ffe8", ("ultraviolet", "black light", "uv")),
    "infrared": ("001a1e 00606a b8104e ff3d7a ffc8d4", ("infrared", "aerochrome", "false colour")),
    "paper": ("1c1510 6a5a48 d2c6a8 f6edd8 fffcf4", ("paper", "sepia", "parchment", "cream", "vintage")),
    "tropical": ("00205a 0090a8 ffd000 ff5a3c fff0d8", ("tropical", "tropics", "carnival", "paradise")),
    "aurora": ("00060c 053a4a 00c89a 7affb0 d8a0ff", ("aurora", "polar light", "boreal")),
}
"""Palettes by name."""

POSITIONAL = frozenset({"rainbow"})
"""Palettes whose hue depends on the position in the image. Only their brightness depends on the motif."""

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
def ramp_table(stops: str) -> Table:
    """Return the read-only table of a ramp written as hexadecimal colours from dark to light: "000000 ffffff"."""
    table = _ramp([_rgb(code) for code in stops.split()])
    table.setflags(write=False)
    return table


@lru_cache(maxsize=256)
def palette_table(name: str) -> Table:
    """Return the read-only table of a palette ("fire"), a colour ("red") or two colours ("red and blue").

    Raises:
        KeyError: there is no such palette.
    """
    if name in PALETTES:
        table = ramp_table(PALETTES[name][0])
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
    if name in PALETTES:
        return PALETTES[name][1]
    return (name,)


def random_palette(rng: np.random.Generator) -> str:
    """Return a random palette: 55 % named palettes, 25 % plain colours, 20 % two colours."""
    kind = rng.random()
    if kind < 0.55:
        return str(rng.choice(list(PALETTES)))
    colours = list(COLOURS)
    if kind < 0.8:
        return str(rng.choice(colours))
    first, second = rng.choice(len(colours), size=2, replace=False)
    return f"{colours[first]} and {colours[second]}"
