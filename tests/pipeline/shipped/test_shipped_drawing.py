"""Drawn motifs and camera images are deterministic and distinct."""

from itertools import product

import numpy as np
import pytest

from pipeline.shipped.camera_images import draw_camera_image
from pipeline.shipped.palettes import palette_table
from pipeline.shipped.scenes import MOTIFS, Scene, draw_field, draw_scene


@pytest.mark.parametrize("motif", MOTIFS)
def test_motif_depends_on_its_seed(motif: str) -> None:
    first, again = draw_scene(Scene(motif, "fire", seed=3)), draw_scene(Scene(motif, "fire", seed=3))
    other = draw_scene(Scene(motif, "fire", seed=4))
    assert first.shape == (256, 256, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 2


@pytest.mark.parametrize("motif", MOTIFS)
def test_motif_range_and_contrast(motif: str) -> None:
    field = draw_field(Scene(motif, "mono", seed=11), 256)
    assert field.min() < 0.05
    assert field.max() > 0.95
    assert field.std() > 0.05
    assert np.abs(np.diff(field, axis=1)).mean() < 0.12


def test_motifs_differ() -> None:
    fields = {motif: draw_field(Scene(motif, "mono", seed=5), 64) for motif in MOTIFS}
    for one, two in product(MOTIFS, MOTIFS):
        if one < two:
            assert np.abs(fields[one] - fields[two]).mean() > 0.03, (one, two)


def mean_colour(palette: str, *adjectives: str) -> np.ndarray:
    images = [draw_scene(Scene("plasma", palette, adjectives, seed=seed), 64) for seed in range(6)]
    return np.mean(images, axis=(0, 1, 2))


def test_palettes_have_their_colour() -> None:
    red, green, blue = 0, 1, 2
    assert mean_colour("fire")[red] > 1.5 * mean_colour("fire")[blue]
    assert mean_colour("ice")[blue] > mean_colour("ice")[red]
    assert mean_colour("toxic")[green] > 1.3 * mean_colour("toxic")[red]
    assert mean_colour("blue").argmax() == blue
    assert np.ptp(mean_colour("mono")) < 1


def test_palette_of_two_colours() -> None:
    table = palette_table("red and blue")
    assert (table.argmax(axis=1) == 0).sum() > 60
    assert (table.argmax(axis=1) == 2).sum() > 60


def test_unknown_palette_is_refused() -> None:
    with pytest.raises(KeyError):
        palette_table("beige")


def test_adjectives_change_the_image() -> None:
    def busy(*adjectives: str) -> float:
        fields = [draw_field(Scene("rings", "mono", adjectives, seed=seed), 128) for seed in range(4)]
        return float(np.mean([np.abs(np.diff(field, axis=1)).mean() for field in fields]))

    assert busy("dense") > 1.3 * busy() > 1.3 * 1.3 * busy("sparse")
    assert busy("soft") < busy()
    assert mean_colour("mono", "dark").mean() < 0.8 * mean_colour("mono").mean()
    assert mean_colour("mono", "bright").mean() > 1.1 * mean_colour("mono").mean()
    assert mean_colour("blood", "glowing").mean() > mean_colour("blood").mean()


def test_camera_images_vary() -> None:
    rng = np.random.default_rng(0)
    camera_images = [draw_camera_image(rng, 96) for _ in range(12)]
    assert all(probe.shape == (96, 96, 3) and probe.dtype == np.uint8 for probe in camera_images)
    assert np.std([probe.mean() for probe in camera_images]) > 10
