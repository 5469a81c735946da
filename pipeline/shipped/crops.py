"""Random crops of source pictures, changed as cameras and stage light change them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.shipped.scenes import Image


def random_crop(pictures: list[Image], rng: np.random.Generator, size: int) -> Image:
    """Return one crop of a random picture, RGB uint8 ``[size, size, 3]``, as a camera on a stage might see it."""
    flat = rng.random() < 0.04
    crop = _flat(rng, size) if flat else _cut(pictures[int(rng.integers(len(pictures)))], rng, size)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    if rng.random() < 0.06:
        crop = np.rot90(crop, int(rng.integers(1, 4)))
    if rng.random() < 0.25:
        crop = crop[..., rng.permutation(3)]
    light = _relight(np.ascontiguousarray(crop).astype(np.float32), rng)
    if rng.random() < 0.15:
        light = cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.6, 3.0)))
    if rng.random() < 0.2:
        light = light + rng.normal(0, rng.uniform(1, 9), light.shape).astype(np.float32)
    pixels: Image = np.clip(light, 0, 255).astype(np.uint8)
    if rng.random() < 0.12:
        # Network cameras and capture devices compress.
        packed = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 85))])[1]
        pixels = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return pixels


def _cut(image: Image, rng: np.random.Generator, size: int) -> Image:
    """Return a square part of the image, between ``size`` pixels and the whole, scaled to ``size``."""
    height, width = image.shape[:2]
    whole = min(height, width)
    side = int(np.exp(rng.uniform(np.log(min(whole, size * 0.75)), np.log(whole))))
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    part = image[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    scaled: Image = cv2.resize(part, (size, size), interpolation=method)
    return scaled


def _flat(rng: np.random.Generator, size: int) -> Image:
    """Return an even colour or a gradient between the colours of four corners."""
    corners = rng.uniform(0, 255, (2, 2, 3)).astype(np.float32)
    if rng.random() < 0.4:
        corners[:] = corners[0, 0]
    plane: Image = cv2.resize(corners, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    return plane


def _relight(crop: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the crop with other contrast and brightness, in coloured or uneven light, or in the dark of a stage."""
    crop = (crop - 128) * np.float32(rng.uniform(0.65, 1.35)) + np.float32(128 + rng.uniform(-28, 28))
    kind = rng.random()
    if kind < 0.14:
        crop = np.maximum(crop, 0) * np.float32(rng.uniform(0.12, 0.5))
    elif kind < 0.24:
        crop = np.maximum(crop, 0) * rng.uniform(0.15, 1.2, 3).astype(np.float32)
    elif kind < 0.36:
        size = crop.shape[0]
        field = cv2.resize(
            rng.uniform(0.1, 1.25, (3, 3)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
        )
        crop = np.maximum(crop, 0) * np.maximum(field, 0)[..., None]
    return crop
