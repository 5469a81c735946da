"""`BoundedConnection` and `QuietWebSocket`: uvicorn's connections, with limits and without tracebacks from clients.

Each connection takes a file descriptor. Without free ones no renderer can start, and every failed `accept` is logged.
"""

import asyncio

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_CONNECTIONS = 128
"""Open connections, WebSockets included. Further ones are aborted."""

FIRST_REQUEST_TIMEOUT = 15.0
"""Seconds for a connection to send its first request completely."""

INVALID_TEXT = 1007
"""WebSocket close code for a text message that is not UTF-8 (RFC 6455, 7.4.1)."""


class BoundedConnection(H11Protocol):
    """An HTTP/1.1 connection. `connections` is uvicorn's set of all open ones, `cycle` the request in progress."""

    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # uvicorn leaves None out
    _stopping = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        """Abort the connection if too many are open, otherwise start the timeout of its first request."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self.loop.call_later(FIRST_REQUEST_TIMEOUT, self._abort_if_silent)

    def shutdown(self) -> None:
        """End the connection when the server stops. A request that waits for its client is aborted, not awaited."""
        self._stopping = True
        if self._expects_body() or self.flow.write_paused:
            self.transport.abort()
        super().shutdown()

    def pause_writing(self) -> None:
        """Wait for a client that does not read, except when the server stops."""
        super().pause_writing()
        if self._stopping:
            self.transport.abort()

    def _expects_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete

    def _abort_if_silent(self) -> None:
        # A connection that became a WebSocket has left the set; its pings find out if it is alive.
        if (self.cycle is None or self._expects_body()) and self in self.connections:
            self.transport.abort()


class QuietWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket connection whose client can neither cause a traceback nor a flood of warnings in the log."""

    def send_receive_event_to_app(self) -> None:
        """Pass on a message. Close the connection if a text is not UTF-8; uvicorn would log the exception."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(b"".join(self.frames)):
            self.conn.send_close(INVALID_TEXT)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message. Raises `ClientDisconnected` for a lost connection, where asyncio would log each write."""
        if self.transport.is_closing():
            raise ClientDisconnected
        await super().send(message)

    def shutdown(self) -> None:
        """Send the close frame when the server stops. A client that does not read is aborted, not awaited."""
        super().shutdown()
        if not self.writable.is_set():
            self.transport.abort()


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
