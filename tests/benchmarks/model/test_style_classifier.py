"""The style classifier: it learns, it is kept, and its figures are those of the pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.model import classifier_training
from benchmarks.model.classifier_training import TrainingSize, drawing_digest, trained_classifier
from benchmarks.model.style_cases import clip_cases, style_cases
from benchmarks.model.style_classifier import FEATURES, StyleClassifier, accuracy, input_planes
from benchmarks.paper.image_metrics import frechet
from io_bridges.card import draw_card
from pipeline.shipped.palettes import PALETTES
from pipeline.shipped.prompts import HELD_OUT, TEMPLATES
from pipeline.shipped.recipes import Recipe
from pipeline.shipped.styles import STYLES


def card(number: int, size: int = 64) -> np.ndarray:
    return draw_card(number, size, size).copy()


def test_shuffled_labels_give_chance() -> None:
    rng = np.random.default_rng(3)
    labels = [(f"style {number % 10}", f"palette {number % 5}") for number in range(2000)]
    assert accuracy(labels, labels) == {"style_percent": 100.0, "palette_percent": 100.0}
    shuffled = accuracy([labels[number] for number in rng.permutation(2000)], labels)
    assert shuffled["style_percent"] == pytest.approx(10, abs=3)
    assert shuffled["palette_percent"] == pytest.approx(20, abs=4)


def test_learns_two_styles_of_two_palettes(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [card(number, 128) for number in range(4)]
    monkeypatch.setattr(classifier_training, "source_pictures", lambda: cards)
    monkeypatch.setattr(classifier_training, "random_crop", lambda pictures, rng, size: pictures[rng.integers(3)])
    for table, names in ((STYLES, ("halftone", "thermal")), (PALETTES, ("fire", "ice"))):
        monkeypatch.setattr(classifier_training, table_name(table), {name: table[name] for name in names})
    classifier = classifier_training.train_classifier(TrainingSize(64, 8))
    cases = style_cases({"other": card(90, 128)}, ("halftone", "thermal"))
    pictures = [classifier_training.draw_style(case.source, Recipe(case.style, palette="ice")) for case in cases]
    assert classifier.name(pictures, [case.source for case in cases]) == [("halftone", "ice"), ("thermal", "ice")]


def table_name(table: object) -> str:
    return "STYLES" if table is STYLES else "PALETTES"


def test_classifier_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = TrainingSize(32, 1)
    cards = [card(number, 128) for number in range(3)]
    monkeypatch.setattr(classifier_training, "source_pictures", lambda: cards)
    monkeypatch.setattr(classifier_training, "random_crop", lambda pictures, rng, size: pictures[rng.integers(3)])
    first, _ = trained_classifier(size, tmp_path)
    monkeypatch.setattr(classifier_training, "train_classifier", lambda size: pytest.fail("it was trained again"))
    again, _ = trained_classifier(size, tmp_path)
    features = [each.quarter_features([card(0)], [card(0)]) for each in (first, again)]
    np.testing.assert_array_equal(*features)
    assert features[0].shape == (4, FEATURES)
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"damaged")
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        trained_classifier(size, tmp_path)


def test_digest_follows_drawing_code(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.name) or original(path))
    before = drawing_digest()
    assert {"draw.py", "styles.py", "palettes.py", "source_pictures.py", "style_classifier.py"} <= set(read)
    assert not {"train.py", "networks.py", "export.py"} & set(read)
    monkeypatch.setattr(Path, "read_bytes", lambda path: original(path) + (b"#" if path.name == "styles.py" else b""))
    assert drawing_digest() != before


def test_features_of_a_set_with_itself() -> None:
    torch.manual_seed(1)
    classifier = StyleClassifier(("a", "b"), ("c", "d")).eval()
    cards = [card(number) for number in range(0, 60, 3)]
    features = classifier.quarter_features(cards, cards)
    assert features.shape == (4 * len(cards), FEATURES)
    assert frechet(features, features) == pytest.approx(0, abs=1e-6)
    inverted = classifier.quarter_features([255 - each for each in cards], cards)
    assert frechet(features, inverted) > 1e-3


def test_planes_of_flat_picture() -> None:
    planes = input_planes(np.full((16, 16, 3), 255, np.float32), np.zeros((16, 16, 3), np.float32))
    np.testing.assert_allclose(planes[..., :3], 1)
    np.testing.assert_allclose(planes[..., 3:7], 0, atol=1e-3)
    np.testing.assert_allclose(planes[..., 7], -1)


def test_cases_name_what_they_draw() -> None:
    cases = style_cases({"one": card(1), "two": card(2)})
    assert len(cases) == 2 * len(STYLES)
    assert {case.recipe.palette for case in cases} == set(PALETTES)
    assert [case.prompt for case in cases] == [case.prompt for case in style_cases({"one": card(1), "two": card(2)})]
    for case in cases:
        words = STYLES[case.style].words, PALETTES[str(case.recipe.palette)][1]
        text = case.prompt.replace("color", "colour").replace("gray", "grey")
        assert all(any(word in text for word in group) for group in words), case.prompt
    assert not set(HELD_OUT["sp"]) & set(TEMPLATES["sp"])
    others = style_cases({"one": card(1), "two": card(2)}, shift=7)
    assert all(case.recipe.palette != other.recipe.palette for case, other in zip(cases, others, strict=True))


def test_clip_has_one_prompt_and_seed() -> None:
    cases = clip_cases([card(1), card(2)], "halftone")
    assert cases[0].prompt == cases[1].prompt
    assert cases[0].seed == cases[1].seed
    assert not np.array_equal(cases[0].drawn, cases[1].drawn)
