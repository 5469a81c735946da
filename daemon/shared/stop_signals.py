"""Signals that ask a process to end, as an event that its threads wait for."""

import queue
import signal
import threading
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what service managers, ``make`` and ``timeout`` send. One stop may bring several of them at once."""


def stop_on_signals() -> threading.Event:
    """Handle `STOP_SIGNALS` from now on, and return the event that the first one sets. Call it on the main thread.

    The handler only puts into a `queue.SimpleQueue`, which is documented as reentrant. ``Event.set`` is not: a signal
    that comes while the main thread is inside the event, or inside the handler of another one, would wait for a lock
    that its own thread holds, and the process would never end.
    """
    stop = threading.Event()
    asked: queue.SimpleQueue[int] = queue.SimpleQueue()

    def on_signal(number: int, frame: FrameType | None) -> None:
        asked.put(number)

    def wait_for_a_signal() -> None:
        asked.get()
        stop.set()

    threading.Thread(target=wait_for_a_signal, name="stop-signals", daemon=True).start()
    for number in STOP_SIGNALS:
        signal.signal(number, on_signal)
    return stop
