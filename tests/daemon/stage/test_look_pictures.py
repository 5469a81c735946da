"""Small pictures of looks: taken on air, kept by contents, and never those of a look that was turned."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hand_clock import HandClock
from PIL import Image

from daemon.stage import look_pictures
from daemon.stage.look_pictures import LookPictures, default_folder
from daemon.stage.parameter_store import ParameterStore
from io_bridges.frames import RenderedFrame
from presets.library import Library

SECOND = 1_000_000_000


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def looks(library: Library, store: ParameterStore, clock: HandClock, tmp_path: Path) -> LookPictures:
    library.folder.mkdir()
    write(library, "mine", "prompt: ice\nstrength: 0.5\n")
    for number, name in enumerate(("other", "third", "fourth")):
        write(library, name, f"seed: {number}\n")
    return LookPictures(library, store, clock, tmp_path / "cache")


def write(library: Library, name: str, text: str) -> None:
    (library.folder / f"{name}.yaml").write_text(text)


def draw(looks: LookPictures, store: ParameterStore, level: int) -> None:
    pixels = np.full((270, 480, 3), (level, 20, 40), np.uint8)
    looks.newest = RenderedFrame(pixels, 1, 1, 0, store.wanted)


def play(looks: LookPictures, clock: HandClock, seconds: float) -> None:
    """Look twice a second, as the stage does."""
    for _ in range(round(seconds * 2)):
        clock.time += SECOND // 2
        looks.look()


def level(looks: LookPictures, name: str) -> int:
    """Return the red of a look's picture, checked for its size."""
    pixels = np.asarray(Image.open(BytesIO(looks.pictures()[name].data)))
    assert pixels.shape == (90, 160, 3)
    return int(pixels[..., 0].mean())


def test_look_on_air_is_pictured(
    looks: LookPictures, library: Library, store: ParameterStore, clock: HandClock, tmp_path: Path
) -> None:
    store.apply("/preset", ["mine"], "osc")
    draw(looks, store, 200)
    play(looks, clock, 1.5)
    assert "mine" not in looks.pictures(), "it has not settled"
    play(looks, clock, 1)
    assert level(looks, "mine") == pytest.approx(200, abs=3)
    draw(looks, store, 90)
    play(looks, clock, 5)
    assert level(looks, "mine") == pytest.approx(200, abs=3), "once each time it comes on air"
    store.apply("/preset", ["other"], "osc")
    store.apply("/preset", ["mine"], "osc")
    draw(looks, store, 90)
    play(looks, clock, 3)
    assert level(looks, "mine") == pytest.approx(90, abs=3)
    again = LookPictures(library, store, clock, tmp_path / "cache")
    again.look()
    assert again.pictures()["mine"] == looks.pictures()["mine"]


def test_picture_belongs_to_the_contents(
    looks: LookPictures, library: Library, store: ParameterStore, clock: HandClock
) -> None:
    store.apply("/preset", ["mine"], "osc")
    draw(looks, store, 200)
    play(looks, clock, 3)
    first = looks.pictures()["mine"]
    write(library, "mine", "prompt: ice\nstrength: 0.75\n")
    play(looks, clock, 3)
    assert "mine" not in looks.pictures()
    write(library, "mine", "prompt: ice\nstrength: 0.5\n")
    play(looks, clock, 3)
    assert looks.pictures()["mine"] == first
    (library.folder / "mine.yaml").unlink()
    play(looks, clock, 3)
    assert "mine" not in looks.pictures()


def test_turned_look_is_not_pictured(looks: LookPictures, store: ParameterStore, clock: HandClock) -> None:
    store.apply("/preset", ["mine"], "osc")
    store.apply("/strength", [0.9], "osc")
    draw(looks, store, 200)
    play(looks, clock, 5)
    assert "mine" not in looks.pictures()
    store.apply("/strength", [0.5], "osc")
    play(looks, clock, 1)
    assert "mine" in looks.pictures(), "it is as it was loaded"


def test_picture_of_the_look_before_is_not_taken(looks: LookPictures, store: ParameterStore, clock: HandClock) -> None:
    store.apply("/morph", [4], "osc")
    draw(looks, store, 10)
    store.apply("/preset", ["mine"], "osc")
    play(looks, clock, 8)
    assert "mine" not in looks.pictures(), "the renderer has not drawn it yet"
    store.apply("/preset", ["other"], "osc")
    store.apply("/preset", ["mine"], "osc")
    draw(looks, store, 200)
    play(looks, clock, 5.5)
    assert "mine" not in looks.pictures(), "it morphs"
    play(looks, clock, 1)
    assert "mine" in looks.pictures()


def test_disk_that_fails_costs_no_picture(
    looks: LookPictures, library: Library, store: ParameterStore, clock: HandClock, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("not a folder")
    store.apply("/preset", ["mine"], "osc")
    draw(looks, store, 200)
    play(looks, clock, 3)
    assert level(looks, "mine") == pytest.approx(200, abs=3)


def test_files_are_bounded(
    looks: LookPictures, store: ParameterStore, clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_pictures, "MOST_FILES", 2)
    for name in ("mine", "other", "third", "fourth"):
        store.apply("/preset", [name], "osc")
        draw(looks, store, 200)
        play(looks, clock, 3)
    assert len([*(tmp_path / "cache").glob("*.jpg")]) == 2
    assert {"mine", "other", "third", "fourth"} <= looks.pictures().keys()


def test_shipped_looks_begin_with_pictures(looks: LookPictures, library: Library) -> None:
    looks.look()
    shipped = {entry.name for entry in library.entries() if entry.shipped}
    assert looks.pictures().keys() == shipped, "draw them by docs/make_pictures.py buttons"
    assert sum(len(picture.data) for picture in looks.pictures().values()) < 300_000
    write(library, "fire", "prompt: my own fire\n")
    again = LookPictures(library, looks._store, HandClock(), looks._folder)
    again.look()
    assert "fire" not in again.pictures(), "a preset in the place of a shipped one is another look"


def test_folder_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tests' own shows have one too, so that they leave the user's pictures alone."""
    assert "streamflow-live-looks-" in str(default_folder())
    assert default_folder().is_dir()
    monkeypatch.setenv("STREAMFLOW_LIVE_LOOKS", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine"
    monkeypatch.delenv("STREAMFLOW_LIVE_LOOKS")
    assert default_folder().name == "looks"
