"""Patterns of waves over the plane: plasma, waves, grid, horizon, checker, ripples, hexagons."""

import math

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.patterns.canvas import (
    TAU,
    Field,
    PatternCanvas,
    looked_up,
    mean,
    phase,
    planes_sum,
    shade,
    shifted,
    spread,
    square,
    table,
    times,
    wave,
)


class Plasma:
    """The demo scene's plasma: slow waves whose sum runs through the colours."""

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas = canvas
        # Half the size: the waves are long, and the enlargement smooths their steps.
        self._half = canvas.half()
        self._x, self._y = self._half.coordinates()
        self._waves = [(canvas.rng.uniform(0, TAU), canvas.rng.uniform(0.35, 0.9)) for _ in range(4)]
        self._profile = table(wave)
        self._bands = table(lambda level: wave(1.5 * level))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        total, one, _, _ = self._half.buffers
        for number, (angle, pitch) in enumerate(self._waves):
            turned = angle + 0.13 * time * (number - 1.5)
            bend = 0.2 * np.sin(self._y * 2.3 + np.float32((0.7 * time + number) % TAU))
            across = self._x * np.float32(pitch * math.cos(turned)) + np.float32((0.17 * time * (1 + number)) % 1)
            planes_sum(across, self._y * np.float32(pitch * math.sin(turned)) + bend.astype(np.float32), one)
            looked_up(one, self._profile, one)
            mean(total, one, 1 / (number + 1), total)
        canvas = self._canvas
        enlarged = canvas.enlarged(total, canvas.buffers[0])
        return canvas.paint(looked_up(enlarged, self._bands, enlarged))


class Waves:
    """Layers of a sea that roll past each other, the nearest in front."""

    LAYERS = 7

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas = canvas
        self._lengths = canvas.rng.uniform(0.35, 0.8, self.LAYERS)
        self._starts = canvas.rng.uniform(0, 1, self.LAYERS)
        self._columns = np.linspace(0, canvas.width, 65)

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        cv2 = opencv()
        sea = canvas.buffers[0]
        sea.fill(12)
        x = (self._columns - canvas.width / 2) / canvas.unit
        for layer in range(self.LAYERS):
            near = layer / (self.LAYERS - 1)
            cycles = self._lengths[layer] * x + self._starts[layer] + time * (0.12 + 0.2 * near) * (-1) ** layer
            swell = np.sin(TAU * cycles) + 0.35 * np.sin(TAU * (2.1 * cycles + 0.21 * time))
            top = -0.8 + 1.6 * near + 0.06 * math.sin(0.9 * time + layer) + (0.07 + 0.07 * near) * swell
            crest = np.stack([self._columns, canvas.height / 2 + top * canvas.height / 2], axis=-1)
            floor = np.array([[canvas.width, canvas.height], [0, canvas.height]])
            outline = (np.concatenate([crest, floor]) * 16).astype(np.int32)
            cv2.fillPoly(sea, [outline], int(40 + 150 * near), cv2.LINE_AA, 4)
            thickness = max(1, round(canvas.unit * 0.025))
            cv2.polylines(sea, [outline[:-2]], False, min(255, int(120 + 150 * near)), thickness, cv2.LINE_AA, 4)
        return canvas.paint(sea)


class Grid:
    """Crossing lines on a cloth that swings."""

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas = canvas
        self._x, self._y = canvas.coordinates()
        self._pitch = np.float32(canvas.rng.uniform(2.2, 3.0))
        self._line = table(lambda cycles: np.maximum(wave(cycles, 14), 0.1))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        across, down, _, _ = canvas.buffers
        for along, other, speed, out in ((self._x, self._y, 0.5, across), (self._y, self._x, 0.37, down)):
            bend = 0.45 * np.sin(other * 2.1 + np.float32(1.3 * time % TAU))
            bend += 0.15 * np.sin(other * 4.7 - np.float32(time % TAU))
            line = along * self._pitch + np.float32(speed * time % 1)
            looked_up(planes_sum(line.astype(np.float32), bend.astype(np.float32), out), self._line, out)
        return canvas.paint(np.maximum(across, down, out=across))


class Horizon:
    """A floor of lines that runs under a striped sun."""

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas = canvas
        x, y = canvas.coordinates()
        height = y - np.float32(0.1)
        depth = np.float32(0.6) / np.maximum(height, 0.04)
        self._depth = phase(depth)
        self._rails = shade(wave(x * depth * np.float32(1.1), 10) * np.clip(height * 6, 0, 1))
        self._fade = shade(np.broadcast_to(np.clip(height * 5, 0, 1), self._rails.shape))
        disc = np.hypot(x, height + np.float32(0.32))
        self._sun = shade(np.clip((0.5 - disc) * canvas.unit, 0, 1) * (height < 0) * np.clip(0.62 - height * 0.6, 0, 1))
        self._sky = shade(np.broadcast_to(np.clip(0.3 + height * 0.25, 0.03, 0.3) * (height < 0), self._rails.shape))
        self._stripes = height[:, 0] * 5
        self._line = table(lambda cycles: wave(cycles, 8))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        floor, other, _, _ = canvas.buffers
        rungs = shifted(self._depth[:, :1], 0.8 * time + 0.5 * math.sin(0.33 * time), floor[:, :1])
        np.copyto(other, np.asarray(opencv().LUT(rungs, self._line)).reshape(-1, 1))
        times(other, self._fade, floor)
        np.maximum(floor, self._rails, out=floor)
        gaps = square((self._stripes - (0.41 * time) % 1).astype(np.float32), 0.2) * 255
        np.copyto(other, np.where(self._stripes > -1.6, gaps, 255).astype(np.uint8)[:, np.newaxis])
        times(self._sun, other, other)
        np.maximum(floor, other, out=floor)
        return canvas.paint(np.maximum(floor, self._sky, out=floor))


class Checker:
    """A turning board whose squares grow and split without end."""

    def __init__(self, canvas: PatternCanvas) -> None:
        self._canvas = canvas
        self._x, self._y = canvas.coordinates()
        self._tiles = table(lambda cycles: square(cycles, 0.03))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        part = (0.3 * time) % 1.0
        board, finer, one, other = canvas.buffers
        self._board(time, 1.1 * 2.0**-part, board, one)
        self._board(time, 2.2 * 2.0**-part, finer, other)
        return canvas.paint(mean(board, finer, part * part * (3 - 2 * part), one))

    def _board(self, time: float, pitch: float, out: np.ndarray, spare: np.ndarray) -> None:
        """Write squares of ``0.5/pitch`` a side into `out`, turned by the time."""
        turn = 0.25 * time
        along, aside = np.float32(pitch * math.cos(turn)), np.float32(pitch * math.sin(turn))
        looked_up(planes_sum(self._x * along, self._y * aside, out), self._tiles, out)
        looked_up(planes_sum(-self._x * aside, self._y * along, spare), self._tiles, spare)
        opencv().absdiff(out, spare, dst=out)


class Ripples:
    """Circles that run out from drops on dark water, fade, and cross each other."""

    DROPS = 5
    LIFE = 3.2
    """Seconds from one drop to the next at another place."""
    SPEED = 0.55
    """Units that a circle grows in a second."""
    FARTHEST = 4.0

    def __init__(self, canvas: PatternCanvas) -> None:
        radius, _ = canvas.polar(1.0)
        self._canvas = canvas
        self._distance = shade(radius / self.FARTHEST)
        self._away = np.linspace(0, self.FARTHEST, 256, dtype=np.float32)
        self._start = canvas.rng.uniform(0, 1000)
        self._pitch = np.float32(canvas.rng.uniform(3.4, 4.4))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        water, one, _, _ = canvas.buffers
        water.fill(16)
        for drop in range(self.DROPS):
            lived = time / self.LIFE + drop / self.DROPS
            age, number = lived % 1, math.floor(lived) * self.DROPS + drop + self._start
            x, y = (2 * spread(np.array([number]), np.array([6.0, 7.0])) - 1).tolist()
            behind = self._away - np.float32(self.SPEED * self.LIFE * age)
            circles = wave(behind * self._pitch, 2) * np.exp(-((behind + 0.3) ** 2) * 7)
            looked_up(canvas.window(self._distance, x, y), shade(circles * (1.4 - 1.4 * age) * min(1, 9 * age)), one)
            opencv().add(water, one, dst=water)
        return canvas.paint(water)


class Hexagons:
    """A honeycomb whose cells light up and go out in turn."""

    def __init__(self, canvas: PatternCanvas) -> None:
        x, y = (axis * np.float32(canvas.rng.uniform(2.2, 3.0)) for axis in canvas.coordinates())
        high = np.float32(math.sqrt(3))
        one = x - np.round(x), y - np.round(y / high) * high
        other = x - np.floor(x) - np.float32(0.5), y - (np.floor(y / high) + np.float32(0.5)) * high
        first = one[0] ** 2 + one[1] ** 2 < other[0] ** 2 + other[1] ** 2
        across, down = (np.where(first, a, b) for a, b in zip(one, other, strict=True))
        column, row = x - across, y - down  # the middle of each cell
        far = np.maximum(np.abs(across), 0.5 * np.abs(across) + high / 2 * np.abs(down))
        self._canvas = canvas
        hashed: Field = np.sin(np.round(2 * column) * np.float32(12.99) + np.round(row * 2) * np.float32(7.23)) * 43.7
        self._cells = phase(hashed + (column + row) * np.float32(0.12)), phase(hashed * 1.7 - row * np.float32(0.1))
        self._rims = shade((0.48 - far) * 14)
        self._profile = table(lambda cycles: 0.1 + 0.9 * np.clip(wave(cycles, 2) * 1.5, 0, 1))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        one, other, _, _ = canvas.buffers
        for cells, speed, out in zip(self._cells, (0.31, 0.31 / math.sqrt(3)), (one, other), strict=True):
            looked_up(shifted(cells, speed * time, out), self._profile, out)
        return canvas.paint(times(mean(one, other, 0.5, one), self._rims, one))
