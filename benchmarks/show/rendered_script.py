"""The recorded controls of a show, rendered onto a clip: ``streamflow-live render --controls``."""

import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

from benchmarks.child_process import last_line
from benchmarks.report.findings import NotMeasured, Row
from io_bridges.card import draw_card
from io_bridges.clip_encoder import ClipEncoder
from io_bridges.clip_reader import ClipReader

SIDE = 256
LONGEST = 120.0
"""Seconds that are rendered at most: the start of the show."""
TIMEOUT = 1800.0


def render_script(folder: Path, controls: Path, seconds: float, fps: int) -> Row:
    """Render the first seconds of a recording, and return the pictures and their rate.

    Raises:
        NotMeasured: the command failed, or the clip has another number of pictures.
    """
    clip, out, log = folder / "card.mp4", folder / "rendered.mp4", folder / "render.log"
    count = round(min(seconds, LONGEST) * fps)
    _write_clip(clip, count, fps)
    command = [sys.executable, "-m", "daemon", "render", str(clip), str(out), "--controls", str(controls), "-y"]
    began = time.monotonic()
    with log.open("wb") as file:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=TIMEOUT, check=False)
    took = time.monotonic() - began
    if done.returncode:
        raise NotMeasured(f"the controls could not be rendered{last_line(log)}")
    with ClipReader(out) as reader:
        rendered = sum(1 for _ in reader.frames())
    if rendered != count:
        raise NotMeasured(f"{rendered} pictures were rendered of {count}")
    return {
        "configuration": f"the recorded controls of that show rendered onto a clip, {SIDE}x{SIDE}, with the start",
        "pictures": rendered,
        "seconds_of_the_clip": count / fps,
        "fps": rendered / took,
    }


def _write_clip(path: Path, count: int, fps: int) -> None:
    encoder = ClipEncoder(path, SIDE, SIDE, Fraction(fps))
    for index in range(count):
        encoder.encode(draw_card(index, SIDE, SIDE))
    encoder.finish()
