"""Styles are deterministic and local, differ from one another, and stay calm when the source changes little."""

from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest

from pipeline.shipped.draw import draw_style, motif_picture
from pipeline.shipped.palettes import PALETTES, palette_table
from pipeline.shipped.recipes import Recipe, random_recipe
from pipeline.shipped.scenes import MOTIFS, Image
from pipeline.shipped.source_pictures import held_out_pictures
from pipeline.shipped.styles import OWN, STYLES
from pipeline.shipped.vocabulary import ADJECTIVE_WORDS

MARGIN = 48
"""Pixels from a border beyond which a crop is drawn like the whole picture."""


@pytest.fixture(scope="module")
def photo() -> Image:
    return held_out_pictures(256)[0]


def difference(one: Image, two: Image) -> float:
    return float(np.abs(one.astype(int) - two).mean())


@pytest.mark.parametrize("name", STYLES)
def test_style_is_deterministic(name: str, photo: Image) -> None:
    source = photo[:100, :132]
    before = source.copy()
    drawn = draw_style(source, Recipe(name))
    assert drawn.shape == source.shape
    assert drawn.dtype == np.uint8
    assert np.array_equal(drawn, draw_style(source, Recipe(name, seed=5)))
    assert np.array_equal(source, before)
    assert drawn.std() > 15
    assert drawn.min() < 60
    assert drawn.max() > 190


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("palette", [None, OWN, "rainbow"])
def test_crop_is_drawn_like_the_whole(name: str, palette: str | None, photo: Image) -> None:
    recipe = Recipe(name, palette=palette)
    whole = draw_style(photo, recipe)[40:184, 72:216]
    crop = draw_style(np.ascontiguousarray(photo[40:184, 72:216]), recipe)
    inside = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    apart = np.abs(whole[inside].astype(int) - crop[inside])
    assert apart.mean() < 0.1
    assert apart.max() <= 12


@pytest.mark.parametrize("name", STYLES)
def test_noise_of_a_camera_changes_little(name: str, photo: Image) -> None:
    noise = np.random.default_rng(0).normal(0, 2, photo.shape)
    noisy = np.clip(np.round(photo + noise), 0, 255).astype(np.uint8)
    assert difference(photo, noisy) > 1.5
    assert difference(draw_style(photo, Recipe(name)), draw_style(noisy, Recipe(name))) < 5


def edges(image: Image, blur: float = 2) -> np.ndarray:
    light = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), blur)
    return cv2.GaussianBlur(np.hypot(cv2.Sobel(light, -1, 1, 0), cv2.Sobel(light, -1, 0, 1)), (0, 0), 3)


def test_styles_that_keep_edges_have_them(photo: Image) -> None:
    # The blur removes patterns of 8 pixels.
    before = edges(photo, 5).ravel()
    for name, style in STYLES.items():
        if style.keeps_edges:
            kept = np.corrcoef(before, edges(draw_style(photo, Recipe(name)), 5).ravel())[0, 1]
            assert kept > 0.3, (name, kept)
    assert not all(style.keeps_edges for style in STYLES.values())


def test_styles_differ_from_one_another(photo: Image) -> None:
    drawn = {name: draw_style(photo, Recipe(name, palette="mono")) for name in STYLES}
    assert len(drawn) >= 26
    for one, two in combinations(drawn, 2):
        assert difference(drawn[one], drawn[two]) > 5, (one, two)


def test_palettes_differ_from_one_another(photo: Image) -> None:
    assert len(PALETTES) >= 18
    means = {name: draw_style(photo, Recipe(palette=name)).mean(axis=(0, 1)) for name in PALETTES}
    tables = {name: palette_table(name) for name in PALETTES}
    for one, two in combinations(PALETTES, 2):
        ramps = np.sqrt(((tables[one] - tables[two]) ** 2).sum(axis=1)).mean()
        assert np.linalg.norm(means[one] - means[two]) > 25 or ramps > 70, (one, two)


def test_adjectives_change_what_they_say(photo: Image) -> None:
    def drawn(*words: str) -> Image:
        return draw_style(photo, Recipe("stained glass", adjectives=words))

    def colourful(image: Image) -> float:
        return float(np.ptp(image.astype(int), axis=2).mean())

    plain = drawn()
    for word in ADJECTIVE_WORDS:
        assert difference(drawn(word), plain) > 2, word
    assert drawn("dark").mean() < 0.8 * plain.mean() < plain.mean() < drawn("bright").mean()
    assert drawn("glowing").mean() > plain.mean()
    assert colourful(drawn("faded")) < colourful(plain) < colourful(drawn("saturated"))
    assert edges(drawn("soft")).mean() < edges(plain).mean() < edges(drawn("sharp")).mean()


def test_pair_has_light_of_one_and_colour_of_other(photo: Image) -> None:
    pair = draw_style(photo, Recipe("neon edges", second="flames"))
    lines, fire = draw_style(photo, Recipe("neon edges")), draw_style(photo, Recipe("flames"))
    light = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).ravel() for image in (pair, lines)]
    assert np.corrcoef(*light)[0, 1] > 0.7
    red, blue = pair[..., 0].astype(int).mean(), pair[..., 2].astype(int).mean()
    assert red > 1.5 * blue
    assert difference(pair, fire) > 5
    assert not np.array_equal(pair, draw_style(photo, Recipe("flames", second="neon edges")))


def test_structure_mixes_source_and_motif(photo: Image) -> None:
    other = np.full_like(photo, 90)
    alone = Recipe("oil strokes", motif="rings", structure=0.0, seed=3)
    assert np.array_equal(draw_style(photo, alone), draw_style(other, alone))
    steps = [
        draw_style(photo, Recipe("oil strokes", motif="rings", structure=k, seed=3)) for k in (0.0, 0.3, 0.6, 0.95)
    ]
    away = [difference(step, draw_style(photo, Recipe("oil strokes"))) for step in steps]
    assert away == sorted(away, reverse=True)
    shown = draw_style(photo, Recipe("oil strokes", motif="rings", seed=3))
    assert away[-1] < difference(shown, draw_style(photo, Recipe("oil strokes"))) < away[0]


def test_motif_has_one_composition() -> None:
    recipe = Recipe(motif="mandala", palette="fire", structure=0.0, seed=11)
    whole, small, wide = (motif_picture(recipe, *sides) for sides in ((256, 256), (128, 128), (128, 256)))
    assert np.array_equal(whole, motif_picture(replace(recipe, seed=12), 256, 256))
    assert np.allclose(small, cv2.resize(whole, (128, 128), interpolation=cv2.INTER_AREA), atol=1e-5)
    assert np.array_equal(wide, whole[64:192]), "another shape is a part of it"


def test_motif_without_style_has_its_palette() -> None:
    dark = np.zeros((128, 128, 3), np.uint8)
    for motif in MOTIFS:
        drawn = draw_style(dark, Recipe(palette="red", motif=motif, structure=0.0, seed=2))
        red, green = drawn[..., 0].astype(int).mean(), drawn[..., 1].astype(int).mean()
        assert red > green + 2, motif


def test_random_recipes_can_all_be_drawn() -> None:
    rng = np.random.default_rng(4)
    source = held_out_pictures(64)[2]
    recipes = [random_recipe(rng) for _ in range(150)]
    assert sum(recipe.second is not None for recipe in recipes) in range(5, 30)
    assert sum(recipe.structure < 1 for recipe in recipes) in range(5, 35)
    for recipe in recipes:
        assert draw_style(source, recipe).shape == source.shape


@pytest.mark.parametrize("shape", [(8, 8, 3), (1, 1, 3), (37, 129, 3)])
def test_any_size_is_drawn(shape: tuple[int, int, int]) -> None:
    source = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    for name in STYLES:
        assert draw_style(source, Recipe(name)).shape == shape
