"""`SourceFinder`: searches for sources on a thread of its own, so that no surface and no tick waits for it."""

import threading
from collections.abc import Callable, Sequence

from daemon.doctor.source_search import SearchResult, search_sources
from io_bridges.show_control import FoundSources

Found = Callable[[FoundSources], None]

MOST_WAITING = 64
"""Requests that wait for one search. Any more get what the last search found."""


class SourceFinder:
    """One search at a time, whose outcome goes to everybody who asked meanwhile. Any thread may ask."""

    def __init__(self, search: Callable[[], Sequence[SearchResult]] = search_sources) -> None:
        """`search` takes up to half a minute."""
        self._search = search
        self._lock = threading.Lock()
        self._waiting: list[Found] = []
        self._is_searching = False
        self._last = FoundSources((), {})

    def find(self, found: Found) -> None:
        """Search, or wait for the search that runs. `found` gets the outcome on another thread."""
        with self._lock:
            is_full = len(self._waiting) >= MOST_WAITING
            if not is_full:
                self._waiting.append(found)
            starts, self._is_searching = not self._is_searching, True
        if is_full:
            found(self._last)
        if starts:
            threading.Thread(target=self._run, name="source-search", daemon=True).start()

    def _run(self) -> None:
        results: Sequence[SearchResult] = ()
        try:
            results = self._search()
        finally:
            with self._lock:
                uris = tuple(uri for result in results for uri in result.uris)
                self._last = FoundSources(uris, {each.scheme: each.failure for each in results if each.failure})
                waiting, self._waiting = self._waiting, []
                self._is_searching = False
            for found in waiting:
                found(self._last)
