"""A clock that tests turn by hand."""


class HandClock:
    """Sleeping moves it to the moment slept until, or further by what `late` holds for that sleep."""

    def __init__(self) -> None:
        self.time = 1_000_000_000
        self.late: dict[int, int] = {}
        self.sleeps = 0

    def now(self) -> int:
        return self.time

    def sleep_until(self, moment: int) -> None:
        self.time = max(self.time, moment) + self.late.get(self.sleeps, 0)
        self.sleeps += 1
