"""Contact sheets of a model: styles on held-out pictures, motifs without a source, strengths, step counts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.model.model_player import ModelPlayer
from benchmarks.model.style_cases import MOTIFS, StyleCase, motif_prompts
from benchmarks.report.document import write_bytes
from io_bridges.frames import Pixels

COLUMNS = 6
BAND = 22
"""Height of a label in px."""
LARGEST = 1_000_000
"""Most bytes of a sheet."""
STRENGTHS = tuple(number / 10 for number in range(11))
STEPS = (1, 2, 4, 25)
ROWS = 6
"""Styles on the sheets of strengths and of steps."""


def write_sheets(folder: Path, player: ModelPlayer, cases: Mapping[str, Sequence[StyleCase]]) -> list[str]:
    """Draw and write every sheet as a JPEG file of less than 1 MB. Return the names of the files.

    Args:
        folder: Folder of the files, which is made.
        player: The model.
        cases: Every style on each source, by the name of the source.

    Raises:
        SettingsError: a file cannot be written.
    """
    sheets = {f"styles-{name.replace(' ', '-')}": style_sheet(player, own) for name, own in cases.items()}
    few = spread([*cases.values()][-1], ROWS)
    sheets["motifs"] = motif_sheet(player)
    sheets["strengths"] = strength_sheet(player, few)
    sheets["steps"] = step_sheet(player, few)
    for name, sheet in sheets.items():
        write_bytes(folder / f"{name}.jpg", as_jpeg(sheet))
    return [f"{name}.jpg" for name in sheets]


def style_sheet(player: ModelPlayer, cases: Sequence[StyleCase]) -> Pixels:
    """Return the source, then each style at the default look under its prompt. The drawn style is in the corner."""
    tiles = [labelled(cases[0].source, f"source: {cases[0].source_name}")]
    for case, picture in zip(cases, player.draw(cases), strict=True):
        tiles.append(labelled(with_inset(picture, case.drawn), case.prompt))
    return grid(tiles, COLUMNS)


def motif_sheet(player: ModelPlayer) -> Pixels:
    """Return each motif under its prompt, drawn in text mode."""
    prompts = motif_prompts()
    tiles = [
        labelled(picture, f"{motif}: {prompt}")
        for motif, prompt, picture in zip(MOTIFS, prompts, player.draw_motifs(prompts), strict=True)
    ]
    return grid(tiles, COLUMNS)


def strength_sheet(player: ModelPlayer, cases: Sequence[StyleCase]) -> Pixels:
    """Return a row for each case: the source, strengths from 0 to 1, the drawn style."""
    drawn = {f"strength {strength:g}": player.draw(cases, strength=strength) for strength in STRENGTHS}
    return compared(cases, drawn)


def step_sheet(player: ModelPlayer, cases: Sequence[StyleCase]) -> Pixels:
    """Return a row for each case: the source, step counts from 1 to 25, the drawn style."""
    drawn = {f"{steps} step{'s' * (steps > 1)}": player.draw(cases, steps=steps) for steps in STEPS}
    return compared(cases, drawn)


def compared(cases: Sequence[StyleCase], drawn: Mapping[str, Sequence[Pixels]]) -> Pixels:
    """Return a row for each case, with the pictures of each label in a column."""
    tiles = []
    for number, case in enumerate(cases):
        tiles.append(labelled(case.source, case.prompt))
        tiles += [labelled(pictures[number], label) for label, pictures in drawn.items()]
        tiles.append(labelled(case.drawn, "drawn"))
    return grid(tiles, len(drawn) + 2)


def spread(cases: Sequence[StyleCase], count: int) -> list[StyleCase]:
    """Return at most `count` cases from all over the sequence."""
    return [cases[number * len(cases) // count] for number in range(count)] if len(cases) > count else [*cases]


def with_inset(picture: Pixels, small: Pixels) -> Pixels:
    """Return the picture with another one, at a quarter of the size, in the lower right corner behind a white line."""
    result = picture.copy()
    height, width = picture.shape[0] // 4, picture.shape[1] // 4
    result[-height - 2 :, -width - 2 :] = 255
    result[-height:, -width:] = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA)
    return result


def labelled(picture: Pixels, text: str) -> Pixels:
    """Return the picture under a line of text, which is cut to the width of the picture."""
    width = picture.shape[1]
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.4
    while text and cv2.getTextSize(text, font, size, 1)[0][0] > width - 8:
        text = text[:-1]
    band = np.full((BAND, width, 3), 24, np.uint8)
    cv2.putText(band, text, (4, BAND - 7), font, size, (235, 235, 235), 1, cv2.LINE_AA)
    return np.concatenate([band, picture])


def grid(tiles: Sequence[Pixels], columns: int) -> Pixels:
    """Return tiles of one size in rows of `columns`, with black where the last row is short."""
    height, width = tiles[0].shape[:2]
    columns = min(columns, len(tiles))
    sheet = np.zeros((height * -(-len(tiles) // columns), width * columns, 3), np.uint8)
    for number, tile in enumerate(tiles):
        top, left = height * (number // columns), width * (number % columns)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def as_jpeg(sheet: Pixels, largest: int = LARGEST) -> bytes:
    """Return the sheet as a JPEG file of at most `largest` bytes: at a lower quality, then at a smaller size."""
    while True:
        for quality in (90, 84, 78, 70):
            _, data = cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
            if data.nbytes <= largest:
                return data.tobytes()
        sheet = cv2.resize(sheet, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
