"""Organic motifs. Each function returns a field in 0..1, drawn on a canvas."""

from itertools import pairwise

import cv2
import numpy as np

from pipeline.shipped.canvas import (
    Canvas,
    Field,
    blur,
    clamp,
    layered_noise,
    normalize,
    raised_cosine,
    remap,
    smooth_noise,
    soft_step,
)

TAU = 2 * np.pi


def plasma(canvas: Canvas) -> Field:
    """Draw the demo scene's plasma, a sum of slow waves."""
    total = np.zeros_like(canvas.x)
    for _ in range(4):
        direction = canvas.uniform(0, TAU)
        pitch = canvas.uniform(2, 5.5) * canvas.frequency
        total += np.sin(
            np.float32(pitch * np.cos(direction)) * canvas.x
            + np.float32(pitch * np.sin(direction)) * canvas.y
            + np.float32(canvas.uniform(0, TAU))
        )
    return raised_cosine(total * np.float32(canvas.uniform(1.2, 2.2)))


def cells(canvas: Canvas) -> Field:
    """Draw Voronoi cells with glowing walls, flat shades or round pits."""
    number = max(7, round(canvas.count(16, 26) * canvas.frequency))
    points = canvas.rng.uniform(-1.7, 1.7, size=(number * 2, 2)).astype(np.float32)
    shades = canvas.rng.uniform(0.08, 0.9, size=number * 2).astype(np.float32)
    nearest = np.full_like(canvas.x, 99.0)
    second = np.full_like(canvas.x, 99.0)
    shade = np.zeros_like(canvas.x)
    for (px, py), own in zip(points, shades, strict=True):
        away = (canvas.x - px) ** 2 + (canvas.y - py) ** 2
        closer = away < nearest
        second = np.minimum(second, np.maximum(away, nearest))
        nearest = np.minimum(nearest, away)
        shade[closer] = own
    wall = np.sqrt(second) - np.sqrt(nearest)
    kind = canvas.rng.random()
    if kind < 0.4:
        return np.exp(-wall * np.float32(canvas.uniform(9, 18)))
    if kind < 0.75:
        return shade * soft_step(wall - np.float32(0.03), 0.02)
    return normalize(np.sqrt(nearest))


def flames(canvas: Canvas) -> Field:
    """Draw flames that rise from the lower edge."""
    size = canvas.size
    cell = max(3, round(5 * canvas.frequency))
    noise = layered_noise(canvas.rng, size, cell, octaves=3, stretch=2.2)
    sway = smooth_noise(canvas.rng, size, 4) - np.float32(0.5)
    # The texture is stretched upwards and distorted more towards the top, so that each peak ends in a tip.
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    noise = remap(noise, columns + sway * np.float32(70) * (1 - rows / size), rows)
    tongues = smooth_noise(canvas.rng, size, max(3, round(7 * canvas.frequency)), stretch=8.0)
    tongues = remap(tongues, columns + sway * np.float32(80) * (1 - rows / size), rows)
    height = rows / size
    heat = height * np.float32(1.5) + tongues * np.float32(0.75) + noise * np.float32(0.75) - np.float32(1.25)
    return clamp(heat * np.float32(canvas.uniform(1.0, 1.4)))


def stars(canvas: Canvas) -> Field:
    """Draw stars of many sizes on a faint haze, as points or as streaks away from the centre."""
    size = canvas.size
    sky = np.zeros((size, size), dtype=np.float32)
    # A radius of at least a pixel, because smaller stars do not survive the autoencoder.
    for _ in range(round(canvas.count(45, 75) * canvas.frequency)):
        at = canvas.rng.integers(0, size, size=2)
        radius = int(canvas.rng.choice([1, 2, 2, 3, 5], p=[0.3, 0.3, 0.2, 0.15, 0.05]))
        cv2.circle(sky, (int(at[0]), int(at[1])), radius, canvas.uniform(0.5, 1.0), -1, cv2.LINE_AA)
    if canvas.rng.random() < 0.3:
        streak = np.zeros_like(sky)
        rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
        for step in range(6):
            pull = np.float32(1 - 0.035 * step)
            moved = remap(sky, (columns - size / 2) * pull + size / 2, (rows - size / 2) * pull + size / 2)
            streak = np.maximum(streak, moved)
        sky = streak
    haze = np.float32(0.3) * layered_noise(canvas.rng, size, 3, octaves=2) ** 2
    return clamp(haze + sky + np.float32(1.3) * blur(sky, 3.5))


def clouds(canvas: Canvas) -> Field:
    """Draw clouds of domain-warped noise."""
    size = canvas.size
    cell = max(2, round(3 * canvas.frequency))
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    fold = (smooth_noise(canvas.rng, size, cell) - np.float32(0.5)) * np.float32(110)
    other = (smooth_noise(canvas.rng, size, cell) - np.float32(0.5)) * np.float32(110)
    noise = remap(layered_noise(canvas.rng, size, cell, octaves=4), columns + fold, rows + other)
    return clamp(noise * np.float32(1.5) - np.float32(0.3))


def lightning(canvas: Canvas) -> Field:
    """Draw forked bolts of lightning with a glow."""
    size = canvas.size
    sharp = np.zeros((size, size), dtype=np.float32)
    for _ in range(max(1, round(canvas.count(2, 3) * canvas.frequency))):
        start = np.array([canvas.uniform(-1, 1), -1.3]) if canvas.rng.random() < 0.7 else np.array([-1.3, 0.0])
        aim = np.array([canvas.uniform(-1, 1), canvas.uniform(0.3, 1.4)])
        _bolt(canvas, sharp, start, aim, width=3, forks=3)
    glow = blur(sharp, 9)
    back = np.float32(0.18) * layered_noise(canvas.rng, size, 3, octaves=3)
    return clamp(sharp + np.float32(1.6) * glow + back)


def _bolt(canvas: Canvas, into: Field, start: np.ndarray, end: np.ndarray, width: int, forks: int) -> None:
    """Draw one bolt and its forks into a field, by midpoint displacement."""
    points = [start, end]
    swing = 0.35 * float(np.linalg.norm(end - start))
    for _ in range(5):
        # Each half is displaced about half as far as the whole.
        middles = [(a + b) / 2 + canvas.rng.normal(0, 0.4, 2) * swing for a, b in pairwise(points)]
        points = [p for pair in zip(points, [*middles, end], strict=True) for p in pair][:-1]
        swing *= 0.52
    pixels = ((np.array(points) + 1) * (canvas.size / 2)).astype(np.int32)
    cv2.polylines(into, [pixels], False, 1.0 if width > 2 else 0.75, width, cv2.LINE_AA)
    for _ in range(forks):
        at = points[canvas.count(6, len(points) - 8)]
        _bolt(
            canvas, into, at, at + canvas.rng.normal(0, 0.45, 2) + 0.3 * (end - start), width=max(1, width - 1), forks=0
        )


def bubbles(canvas: Canvas) -> Field:
    """Draw overlapping shaded balls, or hollow bubbles with a bright rim."""
    value = np.full_like(canvas.x, 0.05)
    hollow = canvas.rng.random() < 0.5
    for _ in range(round(canvas.count(12, 18) * canvas.frequency)):
        size = canvas.uniform(0.12, 0.4) / canvas.frequency**0.7
        px, py = canvas.uniform(-1.3, 1.3), canvas.uniform(-1.3, 1.3)
        dx, dy = (canvas.x - np.float32(px)) / np.float32(size), (canvas.y - np.float32(py)) / np.float32(size)
        away = dx * dx + dy * dy
        spot = np.exp(-((dx + np.float32(0.35)) ** 2 + (dy + np.float32(0.35)) ** 2) * 5)
        inside = soft_step(1 - away, 0.06)
        if hollow:
            value = np.maximum(value, inside * np.clip(away**2 * np.float32(0.75) + spot, 0, 1))
        else:
            body = np.float32(0.12) + np.float32(0.6) * np.clip(1 - away, 0, 1) + np.float32(0.4) * spot
            value = value * (1 - inside) + inside * body
    return clamp(value)


def aurora(canvas: Canvas) -> Field:
    """Draw curtains of light that fade upwards."""
    size = canvas.size
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    sway = (smooth_noise(canvas.rng, size, 3) - np.float32(0.5)) * np.float32(90)
    folds = layered_noise(canvas.rng, size, max(4, round(8 * canvas.frequency)), octaves=3, stretch=12.0)
    curtain = remap(folds, columns + sway, rows) ** 2
    base = np.float32(size * canvas.uniform(0.6, 0.85)) + sway * np.float32(0.8)
    above = (base - rows) / size
    shape = np.where(above > 0, np.exp(-above * np.float32(2.4)), np.exp(above * np.float32(22)))
    return clamp(np.float32(1.6) * curtain * shape + np.float32(0.25) * shape * shape)


def marble(canvas: Canvas) -> Field:
    """Draw marble veins distorted by noise."""
    current = layered_noise(canvas.rng, canvas.size, max(2, round(3 * canvas.frequency)), octaves=3)
    phase = canvas.x * np.float32(canvas.uniform(1, 4)) + current * np.float32(canvas.uniform(9, 14))
    veins = np.abs(np.sin(phase))
    return veins ** np.float32(0.9) if canvas.rng.random() < 0.5 else (1 - veins) ** np.float32(1.6)
