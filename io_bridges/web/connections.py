"""`BoundedConnection` and `QuietWebSocket`: uvicorn's connections, with limits and without tracebacks from clients.

Each connection takes a file descriptor. Without free ones no renderer can start, and every failed `accept` is logged.
"""

import asyncio
import socket

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from io_bridges.peer_guard import most_connections

MOST_CONNECTIONS = 128
"""Open connections, WebSockets included. Further ones are aborted, and earlier where few files may be open."""

REQUEST_TIMEOUT = 15.0
"""Seconds for a connection to send a whole request, with its body, from its first byte on.

The first request of a connection counts from the connection's beginning.
"""

INVALID_TEXT = 1007
"""WebSocket close code for a text message that is not UTF-8 (RFC 6455, 7.4.1)."""


class BoundedConnection(H11Protocol):
    """An HTTP/1.1 connection. `connections` is uvicorn's set of all open ones, `cycle` the request in progress.

    A byte now and then keeps none open: each request has one deadline.
    """

    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # uvicorn leaves None out
    _stopping = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        """Abort the connection if too many are open, otherwise start the timeout of its first request."""
        super().connection_made(transport)
        # asyncio sets it for sockets made with a protocol, which `socket.create_server` leaves out. Without it each
        # answer waits 40 ms for the client's delayed acknowledgement of its own head.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > most_connections(MOST_CONNECTIONS):
            transport.abort()
        else:
            self._start_deadline()

    def data_received(self, data: bytes) -> None:
        """Take data. The deadline of a request ends with its last byte."""
        self._start_deadline()
        super().data_received(data)
        if self.transport.get_protocol() is not self or not self._is_unfinished():
            self._end_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline with the connection."""
        self._end_deadline()
        super().connection_lost(exc)

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

    def _is_unfinished(self) -> bool:
        """Return True in the middle of a request: of its head, or of a body, which may be answered already."""
        state = self.conn.their_state
        return state is h11.SEND_BODY or (state is h11.IDLE and bool(self.conn.trailing_data[0]))

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_TIMEOUT, self.transport.abort)

    def _end_deadline(self) -> None:
        # A connection that became a WebSocket has none; its pings find out if it is alive.
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


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
