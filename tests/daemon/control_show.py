"""A running show whose controls are tested: its pictures, their difference, and the picture after a change."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from feed import Feed
from forked_process import CAN_FORK
from numpy.typing import NDArray
from show import Show, until

import pipeline.shipped

SAME = 2.0
"""Mean difference in 8-bit levels below which two pictures are equal. Rounding depends on the batch size."""

ROW = 12
"""Equal pictures, more than are in flight, after which no other comes."""

Picture = NDArray[np.uint8]


@contextmanager
def control_show(folder: Path, feed: Feed, look: str, *arguments: str, forked: bool = CAN_FORK) -> Iterator[Show]:
    """Run a show that draws the still frame of `feed`, with the shipped model if `look` names none."""
    folder.mkdir(exist_ok=True)
    # High strength and guidance, so that the prompt has a visible effect.
    (folder / "look.yaml").write_text(f"prompt: neon tunnel\nstrength: 0.9\nguidance: 2.5\n{look}")
    with Show(folder, "--source", f"zmq:{feed.address}", *arguments, forked=forked) as show:
        while not show.status()["sources"][0]["pictures"]:  # the source may not be open yet
            feed.push(feed.still)
        show.picture(lambda meta, pixels: meta["index"] > 0 and meta["source_index"] >= 0)
        until(lambda: "next" not in show.status()["renderer"])  # no stand-in that is to be replaced
        yield show


def settled(show: Show, drawn: int = 1) -> Picture:
    """Return the picture once it no longer changes and `drawn` equal ones were drawn."""
    status = show.status()
    # Half a second, or several network calls on a busy machine: a source that was zoomed is drawn once more.
    wanted, ticks = status["revision"], max(15, round(8 * status["renderer"]["step_ms"] / 1000 * 30))
    last: Picture | None = None
    steady: list[int] = []
    for meta, pixels in show.frames():
        same = last is not None and difference(last, pixels) < 0.5
        steady = [*steady, meta["index"]] if same and meta["revision"] >= wanted else []
        last = pixels
        if len(steady) >= ticks and len(set(steady)) >= drawn:
            return pixels.copy()
    raise AssertionError


def difference(one: Picture, other: Picture) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def show_values(show: Show) -> dict[str, Any]:
    answer = show.ask({"do": "get"}, timeout=10_000)
    assert answer is not None
    values: dict[str, Any] = answer["values"]
    return values


def pictures_between(show: Show, endless: bool = False, **values: Any) -> int:
    """Set these values and return how many pictures drawn meanwhile are neither the one before nor the one after.

    `endless` is for text mode, which draws the same picture without end: a row of new ones ends it.
    """
    before = settled(show)
    drawn: dict[int, Picture] = {}
    show.set(**values)
    wanted = show.status()["revision"]
    # Two seconds without another picture, or ten network calls where a call takes longer than usual.
    patience = max(60, round(10 * show.status()["renderer"]["step_ms"] / 1000 * 30))
    steady = 0
    for meta, pixels in show.frames():
        if meta["revision"] >= wanted:  # the first picture with the new values may take long on a busy machine
            steady = steady + 1 if meta["index"] in drawn else 0
        drawn[meta["index"]] = pixels.copy()
        row = [*drawn.values()][-ROW:] if endless else []
        arrived = len(row) == ROW and difference(pixels, before) > SAME
        if arrived and all(difference(each, pixels) < SAME for each in row):
            break
        if steady >= patience or len(drawn) >= 60:
            break
    after = settled(show)
    return sum(min(difference(pixels, before), difference(pixels, after)) > SAME for pixels in drawn.values())


def another_model(folder: Path) -> str:
    """Return the folder of another model: the shipped one with a negated convolution."""
    from safetensors.torch import load_file, save_file  # with torch, which takes seconds

    copy = folder / "another-model"
    shutil.copytree(Path(pipeline.shipped.__file__).parent / "model", copy)
    (weights,) = (copy / "unet").glob("*.safetensors")
    tensors = load_file(weights)
    tensors["conv_out.weight"] = -tensors["conv_out.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    return str(copy)
