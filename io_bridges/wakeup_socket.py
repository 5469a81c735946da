"""`WakeupSocket` wakes a thread that waits on its sockets, from any other thread."""

import contextlib
import selectors
import socket
from collections.abc import Iterable

# `select` takes no descriptor from 1,024 on, and `epoll` is one more. Windows has the first alone, for any descriptor.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)


def wait_until_readable(sockets: "Iterable[WakeupSocket | socket.socket]", seconds: float) -> bool:
    """Wait until a socket can be read, `seconds` at most. Return False if none can."""
    with _Selector() as selector:
        for each in sockets:
            selector.register(each, selectors.EVENT_READ)
        return bool(selector.select(seconds))


class WakeupSocket:
    """A pair of connected sockets: the waiting thread polls one end, `call` makes it readable.

    Calling again before the waiting thread has looked costs nothing. Unlike a pipe it works with select, selectors and
    zmq.Poller on every platform.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._called = False

    def fileno(self) -> int:
        """Return the file descriptor to poll, or -1 after `close`."""
        return self._reader.fileno()

    def call(self) -> None:
        """Wake the waiting thread. Returns at once, may be called from any thread, does nothing after `close`."""
        if not self._called:
            self._called = True
            try:
                self._writer.send(b"!")
            except OSError:  # The buffer is full, so the reader is readable already; or the socket is closed.
                return

    def clear(self) -> None:
        """Clear the calls so far. Call it before looking for the work that they announced."""
        # The flag is cleared last: a call in between sends no byte, but the caller's work is found by the look
        # that follows.
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(4096)
        self._called = False

    def close(self) -> None:
        """Close both ends. May be called twice."""
        self._reader.close()
        self._writer.close()
