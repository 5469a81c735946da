"""`Mailbox`: hands values from one thread to others. It keeps the newest and drops the rest."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holder of one value. `put` never waits. Readers recognise a new value by its serial number."""

    def __init__(self, wake: Callable[[], None] | None = None) -> None:
        """`wake` is called after each `put`, on the thread that puts."""
        self._condition = threading.Condition()
        self._value: T | None = None
        self._serial = 0
        self._wake = wake

    def put(self, value: T) -> None:
        """Replace the value and wake the readers that wait."""
        with self._condition:
            self._value = value
            self._serial += 1
            self._condition.notify_all()
        if self._wake is not None:
            self._wake()

    def clear(self) -> None:
        """Remove the value, which counts as a change. Wakes the readers that wait."""
        with self._condition:
            self._value = None
            self._serial += 1
            self._condition.notify_all()
        if self._wake is not None:
            self._wake()

    def peek(self) -> tuple[T | None, int]:
        """Return the value and its serial number, which is 0 before the first `put`."""
        with self._condition:
            return self._value, self._serial

    def wait_newer(self, than: int, timeout: float) -> tuple[T | None, int]:
        """Wait for a serial number above `than`, at most `timeout` seconds. Return the value and its serial number."""
        with self._condition:
            self._condition.wait_for(lambda: self._serial > than, timeout)
            return self._value, self._serial
