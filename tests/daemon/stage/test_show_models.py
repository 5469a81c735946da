"""Models of other families named on a running show: each one draws, and the output misses nothing meanwhile."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from control_show import SAME, control_show, difference, settled
from feed import Feed
from show import Show, until
from tiny_folders import SIDE, write_family_folder

START = 240.0
"""Most seconds for the start of a renderer on a busy machine."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {family: write_family_folder(family, root / family) for family in ("stable-diffusion", "sd3", "sana")}


@pytest.fixture(scope="module")
def show(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    """A show that starts with a model of another family than the shipped one."""
    feed = Feed(SIDE)
    look = f"model: {folders['sd3']}\naccelerator: eager\nwidth: {SIDE}\nheight: {SIDE}\nsteps: 4\n"
    with control_show(tmp_path_factory.mktemp("show") / "show", feed, look) as show:
        yield show
    feed.close()


def test_prompt_acts_on_another_family(show: Show) -> None:
    before = settled(show)
    show.set(**{"prompt/1/text": "blue winter stars", "prompt/1/weight": 1.0})
    show.picture(lambda meta, pixels: difference(pixels, before) > 1.0)


@pytest.mark.timeout(600)
def test_families_follow_each_other(show: Show, folders: dict[str, Path]) -> None:
    drawn = [settled(show)]
    with show.every_tick() as ticks:
        for family in ("sana", "stable-diffusion", "sd3"):
            show.osc.send_message("/model", str(folders[family]))
            show.picture(lambda meta, pixels: difference(pixels, drawn[-1]) > SAME, START)
            until(lambda family=family: show.status()["renderer"]["model"] == str(folders[family]), START)
            drawn.append(settled(show))
    assert difference(drawn[0], drawn[-1]) < SAME, "the first model again"
    assert show.status()["renderer"]["restarts"] == 0
    assert all(index > 0 and lit for _, index, lit in ticks), "neither slate nor black"
    indices = [index for _, index, _ in ticks]
    assert indices == sorted(indices)
    # A busy machine may miss ticks of a receiver, and a switch must not: all but a few follow each other.
    periods = [after - tick for (tick, _, _), (after, _, _) in pairwise(ticks)]
    assert sum(periods) < 1.05 * len(periods)


def test_model_that_is_not_played_is_refused(show: Show, folders: dict[str, Path]) -> None:
    before = show.status()["renderer"]["model"]
    broken = folders["sana"] / "model_index.json"
    broken.write_text(broken.read_text().replace("SanaTransformer2DModel", "SanaVideoTransformer3DModel"))
    show.set(model=str(folders["sana"]))
    until(lambda: "it draws films" in " ".join(show.log.read_text().split()), START)
    assert show.status()["renderer"]["model"] == before
