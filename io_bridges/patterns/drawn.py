"""Patterns of drawn shapes: stars, particles, bubbles, spirograph, wireframe, blobs."""

import math
from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.patterns.canvas import TAU, Field, PatternCanvas, looked_up, shade, spread, table
from io_bridges.patterns.radial import wander

SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws at."""


def pixels_of(canvas: PatternCanvas, x: Field, y: Field) -> NDArray[np.int32]:
    """Return the points [N, 2] at which OpenCV draws coordinates of the canvas."""
    points = np.stack([canvas.width / 2 + x * canvas.unit, canvas.height / 2 + y * canvas.unit], axis=-1)
    return np.asarray(np.clip(points * 2**SHIFT, -(2**19), 2**19), np.int32)


class Stars:
    """A flight through stars, each a streak that grows as it comes near."""

    COUNT = 260

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas = canvas
        self._numbers = np.arange(self.COUNT, dtype=np.float64) + canvas.rng.uniform(0, 1000)
        self._starts = canvas.rng.uniform(0, 1, self.COUNT)

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        cv2 = opencv()
        sky = canvas.buffers[0]
        sky.fill(0)
        flown = self._starts + 0.25 * time
        lives = np.floor(flown)  # a star that has passed begins again at another place
        depth = 1 - (flown - lives)
        angle = TAU * spread(self._numbers + lives * 0.37, 1.0)
        reach = 0.12 + 1.5 * spread(self._numbers + lives * 0.73, 2.0)
        heads = pixels_of(canvas, *_at(angle, reach, depth))
        tails = pixels_of(canvas, *_at(angle, reach, depth * 1.12 + 0.02))
        brightness = np.clip((1 - depth) * 4, 0, 1) * (110 + 145 * (1 - depth))
        radii = np.maximum(1, canvas.unit * 0.016 * (1 - depth) ** 2 / np.maximum(depth, 0.25))
        for head, tail, level, radius in zip(heads, tails, brightness, radii, strict=True):
            colour = int(level)
            at = (int(head[0]), int(head[1]))
            cv2.line(sky, (int(tail[0]), int(tail[1])), at, colour // 2, max(1, int(radius)), cv2.LINE_AA, SHIFT)
            cv2.circle(sky, at, int(radius * 2**SHIFT), colour, -1, cv2.LINE_AA, SHIFT)
        return canvas.paint(sky)


def _at(angle: Field, reach: Field, depth: Field) -> tuple[Field, Field]:
    away = reach * 0.35 / np.maximum(depth, 0.03)
    return away * np.cos(angle), away * np.sin(angle)


class Particles:
    """A swarm that circles with tails, drawn together and apart."""

    COUNT, TAIL = 160, 7

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas = canvas
        random = canvas.rng
        self._speeds = random.uniform(0.35, 1.1, (4, self.COUNT, 1)) * random.choice([-1, 1], (4, self.COUNT, 1))
        self._starts = random.uniform(0, TAU, (4, self.COUNT, 1))
        self._reach = random.uniform(0.25, 0.75, (self.COUNT, 1))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        cv2 = opencv()
        dark = canvas.buffers[0]
        dark.fill(6)
        moments = time - np.linspace(0.28, 0.0, self.TAIL)
        a, b, c, d = (speed * moments + start for speed, start in zip(self._speeds, self._starts, strict=True))
        breath = 0.85 + 0.15 * math.sin(0.7 * time)
        x = breath * (self._reach * np.cos(a) + 0.35 * np.cos(b))
        y = breath * (self._reach * np.sin(c) + 0.35 * np.sin(d))
        paths = pixels_of(canvas, x, y)
        thin = max(1, round(canvas.unit * 0.012))
        cv2.polylines(dark, list(paths), False, 110, thin, cv2.LINE_AA, SHIFT)
        cv2.polylines(dark, list(paths[:, -3:]), False, 190, thin * 2, cv2.LINE_AA, SHIFT)
        for x_at, y_at in paths[:, -1].tolist():
            cv2.circle(dark, (x_at, y_at), int(canvas.unit * 0.018 * 2**SHIFT), 255, -1, cv2.LINE_AA, SHIFT)
        return canvas.paint(dark)


class Bubbles:
    """Bubbles of many sizes that rise and sway."""

    COUNT = 26

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas = canvas
        self._numbers = np.arange(self.COUNT, dtype=np.float64) + canvas.rng.uniform(0, 1000)
        self._starts = canvas.rng.uniform(0, 1, self.COUNT)

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        cv2 = opencv()
        water = canvas.buffers[0]
        water.fill(10)
        wide, high = canvas.width / 2 / canvas.unit, canvas.height / 2 / canvas.unit
        risen = self._starts + time * (0.05 + 0.09 * spread(self._numbers, 3.0))
        lives = np.floor(risen)
        size = 0.07 + 0.2 * spread(self._numbers + lives * 0.37, 4.0) ** 2
        x = wide * 1.1 * (2 * spread(self._numbers + lives * 0.73, 5.0) - 1)
        x = x + 0.08 * np.sin(1.7 * time + self._numbers)
        y = (high + size) * (1 - 2 * (risen - lives))
        bright = pixels_of(canvas, x - size * 0.35, y - size * 0.35)
        for at, spot, radius in zip(pixels_of(canvas, x, y).tolist(), bright.tolist(), size, strict=True):
            wide_px = int(radius * canvas.unit * 2**SHIFT)
            rim = max(1, round(canvas.unit * 0.02))
            cv2.circle(water, at, wide_px, 70, -1, cv2.LINE_AA, SHIFT)
            cv2.circle(water, at, wide_px, 190, rim, cv2.LINE_AA, SHIFT)
            cv2.circle(water, spot, wide_px // 4, 255, -1, cv2.LINE_AA, SHIFT)
        return canvas.paint(water)


class Spirograph:
    """A curve of wheels within wheels, which changes its gears as it turns."""

    POINTS = 900

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas = canvas
        self._along = np.linspace(0, 12 * math.pi, self.POINTS)
        self._gears = canvas.rng.uniform(2.2, 4.2, 2)

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        cv2 = opencv()
        paper = canvas.buffers[0]
        paper.fill(0)
        for number, gear in enumerate(self._gears):
            ratio = gear + 0.9 * math.sin(0.08 * time + 2 * number)
            arm = 0.34 + 0.12 * math.sin(0.23 * time + number)
            turn = 0.3 * time * (-1) ** number
            outer = self._along + turn
            x = 0.52 * np.cos(outer) + arm * np.cos(ratio * self._along - turn)
            y = 0.52 * np.sin(outer) - arm * np.sin(ratio * self._along - turn)
            thickness = max(1, round(canvas.unit * (0.022 - 0.008 * number)))
            points = pixels_of(canvas, x, y)
            cv2.polylines(paper, [points], False, 255 - 110 * number, thickness, cv2.LINE_AA, SHIFT)
        return canvas.paint(paper)


class Wireframe:
    """A turning icosahedron of lines in a turning cube."""

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas = canvas
        golden = (1 + math.sqrt(5)) / 2
        rectangle = [(0.0, one, other * golden) for one in (-1, 1) for other in (-1, 1)]
        ico = [np.roll(corner, turn).tolist() for corner in rectangle for turn in range(3)]
        cube = [*product((-1.0, 1.0), repeat=3)]
        self._solids = [_solid(ico, 2.0, 0.62), _solid(cube, 2.0, 1.12)]
        self._speeds = canvas.rng.uniform(0.4, 0.7, 3)

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        cv2 = opencv()
        room = canvas.buffers[0]
        room.fill(0)
        for number, (corners, edges) in enumerate(self._solids):
            turned = corners @ _rotation(self._speeds * time * (-1) ** number)
            near = 1 / (2.6 - turned[:, 2])
            points = pixels_of(canvas, 1.9 * turned[:, 0] * near, 1.9 * turned[:, 1] * near).tolist()
            for one, other in edges:
                depth = float(near[one] + near[other]) / 2
                level = int(np.clip(330 * depth - 20, 60, 255))
                thickness = max(1, round(canvas.unit * 0.06 * depth))
                cv2.line(room, points[one], points[other], level, thickness, cv2.LINE_AA, SHIFT)
        return canvas.paint(room)


def _solid(corners: Sequence[Sequence[float]], edge: float, radius: float) -> tuple[Field, list[tuple[int, int]]]:
    """Return the corners [N, 3] at a radius, and the pairs of corners that are an edge apart."""
    points = np.array(corners, np.float64)
    edges = [
        (one, other)
        for one, other in combinations(range(len(points)), 2)
        if math.isclose(float(np.linalg.norm(points[one] - points[other])), edge, rel_tol=1e-6)
    ]
    return points * radius / np.linalg.norm(points[0]), edges


def _rotation(angles: Field) -> Field:
    """Return the rotation [3, 3] about the three axes in turn."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        one, other = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[[one, one, other, other], [one, other, one, other]] = (
            math.cos(angle),
            -math.sin(angle),
            math.sin(angle),
            math.cos(angle),
        )
        matrix = matrix @ turn
    return matrix


class Blobs:
    """Drops of a lava lamp that melt together and part."""

    COUNT = 8

    def __init__(self, canvas: PatternCanvas) -> None:
        radius, _ = canvas.polar(1.0)
        self._canvas = canvas
        self._falls = [shade(0.75 * np.exp(-((radius / size) ** 2))) for size in (0.3, 0.22)]
        self._starts = canvas.rng.uniform(0, 100, self.COUNT)
        self._skin = table(lambda level: np.clip((level - 0.3) * 9, 0, 1) * (0.3 + 0.7 * level) + 0.12 * level)

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        lamp = canvas.buffers[0]
        lamp.fill(0)
        for number, start in enumerate(self._starts):
            x, y = wander(time * (0.8 + 0.13 * number) + start, 0.85)
            opencv().add(lamp, canvas.window(self._falls[number % 2], x, y), dst=lamp)
        return canvas.paint(looked_up(lamp, self._skin, lamp))
