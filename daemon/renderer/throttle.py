"""`Throttle`: when the next picture may begin, on a device that others draw with too.

The cap on pictures a second is the performer's, the share of the time that the device is kept busy the show's. Both are
kept by resting before a picture is asked for, so that the one that comes then is the newest.
"""

from collections.abc import Callable

from daemon.shared.clock import NS, Clock

LONGEST_REST = NS
"""Nanoseconds without a sign of life: the stage takes a renderer that is silent for ten seconds for stuck."""


class Throttle:
    """Of one player, on its thread."""

    def __init__(self, clock: Clock, share: float = 1.0) -> None:
        """`share` is how much of the time the device may be busy, above 0; 1 is all of it."""
        self._clock = clock
        self._share = share
        self._rested_at = 0
        """When the device will have rested as long as it has to."""
        self._due = 0
        """When the cap lets another picture begin."""
        self._busy_since = 0

    def rest(self, capped: bool, alive: Callable[[], None]) -> None:
        """Sleep until another picture may begin; `capped` where there is a cap. `alive` is called in long rests."""
        until = max(self._rested_at, self._due) if capped else self._rested_at
        while until - (now := self._clock.now()) > LONGEST_REST:
            self._clock.sleep_until(now + LONGEST_REST)
            alive()
        if until > now:
            self._clock.sleep_until(until)

    def begins(self, most_a_second: int) -> None:
        """A picture begins; 0 is no cap. What was not used of the cap is not made up for."""
        if most_a_second > 0:
            self._due = max(self._due, self._clock.now()) + NS // most_a_second

    def busy(self) -> None:
        """The device begins to work."""
        self._busy_since = self._clock.now()

    def idle(self) -> None:
        """It is done. Waiting for a picture counts as rest."""
        worked = self._clock.now() - self._busy_since
        if self._share < 1:
            self._rested_at = max(self._rested_at, self._busy_since) + round(worked / self._share)
