"""Patterns around a centre: tunnel, rings, spiral, rays, mandala, kaleidoscope."""

import math

import numpy as np

from io_bridges.frames import Pixels
from io_bridges.lazy_imports import opencv
from io_bridges.patterns.canvas import (
    TAU,
    PatternCanvas,
    looked_up,
    mean,
    phase,
    planes_sum,
    shade,
    shifted,
    square,
    table,
    times,
    wave,
)

ROAM = 0.35
"""Distance from the middle that a centre may wander to."""


def wander(time: float, reach: float = ROAM) -> tuple[float, float]:
    """Return the place of a centre that wanders without ever repeating its way."""
    return reach * math.sin(time * 0.37), reach * 0.8 * math.sin(time * 0.29 * math.sqrt(2) + 1)


class Tunnel:
    """A flight through a chequered tube whose end is dark."""

    def __init__(self, canvas: PatternCanvas) -> None:
        radius, turns = canvas.polar(ROAM)
        depth = 0.75 / np.maximum(radius, 0.04)
        self._canvas = canvas
        self._depth = phase(depth)
        self._walls = phase(turns * int(canvas.rng.integers(3, 7)) + depth * canvas.rng.uniform(-0.3, 0.3))
        self._fog = shade((radius - 0.07) * 1.6)
        self._tiles = table(square)

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas, centre = self._canvas, wander(time)
        rings, walls, _, _ = canvas.buffers
        shifted(canvas.window(self._depth, *centre), time * 0.9, rings)
        shifted(canvas.window(self._walls, *centre), time * 0.13, walls)
        looked_up(rings, self._tiles, rings)
        looked_up(walls, self._tiles, walls)
        tiles = np.maximum(opencv().absdiff(rings, walls, dst=rings), 60, out=rings)
        return canvas.paint(times(tiles, canvas.window(self._fog, *centre), rings))


class Rings:
    """Circles that leave a wandering centre."""

    def __init__(self, canvas: PatternCanvas) -> None:
        radius, _ = canvas.polar(ROAM)
        self._canvas = canvas
        self._circles = phase(radius * np.float32(canvas.rng.uniform(2.2, 3.2)))
        self._profile = table(lambda cycles: wave(cycles, 2.5))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        circles = shifted(canvas.window(self._circles, *wander(time)), -0.6 * time, canvas.buffers[0])
        return canvas.paint(looked_up(circles, self._profile, circles))


class Spiral:
    """Arms that turn and wind into the centre."""

    def __init__(self, canvas: PatternCanvas) -> None:
        radius, turns = canvas.polar(ROAM)
        winding = np.log(np.maximum(radius, 0.02)) * canvas.rng.uniform(0.7, 1.1) * canvas.rng.choice([-1, 1])
        self._canvas = canvas
        self._arms = phase(turns * int(canvas.rng.integers(2, 5)) + winding.astype(np.float32))
        self._middle = shade(radius * 5)
        self._profile = table(lambda cycles: wave(cycles, 1.6))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas, centre = self._canvas, wander(time)
        arms = shifted(canvas.window(self._arms, *centre), 0.5 * time, canvas.buffers[0])
        looked_up(arms, self._profile, arms)
        return canvas.paint(times(arms, canvas.window(self._middle, *centre), arms))


class Rays:
    """Beams from a glowing point, turning against each other."""

    def __init__(self, canvas: PatternCanvas) -> None:
        radius, turns = canvas.polar(ROAM)
        count = int(canvas.rng.integers(7, 11))
        self._canvas = canvas
        self._beams = phase(turns * count), phase(turns * (count - 3))
        self._fall = shade(1.1 - 0.5 * radius)
        self._glow = shade(1.3 * np.exp(-((radius * 4) ** 2)))
        self._profile = table(lambda cycles: wave(cycles, 1.4))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas, centre = self._canvas, wander(time)
        one, other, _, _ = canvas.buffers
        for beams, out, speed in zip(self._beams, (one, other), (0.45, -0.31), strict=True):
            looked_up(shifted(canvas.window(beams, *centre), speed * time, out), self._profile, out)
        np.maximum(one, other, out=one)
        times(one, canvas.window(self._fall, *centre), one)
        return canvas.paint(np.maximum(one, canvas.window(self._glow, *centre), out=one))


class Mandala:
    """Rings of petals that open from the centre, each between those of the last."""

    def __init__(self, canvas: PatternCanvas) -> None:
        radius, turns = canvas.polar()
        petals = int(canvas.rng.integers(6, 10))
        lobes = np.abs(np.cos(turns * np.float32(TAU * petals / 2)))
        turned = np.abs(np.sin(turns * np.float32(TAU * petals / 2)))
        # A cycle is two rings: one of petals, one of the petals between them.
        self._reach = tuple(
            phase(np.sqrt(radius) * np.float32(1.9) / (np.float32(0.6) + np.float32(0.4) * each))
            for each in (lobes, turned)
        )
        self._lobes = tuple(shade(np.float32(0.25) + np.float32(0.75) * each) for each in (lobes, turned))
        self._canvas = canvas
        even = table(lambda cycles: np.clip(1 - 2 * cycles, 0, 1) ** np.float32(0.8))
        self._profiles = even, np.roll(even, 128)

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        canvas = self._canvas
        one, other, _, _ = canvas.buffers
        opened = 0.25 * time + 0.2 * math.sin(0.41 * time)
        for number, out in enumerate((one, other)):
            looked_up(shifted(self._reach[number], -opened, out), self._profiles[number], out)
            times(out, self._lobes[number], out)
        return canvas.paint(np.maximum(one, other, out=one))


class Kaleidoscope:
    """Crossing waves in one wedge, mirrored around the centre."""

    SIDE = 256
    """Side in pixels of the wedge's own picture, which holds four units."""

    def __init__(self, canvas: PatternCanvas) -> None:
        radius, turns = canvas.polar()
        wedge = np.float32(0.5 / int(canvas.rng.integers(3, 6)))
        folded = np.abs(turns % (2 * wedge) - wedge) * np.float32(TAU)
        scale = np.float32(self.SIDE / 4)
        self._maps = opencv().convertMaps(
            radius * np.cos(folded) * scale + self.SIDE / 2,
            radius * np.sin(folded) * scale + self.SIDE / 2,
            opencv().CV_16SC2,
        )
        self._canvas = canvas
        self._inside = PatternCanvas(self.SIDE, self.SIDE, 0)
        self._waves = [(canvas.rng.uniform(0, TAU), canvas.rng.uniform(1.2, 2.6)) for _ in range(3)]
        self._profile = table(lambda cycles: wave(cycles, 0.8))
        self._facets = table(lambda level: square(2.5 * level, 0.12) * (0.35 + 0.65 * level))

    def draw(self, time: float) -> Pixels:
        """Return the picture at a time in seconds."""
        x, y = self._inside.coordinates()
        total, one, _, _ = self._inside.buffers
        for number, (angle, pitch) in enumerate(self._waves):
            turned = angle + 0.11 * time * (1 + number)
            planes_sum(
                x * np.float32(pitch * math.cos(turned)) + np.float32(0.3 * time % 1),
                y * np.float32(pitch * math.sin(turned)),
                one,
            )
            looked_up(one, self._profile, one)
            mean(total, one, 1 / (number + 1), total)
        looked_up(total, self._facets, total)
        canvas = self._canvas
        cv2 = opencv()
        out = cv2.remap(total, *self._maps, cv2.INTER_LINEAR, dst=canvas.buffers[0], borderMode=cv2.BORDER_REFLECT_101)
        return canvas.paint(out)
