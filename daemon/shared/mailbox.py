"""`Mailbox`: a hand-over between threads that keeps the newest and drops the rest."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A place for one value. Putting never waits; each put has a serial number, so that readers know what is new."""

    def __init__(self, wake: Callable[[], None] | None = None) -> None:
        self._condition = threading.Condition()
        self._value: T | None = None
        self._serial = 0
        self._wake = wake

    def put(self, value: T) -> None:
        """Replace what is there and wake who waits."""
        with self._condition:
            self._value = value
            self._serial += 1
            self._condition.notify_all()
        if self._wake is not None:
            self._wake()

    def peek(self) -> tuple[T | None, int]:
        """What is there, and its serial number: 0 while nothing was ever put."""
        with self._condition:
            return self._value, self._serial

    def wait_newer(self, than: int, timeout: float) -> tuple[T | None, int]:
        """What is there once its serial number is above `than`, or after `timeout` seconds whatever is there."""
        with self._condition:
            self._condition.wait_for(lambda: self._serial > than, timeout)
            return self._value, self._serial
