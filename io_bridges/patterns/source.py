"""``pattern:NAME``, the source of moving patterns, whose pictures are computed from the time alone."""

import time
from typing import Protocol

from io_bridges.frames import Frame, Pixels
from io_bridges.patterns.canvas import PatternCanvas
from io_bridges.patterns.drawn import Blobs, Bubbles, Particles, Spirograph, Stars, Wireframe
from io_bridges.patterns.noisy import Aurora, Clouds, Flames
from io_bridges.patterns.planar import Checker, Grid, Hexagons, Horizon, Plasma, Ripples, Waves
from io_bridges.patterns.radial import Kaleidoscope, Mandala, Rays, Rings, Spiral, Tunnel
from io_bridges.scheme import write_uri
from io_bridges.ticker import Ticker
from presets.errors import BridgeError


class Pattern(Protocol):
    """A moving picture of one size. It has no memory: a time gives the same picture whatever was drawn before."""

    def __init__(self, canvas: PatternCanvas) -> None:
        """Compute what stays the same, with the canvas' random numbers."""

    def draw(self, time: float) -> Pixels:
        """Return RGB [H, W, 3] of its own at a time in seconds."""


PATTERNS: dict[str, type[Pattern]] = {
    "aurora": Aurora,
    "blobs": Blobs,
    "bubbles": Bubbles,
    "checker": Checker,
    "clouds": Clouds,
    "flames": Flames,
    "grid": Grid,
    "hexagons": Hexagons,
    "horizon": Horizon,
    "kaleidoscope": Kaleidoscope,
    "mandala": Mandala,
    "particles": Particles,
    "plasma": Plasma,
    "rays": Rays,
    "rings": Rings,
    "ripples": Ripples,
    "spiral": Spiral,
    "spirograph": Spirograph,
    "stars": Stars,
    "tunnel": Tunnel,
    "waves": Waves,
    "wireframe": Wireframe,
}
"""Patterns by name. The row in `io_bridges.schemes` has the same names, so that a wrong one is refused at once."""


class PatternSource:
    """A pattern at a constant rate. Its motion keeps its speed when pictures are left out."""

    def __init__(
        self,
        location: str,
        size: tuple[int, int] = (512, 512),
        fps: float = 30.0,
        speed: float = 1.0,
        seed: int = 0,
    ) -> None:
        """Set the pattern.

        Args:
            location: A name in `PATTERNS`.
            size: Width and height in pixels.
            fps: Pictures a second.
            speed: Factor of the motion; 0 stands still.
            seed: Number of the variant: its colours, counts and paths.
        """
        self._name = location
        self._size = size
        self._fps = fps
        self._speed = speed
        self._seed = seed
        self._pattern: Pattern | None = None
        self._ticker: Ticker | None = None
        self._pictures = 0
        self._last_tick = -1
        self._late = 0

    def open(self) -> None:
        """Compute what stays the same, and start the clock. The first picture is due at once."""
        self._pattern = PATTERNS[self._name](PatternCanvas(*self._size, self._seed))
        self._pictures = self._late = 0
        self._last_tick = -1
        self._ticker = Ticker(self._fps)

    def read(self, timeout: float) -> Frame | None:
        """Return the picture that is due, or None after `timeout` seconds."""
        tick = None if self._ticker is None else self._ticker.wait(timeout)
        if tick is None or self._pattern is None:
            return None
        self._late += tick - self._last_tick - 1
        self._last_tick = tick
        frame = Frame(self.picture_at(tick / self._fps), self._pictures, time.monotonic_ns())
        self._pictures += 1
        return frame

    def picture_at(self, seconds: float) -> Pixels:
        """Return the picture of a time since `open`, without waiting. Raises `BridgeError` before `open`."""
        if self._pattern is None:
            raise BridgeError(f"pattern:{self._name} is not open")
        pixels = self._pattern.draw(self._speed * seconds)
        pixels.flags.writeable = False
        return pixels

    def close(self) -> None:
        """Stop the clock and free the buffers."""
        self._ticker = self._pattern = None

    def status(self) -> dict[str, object]:
        """Return the number of pictures drawn, and of ticks skipped because nobody read in time (``late``)."""
        return {
            "source": "pattern",
            "pattern": self._name,
            "size": f"{self._size[0]}x{self._size[1]}",
            "fps": self._fps,
            "pictures": self._pictures,
            "late": self._late,
        }


def available() -> list[str]:
    """Return the URIs of all patterns."""
    return [write_uri("pattern", name) for name in PATTERNS]
