"""The protocols that every bridge implements: `Source`, `Sink` and `Control`.

To add a source or a sink:

1. Write a class with the four methods of `Source` or `Sink` in a module of its own. It need not inherit from them.
   Its constructor takes the part of the URI after the scheme, then each option as a keyword argument:
   ``def __init__(self, location: str, every: int = 1) -> None``.
   It opens nothing; `open` does.
2. Add a row to `io_bridges.schemes.SOURCES` or `io_bridges.sink_schemes.SINKS`. It declares the scheme, the class and
   the options. The command line, its refusals, ``doctor`` and a test of every row follow from it.
3. If what a source can open can be listed, write a function ``available() -> list[str]`` that returns the URIs, made
   with `io_bridges.scheme.write_uri`. Name it in the row's `finder`, and ``streamflow-live sources`` calls it, in a
   process of its own.
4. Test the class alone, as tests/io_bridges/test_png_folder.py does.

The stage calls `open`, `read` or `write`, and `close` on one thread, because GL contexts are bound to theirs. `status`
is called from any thread. A bridge that cannot run on this machine raises `BridgeUnavailable` from its constructor or
from `open`. A bridge that fails later raises `BridgeError`: the stage counts it, closes the bridge, and opens it again
with back-off.

Each bridge has a thread and a newest-only mailbox of its own, so a slow one costs only itself. A call that takes longer
than five seconds is abandoned, and the bridge is opened again on another thread.
"""

from typing import Protocol

from io_bridges.frames import Frame, RenderedFrame, Tick
from io_bridges.show_control import ShowControl


class Source(Protocol):
    """A way for frames to come in."""

    def open(self) -> None:
        """Take ports, devices and files. Raises `BridgeError`."""

    def read(self, timeout: float) -> Frame | None:
        """Wait at most `timeout` seconds for a frame. Return the newest one, or None. Raises `BridgeError`."""

    def close(self) -> None:
        """Release everything. Never raises; may be called twice, and before `open`."""

    def status(self) -> dict[str, object]:
        """Return counters and what the source receives, as JSON values. Called from any thread, at any time.

        ``note``, if there is one, is a sentence that the performer sees while no frames come. ``declared_fps`` is the
        rate that the source says it has, None for a still picture. Without it the rate is measured where it matters.
        """


class Sink(Protocol):
    """A way for frames to go out."""

    def open(self, width: int, height: int, fps: float) -> None:
        """Take ports and devices for frames of this size in pixels at `fps` Hz. Raises `BridgeError`."""

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Publish one frame of the opened size, RGB, read-only. A wait costs this sink its ticks. Raises `BridgeError`.

        It is called at every tick of the opened rate with the newest frame. ``tick.repeated`` is True for a frame that
        was on air before.
        """

    def close(self) -> None:
        """Release everything. Never raises; may be called twice, and before `open`."""

    def status(self) -> dict[str, object]:
        """Return counters as JSON values. Called from any thread, at any time.

        ``stopped``, if it is not empty, is the reason why the sink takes no pictures until it is opened again.
        """


class Control(Protocol):
    """A way for parameters to come in and for changes to go out."""

    def open(self, show: ShowControl) -> None:
        """Bind to a port. Raises `BridgeError`, which names the port if it is taken."""

    def serve(self) -> None:
        """Answer messages until `stop` is called. No message can make it raise."""

    def stop(self) -> None:
        """Make `serve` return soon. Called from any thread."""

    def close(self) -> None:
        """Release everything. Never raises; may be called twice."""

    def status(self) -> dict[str, object]:
        """Return counters as JSON values. Called from any thread, at any time."""
