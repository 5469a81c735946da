"""`Throttle`: the time when the next frame may begin, on a device that other programs use too.

It keeps a cap on frames per second, set by the performer, and a share of the time that the device is busy, set by the
show. The player rests before it asks for a frame, so that it gets the newest.
"""

from collections.abc import Callable

from daemon.shared.clock import NS, Clock

LONGEST_REST = NS // 5
"""Nanoseconds without a report. One that is silent for much longer than a call takes is replaced by its understudy."""


class Throttle:
    """The pacing of one player, on its thread."""

    def __init__(self, clock: Clock, share: float = 1.0) -> None:
        """`share` is the share of the time that the device may be busy, above 0; 1 is all of it."""
        self._clock = clock
        self._share = share
        self._rested_at = 0
        """Time when the device has rested long enough."""
        self._due = 0
        """Time when the cap allows the next frame."""
        self._busy_since = 0

    def rest(self, capped: bool, alive: Callable[[], None]) -> None:
        """Sleep until the next frame may begin. `capped` is True if there is a cap. `alive` is called in long rests."""
        until = max(self._rested_at, self._due) if capped else self._rested_at
        while until - (now := self._clock.now()) > LONGEST_REST:
            self._clock.sleep_until(now + LONGEST_REST)
            alive()
        if until > now:
            self._clock.sleep_until(until)

    def begins(self, most_a_second: int) -> None:
        """Begin a frame; 0 is no cap. An unused part of the cap is not made up for."""
        if most_a_second > 0:
            self._due = max(self._due, self._clock.now()) + NS // most_a_second

    def busy(self) -> None:
        """Mark the start of the device's work."""
        self._busy_since = self._clock.now()

    def idle(self) -> None:
        """Mark its end. Time spent waiting for a frame counts as rest."""
        worked = self._clock.now() - self._busy_since
        if self._share < 1:
            self._rested_at = max(self._rested_at, self._busy_since) + round(worked / self._share)
