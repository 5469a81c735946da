"""Geometric motifs. Each function returns a field in 0..1, drawn on a canvas."""

import numpy as np

from pipeline.shipped.canvas import Canvas, Field, clamp, normalize, raised_cosine, soft_step

TAU = 2 * np.pi


def tunnel(canvas: Canvas) -> Field:
    """Draw a round or square tunnel of rings and spokes with a dark centre."""
    square = np.maximum(np.abs(canvas.x), np.abs(canvas.y)) + np.float32(1e-4)
    radius = canvas.radius() if canvas.rng.random() < 0.6 else square
    depth = np.log(radius) * np.float32(canvas.uniform(2.2, 3.4) * canvas.frequency) + np.float32(canvas.uniform(0, 9))
    spokes = canvas.count(3, 7) * canvas.angle() + np.float32(canvas.uniform(-1.0, 1.0)) * depth
    if canvas.rng.random() < 0.5:
        wall = soft_step(np.sin(TAU * depth / 2) * np.sin(spokes), 0.25)
    else:
        wall = np.maximum(raised_cosine(TAU * depth / 2) ** 3, np.float32(0.8) * raised_cosine(2 * spokes) ** 6)
    shade = np.clip((radius - 0.06) * 1.5, 0, 1)
    return clamp((np.float32(0.12) + np.float32(0.88) * wall) * shade)


def rings(canvas: Canvas) -> Field:
    """Draw concentric circles, thin or thick."""
    waves = canvas.radius() * np.float32(TAU * canvas.uniform(2.4, 4.2) * canvas.frequency)
    return raised_cosine(waves + np.float32(canvas.uniform(0, TAU))) ** np.float32(canvas.uniform(0.8, 4))


def grid(canvas: Canvas) -> Field:
    """Draw crossing lines with bright crossings."""
    pitch = np.float32(np.pi * canvas.uniform(2.4, 4.0) * canvas.frequency)
    power = np.float32(canvas.uniform(8, 20))
    across = np.abs(np.cos(canvas.x * pitch)) ** power
    down = np.abs(np.cos(canvas.y * pitch)) ** power
    return clamp(np.maximum(across, down) * np.float32(0.8) + np.float32(0.6) * across * down)


def horizon(canvas: Canvas) -> Field:
    """Draw a floor of lines up to a horizon with a setting sun."""
    y = canvas.y - np.float32(canvas.uniform(-0.05, 0.25))
    depth = np.float32(0.5) / np.maximum(y, 0.03)
    pitch = np.float32(np.pi * canvas.uniform(0.8, 1.3) * canvas.frequency)
    lines = np.maximum(
        np.abs(np.cos(canvas.x * depth * pitch * 2)) ** 12,
        np.abs(np.cos(depth * pitch * 2 + np.float32(canvas.uniform(0, 3)))) ** 6,
    )
    floor = np.float32(0.08) + np.float32(0.75) * lines * np.clip(y * 5, 0, 1)
    disc = np.sqrt(canvas.x**2 + (y + np.float32(0.25)) ** 2)
    sun = soft_step(np.float32(canvas.uniform(0.35, 0.6)) - disc, 0.02)
    sun = sun * (np.float32(0.95) - np.float32(0.5) * (np.sin(y * 40) > np.float32(0.2) - y * 2))
    sky = np.maximum(np.float32(0.3) * np.clip(1 + y, 0, 1) ** 2, sun)
    return clamp(np.where(y > 0, floor, sky))


def spiral(canvas: Canvas) -> Field:
    """Draw spiral arms, Archimedean or logarithmic."""
    radius = canvas.radius()
    if canvas.rng.random() < 0.5:
        turns = np.log(radius) * np.float32(canvas.uniform(4, 8) * canvas.frequency)
    else:
        turns = radius * np.float32(canvas.uniform(9, 18) * canvas.frequency)
    hand = 1 if canvas.rng.random() < 0.5 else -1
    arms = canvas.count(1, 4) * canvas.angle() + hand * turns + np.float32(canvas.uniform(0, TAU))
    return clamp(raised_cosine(arms) ** np.float32(canvas.uniform(0.8, 2.5)) * np.clip(radius * 4, 0, 1))


def kaleidoscope(canvas: Canvas) -> Field:
    """Draw one wedge of crossing waves, mirrored around the centre."""
    wedge = np.pi / canvas.count(3, 6)
    folded = np.abs((canvas.angle() % (2 * wedge)) - wedge)
    radius = canvas.radius() * np.float32(canvas.frequency)
    x, y = radius * np.cos(folded), radius * np.sin(folded)
    total = np.zeros_like(x)
    for _ in range(3):
        direction = canvas.uniform(0, TAU)
        pitch = canvas.uniform(4, 13)
        total += np.sin(
            np.float32(pitch * np.cos(direction)) * x
            + np.float32(pitch * np.sin(direction)) * y
            + np.float32(canvas.uniform(0, TAU))
        )
    return soft_step(np.sin(total * np.float32(canvas.uniform(1.0, 2.0))), 0.7)


def mandala(canvas: Canvas) -> Field:
    """Draw petals in rings around a bright centre."""
    radius, angle = canvas.radius(), canvas.angle()
    petals = canvas.count(4, 9)
    ring = np.float32(canvas.uniform(2.4, 3.6) * canvas.frequency)
    lobes = np.abs(np.cos(angle * np.float32(petals / 2)))
    reach = radius * ring / (np.float32(0.55) + np.float32(0.45) * lobes)
    layer = np.floor(reach)
    # Every second ring is rotated by half a petal.
    rotated = np.abs(np.cos(angle * np.float32(petals / 2) + (layer % 2) * np.float32(np.pi / 2)))
    inside = reach - layer
    value = (np.float32(1) - inside) ** np.float32(0.8) * (np.float32(0.35) + np.float32(0.65) * rotated)
    return clamp(value * np.clip(1.35 - radius * 0.55, 0.15, 1))


def stripes(canvas: Canvas) -> Field:
    """Draw parallel bars with hard or soft edges."""
    waves = np.sin(canvas.x * np.float32(TAU * canvas.uniform(2, 3.6) * canvas.frequency))
    return soft_step(waves - np.float32(canvas.uniform(-0.3, 0.3)), canvas.uniform(0.15, 1))


def checker(canvas: Canvas) -> Field:
    """Draw a checkerboard, lit a little unevenly."""
    pitch = np.float32(np.pi * canvas.uniform(2.0, 3.4) * canvas.frequency)
    squares = soft_step(np.sin(canvas.x * pitch) * np.sin(canvas.y * pitch), 0.08)
    slope = np.float32(0.2) * np.sin(canvas.x * 2 + canvas.y + np.float32(canvas.uniform(0, 6)))
    return clamp(np.float32(0.08) + (np.float32(0.72) + slope) * squares)


def rays(canvas: Canvas) -> Field:
    """Draw beams from one point."""
    beams = raised_cosine(canvas.angle() * max(3, round(canvas.count(8, 13) * canvas.frequency)))
    hard = soft_step(beams - np.float32(0.5), 0.15) if canvas.rng.random() < 0.5 else beams ** np.float32(3)
    fall = np.float32(1.1) - np.float32(0.45) * canvas.radius()
    core = np.exp(-((canvas.radius() * 6) ** 2))
    return clamp(np.maximum(hard * fall, core))


def hexagons(canvas: Canvas) -> Field:
    """Draw a honeycomb with bright rims and a shade for each cell."""
    scale = np.float32(canvas.uniform(2.6, 4.2) * canvas.frequency)
    x, y = canvas.x * scale, canvas.y * scale
    wide, high = np.float32(1.0), np.float32(np.sqrt(3))
    column, row = np.round(x / wide), np.round(y / high)
    ax, ay = x - column * wide, y - row * high
    column2, row2 = np.floor(x / wide) + np.float32(0.5), np.floor(y / high) + np.float32(0.5)
    bx, by = x - column2 * wide, y - row2 * high
    first = ax * ax + ay * ay < bx * bx + by * by
    cx, cy = np.where(first, ax, bx), np.where(first, ay, by)
    cell_x, cell_y = np.where(first, column, column2), np.where(first, row, row2)
    far = np.maximum(np.abs(cx), np.abs(cx) * np.float32(0.5) + np.abs(cy) * np.float32(np.sqrt(3) / 2))
    shade = np.abs(np.sin(cell_x * np.float32(12.9) + cell_y * np.float32(78.2))) * np.float32(0.55)
    rim = soft_step(far - np.float32(0.43), 0.03)
    return clamp(
        np.maximum(shade, rim) if canvas.rng.random() < 0.5 else shade + np.float32(0.25) - rim * np.float32(0.7)
    )


def dots(canvas: Canvas) -> Field:
    """Draw a lattice of discs of varying size."""
    scale = np.float32(canvas.uniform(2.8, 4.5) * canvas.frequency)
    x, y = canvas.x * scale, canvas.y * scale
    away = np.sqrt((x - np.round(x)) ** 2 + (y - np.round(y)) ** 2)
    slow = raised_cosine(canvas.x * np.float32(canvas.uniform(1, 2.5)) + np.float32(canvas.uniform(0, 6)))
    return np.float32(0.04) + soft_step(np.float32(0.2) + np.float32(0.2) * slow - away, 0.05) * (
        np.float32(0.5) + np.float32(0.45) * slow
    )


def waves(canvas: Canvas) -> Field:
    """Draw wavy lines, or overlapping layers of sea."""
    bend = np.float32(canvas.uniform(0.15, 0.3)) * np.sin(
        canvas.x * np.float32(canvas.uniform(3, 5.5) * canvas.frequency) + np.float32(canvas.uniform(0, 6))
    ) + np.float32(0.07) * np.sin(canvas.x * np.float32(canvas.uniform(6, 10)) + np.float32(canvas.uniform(0, 6)))
    layers = (canvas.y + bend) * np.float32(canvas.uniform(2.4, 4) * canvas.frequency)
    if canvas.rng.random() < 0.5:
        return raised_cosine(layers * TAU / 1.2) ** np.float32(canvas.uniform(0.8, 3))
    inside = layers - np.floor(layers)
    return normalize((1 - inside) ** np.float32(1.6))
