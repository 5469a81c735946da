"""Training of the style classifier on drawn pictures, and its file in the user's cache folder.

The sources are crops of the training photographs. The recipes have seeds that the model's training does not use. The
held-out pictures are in neither.
"""

import ast
import hashlib
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import functional

from benchmarks.model.style_cases import SEED
from benchmarks.model.style_classifier import PLANES, StyleClassifier, input_planes
from benchmarks.report.findings import NotMeasured
from io_bridges.frames import Pixels
from pipeline.shipped.crops import random_crop
from pipeline.shipped.draw import draw_style
from pipeline.shipped.palettes import PALETTES
from pipeline.shipped.recipes import Recipe
from pipeline.shipped.source_pictures import PicturesMissing, source_pictures
from pipeline.shipped.styles import STYLES
from presets.atomic_write import write_atomically

TILE, CROP = 128, 64
"""Sides in pixels of a drawn picture and of the part of it that the network sees."""
BATCH = 32
RATE = 4e-3
"""Highest learning rate."""
NOISE = 20.0
"""Most noise of a training picture, in levels from the lowest to the highest."""


class TrainingSize(NamedTuple):
    """Amount of training."""

    trained_pictures: int
    epochs: int


FULL, QUICK = TrainingSize(6000, 16), TrainingSize(1500, 14)


def trained_classifier(size: TrainingSize, folder: Path | None = None) -> tuple[StyleClassifier, TrainingSize]:
    """Return a classifier of this size from the cache with its size, or train one and keep it there.

    Args:
        size: Amount of training. A kept classifier of size `FULL` is taken for any size.
        folder: Folder of the cache. None means the user's cache folder.
    """
    folder = folder or Path(platformdirs.user_cache_dir("streamflow-live")) / "bench"
    files = {kept: _file(folder, kept) for kept in (FULL, size)}
    for kept, path in files.items():
        if (classifier := _read(path)) is not None:
            return classifier, kept
    classifier = train_classifier(size)
    write_atomically(files[size], save(classifier.state_dict()))
    return classifier, size


def train_classifier(size: TrainingSize) -> StyleClassifier:
    """Draw the pictures and train a classifier. Equal sizes give equal classifiers."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng((SEED, 1))
    tiles, sources, labels = draw_tiles(size.trained_pictures, rng)
    classifier = StyleClassifier(tuple(STYLES), tuple(PALETTES))
    steps = size.epochs * (size.trained_pictures // BATCH)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=max(steps, 2), pct_start=0.2)
    for _ in range(size.epochs):
        order = rng.permutation(size.trained_pictures)
        for start in range(0, size.trained_pictures - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            style, palette = classifier(_augmented(tiles[chosen], sources[chosen], rng))
            wanted = torch.from_numpy(labels[chosen])
            loss = functional.cross_entropy(style, wanted[:, 0]) + functional.cross_entropy(palette, wanted[:, 1])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return classifier.eval()


def draw_tiles(count: int, rng: np.random.Generator) -> tuple[Pixels, Pixels, NDArray[np.int64]]:
    """Return drawn pictures and their sources ``[N, TILE, TILE, 3]``, and the numbers of style and palette ``[N, 2]``.

    Raises:
        NotMeasured: a package that holds source pictures is missing.
    """
    cv2.setNumThreads(1)
    styles, palettes = list(STYLES), list(PALETTES)
    try:
        photographs = source_pictures()
    except PicturesMissing as error:
        raise NotMeasured(f"the classifier is trained on drawn pictures: {error}") from error
    labels = np.stack([rng.permutation(count) % len(styles), rng.permutation(count) % len(palettes)], 1)
    tiles, sources = (np.empty((count, TILE, TILE, 3), np.uint8) for _ in range(2))
    for tile, source, (style, palette) in zip(tiles, sources, labels, strict=True):
        source[:] = random_crop(photographs, rng, TILE)
        tile[:] = draw_style(source, Recipe(styles[style], palette=palettes[palette]))
    return tiles, sources, labels.astype(np.int64)


def _augmented(tiles: Pixels, sources: Pixels, rng: np.random.Generator) -> Tensor:
    """Return the input of a random part of each picture, with noise. A third of them are blurred."""
    planes = np.empty((len(tiles), CROP, CROP, PLANES), np.float32)
    for plane, tile, source in zip(planes, tiles, sources, strict=True):
        top, left = rng.integers(0, TILE - CROP + 1, 2)
        part, original = (each[top : top + CROP, left : left + CROP].astype(np.float32) for each in (tile, source))
        if rng.random() < 1 / 3:
            part = cv2.GaussianBlur(part, (0, 0), rng.uniform(0.3, 1.2))
        # Uniform noise takes a tenth of the time of normal noise.
        part += (rng.random(part.shape, np.float32) - np.float32(0.5)) * np.float32(rng.uniform(0, NOISE))
        plane[:] = input_planes(part, original)
    return torch.from_numpy(planes)


def drawing_digest() -> str:
    """Return a digest of this module, the classifier, and the modules of ``pipeline.shipped`` that they import."""
    root = Path(__file__).parents[2]
    waiting, seen = [Path(__file__), Path(__file__).with_name("style_classifier.py")], set[Path]()
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pipeline.shipped"):
                module = root / node.module.replace(".", "/")
                waiting += [module.with_suffix(".py"), *(module / f"{alias.name}.py" for alias in node.names)]
    digest = hashlib.sha256()
    for path in sorted(seen):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _file(folder: Path, size: TrainingSize) -> Path:
    return folder / f"styles-{drawing_digest()}-{size.trained_pictures}-{size.epochs}.safetensors"


def _read(path: Path) -> StyleClassifier | None:
    """Return the classifier in a file, or None if the file is missing or damaged."""
    classifier = StyleClassifier(tuple(STYLES), tuple(PALETTES))
    try:
        classifier.load_state_dict(load(path.read_bytes()))
    except (OSError, SafetensorError, RuntimeError):
        return None
    return classifier.eval()
