"""`WakeupSocket`: a word from any thread to one that waits on its sockets."""

import contextlib
import socket


class WakeupSocket:
    """A pair of joined sockets: one end is polled beside a bridge's own socket, the other makes it readable.

    Waking again before the waiting thread has looked costs nothing. Works with select, selectors and zmq.Poller on
    every platform, which a pipe does not.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._called = False

    def fileno(self) -> int:
        """The file descriptor to poll; -1 once closed."""
        return self._reader.fileno()

    def call(self) -> None:
        """Make the waiting thread look; from any thread, returns at once, does nothing once closed."""
        if not self._called:
            self._called = True
            try:
                self._writer.send(b"!")
            except OSError:  # full, and so readable already; or closed, and nobody waits
                return

    def clear(self) -> None:
        """Take the calls so far, before looking for what they were about."""
        # The flag falls last: who calls in between is not sent a byte, and is seen by the look that follows.
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(4096)
        self._called = False

    def close(self) -> None:
        """Give both ends back; may be called twice."""
        self._reader.close()
        self._writer.close()
