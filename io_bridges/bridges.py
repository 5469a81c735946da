"""The protocols a bridge speaks. Each is opened, used and closed on one thread: GL contexts are bound to theirs.

A bridge that can't run here raises `BridgeUnavailable` from `open` (or when it is made); one that fails later raises
`BridgeError`, is counted, and is opened again by the stage with back-off.
"""

from typing import Protocol

from io_bridges.frames import Frame, RenderedFrame, Tick
from io_bridges.show_control import ShowControl


class Source(Protocol):
    """Where pictures come from."""

    def open(self) -> None:
        """Take ports, devices and files. Raises `BridgeError`."""

    def read(self, timeout: float) -> Frame | None:
        """The newest picture, waiting at most `timeout` seconds for one; None if none came."""

    def close(self) -> None:
        """Give everything back; never raises, may be called twice."""

    def status(self) -> dict[str, object]:
        """Counters and a word on what it hears, JSON-able; called from any thread."""


class Sink(Protocol):
    """Where pictures go."""

    def open(self, width: int, height: int, fps: float) -> None:
        """Take ports and devices for pictures of this size in pixels at this rate in Hz. Raises `BridgeError`."""

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Publish one picture of the size it was opened with. Never waits for a reader."""

    def close(self) -> None:
        """Give everything back; never raises, may be called twice."""

    def status(self) -> dict[str, object]:
        """Counters, JSON-able; called from any thread."""


class Control(Protocol):
    """Where parameters come from, and where their changes are told."""

    def open(self, desk: ShowControl) -> None:
        """Bind. Raises `BridgeError` that names the port if it is taken."""

    def serve(self) -> None:
        """Answer messages until `stop` is called. No message can make it raise."""

    def stop(self) -> None:
        """Make `serve` return soon; called from any thread."""

    def close(self) -> None:
        """Give everything back; never raises, may be called twice."""

    def status(self) -> dict[str, object]:
        """Counters, JSON-able; called from any thread."""
