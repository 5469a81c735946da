"""`LateSource`: a source that is made when it is opened, on the thread that opens it."""

from collections.abc import Callable

from io_bridges.bridges import Source
from io_bridges.frames import Frame
from io_bridges.uri import make_source
from presets.errors import BridgeError, BridgeUnavailable, SettingsError


class LateSource:
    """The source that a URI names. Its native library is loaded by `open`, which may take seconds.

    A source that can't run here fails when it is opened, so it can be tried again.
    """

    def __init__(self, uri: str, keep_alpha: bool = False, check: Callable[[], None] = lambda: None) -> None:
        """Take a URI that is valid. With `keep_alpha` its frames have their alpha, unless the URI says otherwise.

        `check` is called before the source is made, and may raise `SettingsError`.
        """
        self._check = check
        self._uri = uri
        self._keep_alpha = keep_alpha
        self._source: Source | None = None

    def open(self) -> None:
        """Make the source and open it. Raises `BridgeError`."""
        if self._source is None:
            try:
                self._check()
                self._source = make_source(self._uri, self._keep_alpha)
            except SettingsError as error:
                raise BridgeUnavailable(str(error)) from error
        self._source.open()

    def read(self, timeout: float) -> Frame | None:
        """Read from the source. Raises `BridgeError`."""
        if self._source is None:
            raise BridgeError(f"{self._uri} was read before it was open")
        return self._source.read(timeout)

    def close(self) -> None:
        """Close the source."""
        if self._source is not None:
            self._source.close()

    def status(self) -> dict[str, object]:
        """Return the status of the source; empty before it was made."""
        return {} if self._source is None else self._source.status()
