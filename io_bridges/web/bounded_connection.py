"""`BoundedConnection`: uvicorn's HTTP/1.1, so that sockets which say nothing can't use up the program's files.

Without files left, no renderer could be started, and accepting would fail and be logged thousands of times a second.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 128
"""Open at once, WebSockets among them; what comes on top is cut off."""

PATIENCE = 15.0
"""Seconds that a connection has to send its first request whole."""


class BoundedConnection(H11Protocol):
    """One connection; `connections` is the set of all of them, uvicorn's own."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Turn it away where there are too many, else give it its time."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self.loop.call_later(PATIENCE, self._end_if_silent)

    def _end_if_silent(self) -> None:
        # One that became a WebSocket has left the set; its pings are its own watch.
        if self.cycle is None and self in self.connections:
            self.transport.abort()
