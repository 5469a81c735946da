"""`BridgeThread`, on which a bridge lives. A bridge that fails is opened again.

Nothing can interrupt a native call. A bridge whose call exceeds its time budget is abandoned with its thread, counted,
and replaced by a new one, as is a thread that crashed. `trouble` reports both; `BridgeSet` does the rest.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from daemon.shared.clock import NS, Clock
from daemon.stage.metrics import Rate
from presets.errors import BridgeError

log = logging.getLogger("stage.bridges")

FIRST_BACK_OFF = 0.5
"""Seconds before the first new attempt to open a bridge. Each further wait is twice as long."""

LONGEST_BACK_OFF = 5.0
"""Longest wait between two attempts, in seconds."""

LONGEST_PAUSE = 8.0
"""Longest pause before a thread that crashed is replaced, in seconds. The first crash costs none."""

WELL = 30.0
"""Seconds after which a thread that crashes counts as one that worked."""


class BridgeThread(threading.Thread, ABC):
    """Life of a bridge: open it, use it until it is stopped or fails, close it, wait, open it again."""

    def __init__(self, name: str, uri: str, clock: Clock, budget: float) -> None:
        super().__init__(name=f"{name} {uri}", daemon=True)
        self.uri = uri
        self.clock = clock
        self.failures = 0
        self.failure = ""
        self.is_open = False
        self.crashes = 0
        """Crashes in a row of the threads before this one."""
        self.rate = Rate()
        self._started_at = self._ended_at = 0
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
        if self._has_crashed:
            return "its thread crashed"
        return ""

    @property
    def pause(self) -> float:
        """Seconds that are left until a thread that crashed may be replaced. They double with each crash in a row."""
        if not self._has_crashed or not self.crashes or self._has_worked:
            return 0.0
        whole = min(FIRST_BACK_OFF * float(2 ** min(self.crashes - 1, 10)), LONGEST_PAUSE)
        return max(0.0, whole - (self.clock.now() - self._ended_at) / NS)

    def succeed(self, former: "BridgeThread") -> None:
        """Take over the number of crashes from the thread that this one replaces, which has crashed or hangs."""
        if not former.is_alive():
            self.crashes = 1 if former._has_worked else former.crashes + 1

    @property
    def _has_worked(self) -> bool:
        """True for a thread that ended after it had lived for long."""
        return self._ended_at - self._started_at > WELL * NS

    @property
    def _has_crashed(self) -> bool:
        return self.ident is not None and not self.is_alive() and not self._stopping.is_set()

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
            "failure": self.failure or self._trouble_told(),
        }

    def _trouble_told(self) -> str:
        """Return the trouble as a sentence for the performer; empty without any."""
        trouble, pause = self.trouble, self.pause
        return f"{trouble}; it is opened again in {pause:.0f} s" if pause >= 0.5 else trouble

    def run(self) -> None:
        """Open, use and close the bridge until stopped."""
        self._started_at = self.clock.now()
        try:
            self._live()
        finally:
            self._ended_at = self.clock.now()

    def _live(self) -> None:
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


def join_all(threads: Iterable[BridgeThread], seconds: float) -> None:
    """Wait until all threads have ended, at most so many seconds in all."""
    until = time.monotonic() + seconds
    for thread in threads:
        if thread.is_alive():
            thread.join(max(until - time.monotonic(), 0.0))
