"""`LateSink`: a sink that is made when it is opened, on the thread that opens it."""

from collections.abc import Callable

from io_bridges.bridges import Sink
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.uri import make_sink
from presets.errors import BridgeError, BridgeUnavailable, SettingsError


class LateSink:
    """The sink that a URI names. Its native library is loaded by `open`, which may take seconds.

    A sink that can't run here fails when it is opened.
    """

    def __init__(self, uri: str, check: Callable[[], None] = lambda: None) -> None:
        """Take a URI that is valid. `check` is called before the sink is made, and may raise `SettingsError`."""
        self._uri = uri
        self._check = check
        self._sink: Sink | None = None

    def open(self, width: int, height: int, fps: float) -> None:
        """Make the sink and open it. Raises `BridgeError`."""
        if self._sink is None:
            try:
                self._check()
                self._sink = make_sink(self._uri)
            except SettingsError as error:
                raise BridgeUnavailable(str(error)) from error
        self._sink.open(width, height, fps)

    def write(self, frame: RenderedFrame, tick: Tick) -> None:
        """Write to the sink. Raises `BridgeError`."""
        if self._sink is None:
            raise BridgeError(f"{self._uri} was written to before it was open")
        self._sink.write(frame, tick)

    def close(self) -> None:
        """Close the sink."""
        if self._sink is not None:
            self._sink.close()

    def status(self) -> dict[str, object]:
        """Return the status of the sink; empty before it was made."""
        return {} if self._sink is None else self._sink.status()
