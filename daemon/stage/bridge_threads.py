"""`BridgeThread`, on which a bridge lives. A bridge that fails is opened again.

Nothing can interrupt a native call. A bridge whose call exceeds its time budget is abandoned with its thread, counted,
and replaced by a new one, as is a thread that crashed. `trouble` reports both; `BridgeSet` does the rest.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from daemon.shared.clock import NS, Clock
from daemon.stage.metrics import Rate
from presets.errors import BridgeError

log = logging.getLogger("stage.bridges")

FIRST_BACK_OFF = 0.5
"""Seconds before the first new attempt to open a bridge. Each further wait is twice as long."""

LONGEST_BACK_OFF = 5.0
"""Longest wait between two attempts, in seconds."""


class BridgeThread(threading.Thread, ABC):
    """Life of a bridge: open it, use it until it is stopped or fails, close it, wait, open it again."""

    def __init__(self, name: str, uri: str, clock: Clock, budget: float) -> None:
        super().__init__(name=f"{name} {uri}", daemon=True)
        self.uri = uri
        self.clock = clock
        self.failures = 0
        self.failure = ""
        self.is_open = False
        self.rate = Rate()
        self._budget = round(budget * NS)
        self._called_at: int | None = None
        self._stopping = threading.Event()
        self._tried = threading.Event()
        self._first_failure: BridgeError | None = None

    def wait_until_open(self, timeout: float) -> None:
        """Wait for the first attempt to open, and raise its error. A bridge that takes longer may open later."""
        self._tried.wait(timeout)
        if self._first_failure is not None:
            self.stop()
            raise self._first_failure

    def wait_for_attempt(self, timeout: float) -> None:
        """Wait for the first attempt to open, whatever its outcome."""
        self._tried.wait(timeout)

    @property
    def was_tried(self) -> bool:
        """True after the first attempt to open the bridge."""
        return self._tried.is_set()

    def stop(self) -> None:
        """Make the thread end after its current call."""
        self._stopping.set()

    @property
    def trouble(self) -> str:
        """Reason why the thread must be replaced; empty if it is well."""
        called_at = self._called_at
        if called_at is not None and self.clock.now() - called_at > self._budget:
            return "a call into it does not return"
        if self.ident is not None and not self.is_alive() and not self._stopping.is_set():
            return "its thread crashed"
        return ""

    @property
    def place(self) -> str:
        """Address of the bridge, with the port that the system chose for it."""
        opened = str(self.status().get("address", ""))
        return self.uri if opened in self.uri else f"{self.uri} ({opened})"

    def status(self) -> dict[str, Any]:
        """Return address, rate, counters and the last failure, ready for JSON."""
        return {
            "uri": self.uri,
            "open": self.is_open,
            "fps": round(self.rate.per_second(self.clock.now()), 2),
            "pictures": self.rate.total,
            "failures": self.failures,
            "failure": self.failure,
        }

    def run(self) -> None:
        """Open, use and close the bridge until stopped."""
        back_off, logged = FIRST_BACK_OFF, ""
        while not self._stopping.is_set():
            try:
                self._timed(self._open)
                self.is_open = True
                self.failure = ""
                self._tried.set()
                while not self._stopping.is_set():
                    if self._use():
                        back_off, logged = FIRST_BACK_OFF, ""
            except BridgeError as error:
                self.failures += 1
                self.failure = str(error)
                if not self._tried.is_set():
                    # `wait_until_open` raises it. If nobody waits any more, the next attempt is logged below.
                    self._first_failure = error
                    self._tried.set()
                elif self.failure != logged:
                    log.warning("%s: %s", self.uri, error)
                    logged = self.failure
            finally:
                self.is_open = False
                self._timed(self._close)
            self._stopping.wait(back_off)
            back_off = min(back_off * 2, LONGEST_BACK_OFF)

    def _timed(self, call: Callable[[], Any]) -> Any:
        self._called_at = self.clock.now()
        try:
            return call()
        finally:
            self._called_at = None

    @abstractmethod
    def _open(self) -> None:
        """Open the bridge."""

    @abstractmethod
    def _use(self) -> bool:
        """Read or write one frame. Return False if there was none."""

    @abstractmethod
    def _close(self) -> None:
        """Close the bridge."""
