"""`SourceSearch`: one search for sources on behalf of all surfaces that wait for its outcome."""

from collections.abc import Callable

from io_bridges.osc.surfaces import UdpAddress
from io_bridges.show_control import FoundSources, ShowControl

MAX_SEARCHERS = 64
"""Surfaces that wait for one search."""
MAX_LISTED = 200
"""Sources in one message. A datagram has no room for many more."""


class SourceSearch:
    """Starts a search and keeps its outcome until it is taken. All but the outcome belong to the control's thread."""

    def __init__(self, show: ShowControl, wake: Callable[[], None]) -> None:
        """Take the show to search with. `wake` is called from any thread when there is an outcome to take."""
        self._show = show
        self._wake = wake
        self._searchers: set[UdpAddress] = set()
        self._found: FoundSources | None = None

    def ask(self, sender: UdpAddress) -> None:
        """Search for a surface, or let it wait for the search that runs."""
        if len(self._searchers) < MAX_SEARCHERS:
            self._searchers.add(sender)
        if len(self._searchers) == 1:
            self._show.find_sources(self._put)

    def take(self) -> tuple[list[str], set[UdpAddress]]:
        """Return the sources that were found and the surfaces that asked; empty while a search runs."""
        found, self._found = self._found, None
        if found is None:
            return [], set()
        searchers, self._searchers = self._searchers, set()
        return [uri.encode("utf-8", "replace").decode() for uri in found.uris[:MAX_LISTED]], searchers

    def _put(self, found: FoundSources) -> None:
        self._found = found
        self._wake()
