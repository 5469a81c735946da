"""Synthetic camera images for the autoencoder: shapes, gradients, strokes, letters and textures."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.shipped.canvas import layered_noise
from pipeline.shipped.scenes import Image, draw_scene, random_scene

_LETTERS = tuple("ABCDEFGHKMNPRSTXYZabdeghkmqrs0123456789&?!#")


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    # Cameras see mostly greys and dull colours, and saturated stage lights.
    if rng.random() < 0.3:
        grey = int(rng.integers(256))
        return grey, grey, grey
    red, green, blue = (int(value) for value in rng.integers(0, 256, size=3))
    return red, green, blue


def _background(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    kind = rng.random()
    if kind < 0.3:
        corners = np.array([[_colour(rng), _colour(rng)], [_colour(rng), _colour(rng)]], dtype=np.float32)
        ramp: NDArray[np.float32] = cv2.resize(corners, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        return ramp
    if kind < 0.6:
        noise = layered_noise(rng, size, int(rng.integers(2, 9)), octaves=int(rng.integers(2, 6)))[..., None]
        return np.asarray(_colour(rng), np.float32) * (1 - noise) + np.asarray(_colour(rng), np.float32) * noise
    if kind < 0.8:
        planes = [layered_noise(rng, size, int(rng.integers(2, 6)), octaves=3) for _ in range(3)]
        return np.stack(planes, axis=-1) * np.float32(rng.uniform(120, 255))
    return draw_scene(random_scene(rng), size).astype(np.float32)


def _shape(rng: np.random.Generator, image: NDArray[np.float32]) -> None:
    size = image.shape[0]
    at = tuple(int(value) for value in rng.integers(0, size, size=2))
    colour = _colour(rng)
    thickness = -1 if rng.random() < 0.65 else int(rng.integers(1, 7))
    kind = int(rng.integers(5))
    if kind == 0:
        cv2.circle(image, at, int(rng.integers(4, size // 3)), colour, thickness, cv2.LINE_AA)
    elif kind == 1:
        axes = tuple(int(value) for value in rng.integers(4, size // 3, size=2))
        cv2.ellipse(image, at, axes, float(rng.uniform(0, 180)), 0, 360, colour, thickness, cv2.LINE_AA)
    elif kind == 2:
        corners = (rng.normal(0, size / 6, size=(int(rng.integers(3, 6)), 2)) + at).astype(np.int32)
        if thickness < 0:
            cv2.fillPoly(image, [corners], colour, cv2.LINE_AA)
        else:
            cv2.polylines(image, [corners], True, colour, thickness, cv2.LINE_AA)
    elif kind == 3:
        # A thick bent stroke, like a limb.
        points = np.cumsum(rng.normal(0, size / 7, size=(4, 2)), axis=0) + at
        cv2.polylines(image, [points.astype(np.int32)], False, colour, int(rng.integers(2, 22)), cv2.LINE_AA)
    else:
        text = "".join(rng.choice(_LETTERS, size=int(rng.integers(1, 6))))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        # OpenCV 5 writes text to uint8 only.
        page = np.clip(image, 0, 255).astype(np.uint8)
        cv2.putText(page, text, at, font, float(rng.uniform(0.5, 3)), colour, int(rng.integers(1, 6)), cv2.LINE_AA)
        image[:] = page


def draw_camera_image(rng: np.random.Generator, size: int = 256) -> Image:
    """Return one image, RGB uint8 ``[size, size, 3]``: a background with shapes, uneven light, blur and grain."""
    image = np.ascontiguousarray(_background(rng, size))
    for _ in range(int(rng.integers(0, 12))):
        _shape(rng, image)
    if rng.random() < 0.5:
        light = layered_noise(rng, size, 2, octaves=2)[..., None]
        image = image * (np.float32(0.35) + np.float32(0.65) * light)
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.6, 3)))
    if rng.random() < 0.4:
        image = image + rng.normal(0, rng.uniform(2, 14), size=image.shape).astype(np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)
