"""`MessageQueue`: MIDI messages that wait, bounded: a flood of a fader costs no more than its newest places."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from io_bridges.midi.decoding import BEND, CONTROL

MOST_EVENTS = 512
"""Notes, programs and ticks of the clock that wait. The oldest of more is dropped."""

StampedMessage = tuple[float, bytes]
"""Time in seconds on the clock of the device's process, and the bytes of one message."""


class MessageQueue:
    """Messages in the order of their arrival. Any thread may use it.

    Of the messages of one controller or pitch bend the newest is kept on either side of the middle, so that no press
    of a button that sends a controller is lost. Everything else is kept as it came.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[object, StampedMessage] = OrderedDict()
        self._events = 0
        self._number = 0
        self.superseded = 0
        """Messages replaced by a newer one of the same control."""
        self.dropped = 0
        """Events dropped because too many waited."""

    def add(self, seconds: float, message: Sequence[int]) -> None:
        """Keep a message."""
        data = bytes(message)
        with self._lock:
            key: object = _fader_key(data)
            if key is None:
                key = self._number = self._number + 1
                self._events += 1
                if self._events > MOST_EVENTS:
                    self._drop_event()
            elif self._waiting.pop(key, None) is not None:
                self.superseded += 1
            self._waiting[key] = seconds, data

    def take(self) -> list[StampedMessage]:
        """Return and forget the messages that wait."""
        if not self._waiting:
            return []
        with self._lock:
            taken = list(self._waiting.values())
            self._waiting.clear()
            self._events = 0
            return taken

    def _drop_event(self) -> None:
        oldest = next(key for key in self._waiting if isinstance(key, int))
        del self._waiting[oldest]
        self._events -= 1
        self.dropped += 1


def _fader_key(data: bytes) -> tuple[int, int, bool] | None:
    """Return the control and the side of the middle; None for a message that must not be replaced."""
    if len(data) == 3 and data[0] & 0xF0 in (CONTROL, BEND):
        number = data[1] if data[0] & 0xF0 == CONTROL else 0
        return data[0], number, data[2] >= 64
    return None
