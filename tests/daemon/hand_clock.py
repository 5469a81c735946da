"""A clock that tests set by hand."""


class HandClock:
    """Clock that `sleep_until` sets to that moment, plus the delay that `late` has for this sleep."""

    def __init__(self) -> None:
        self.time = 1_000_000_000
        self.late: dict[int, int] = {}
        self.sleeps = 0

    def now(self) -> int:
        return self.time

    def sleep_until(self, moment: int) -> None:
        self.time = max(self.time, moment) + self.late.get(self.sleeps, 0)
        self.sleeps += 1
