"""Signals that ask a process to end, as an event that its threads wait for."""

import atexit
import signal
import socket
import threading
from collections.abc import Callable

STOP_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP
)
"""Ctrl-C, what service managers, ``make`` and ``timeout`` send, and what a closed terminal or a lost SSH session does.

One stop may bring several of them at once.
"""

KEEP_IGNORED = tuple(getattr(signal, name) for name in ("SIGHUP",) if hasattr(signal, name))
"""Signals that stay ignored if they are at the start: ``nohup`` wants the show to outlive its terminal."""


def stop_on_signals(goes_on: Callable[[], bool] = lambda: False) -> threading.Event:
    """Handle `STOP_SIGNALS` from now on, and return the event that the first one sets. Call it on the main thread.

    `goes_on` is called for each Ctrl-C, on another thread, and returns True to leave the event as it is.

    Python calls a handler on the main thread, between two of its instructions. A main thread that is about to sleep on
    a lock, or is inside a long call, may not come to it before the next signal. Therefore a thread reads the number of
    the signal from the wake-up socket, to which the system's own handler writes at once.
    """
    stop = threading.Event()
    receiver, sender = socket.socketpair()
    sender.setblocking(False)  # a full socket must not stop the process in a handler

    def read_signals() -> None:
        while number := receiver.recv(1):  # to the end: nobody else reads what the next signals write
            if number[0] in STOP_SIGNALS and not (number[0] == signal.SIGINT and goes_on()):
                stop.set()

    threading.Thread(target=read_signals, name="stop-signals", daemon=True).start()
    signal.set_wakeup_fd(sender.detach(), warn_on_full_buffer=False)
    for number in STOP_SIGNALS:
        if number in KEEP_IGNORED and signal.getsignal(number) is signal.SIG_IGN:
            continue
        signal.signal(number, lambda number, frame: None)
    # The interpreter's end brings the system's own handlers back: one more Ctrl-C would end in an error status.
    atexit.register(_ignore_signals)
    return stop


def _ignore_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
