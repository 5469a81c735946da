"""`ChangeTiming`: when a change is made so that its first picture goes out on the tick nearest to a beat."""

from collections.abc import Callable
from typing import NamedTuple

from daemon.shared.clock import NS
from daemon.stage.metrics import Lead
from daemon.stage.tick_schedule import TickSchedule

IN_STEP = 0.05
"""Share of a period by which the interval of the asks may differ from it, for a picture for each tick."""


class ChangeTimes(NamedTuple):
    """Times of a change that is made for a beat, in ns."""

    made: int
    """Time from which a picture that is begun has it."""
    woken: int
    """Time at which a renderer that waits for a frame is woken for it."""


class ChangeTiming:
    """Knows the ticks of the output, and how a renderer draws. Any thread may call it.

    A picture goes out with the first tick after it has come. One that is to go out with a certain tick therefore comes
    after the tick before. A renderer that draws without a pause asks for the next picture up to a whole picture later.
    One that waits for frames of a source asks at their rate. The change is made before the ask that fits, by as much as
    after the one before it. A renderer that waits longer than that is woken for a picture in the middle between the
    ticks.

    With a picture for each tick, the asks are at one place between the ticks, which is known from the pictures on air.
    Else they may be anywhere.
    """

    def __init__(self, schedule: TickSchedule, lead: Lead) -> None:
        """`lead` is the time from the parameters of a picture to the picture on air."""
        self._schedule = schedule
        self._lead = lead
        self._drawing = Lead()
        self.interval: Callable[[], float] = lambda: 0.0
        """Returns the usual nanoseconds between two asks that are answered; the stage sets it."""
        self.delay = 0
        """Nanoseconds from the tick after a picture has come until it is seen: that of pictures between two others."""

    def arrived(self, given_at: int, now: int) -> None:
        """Take note of a picture that has come. Its parameters were given at `given_at`, in ns; 0 is not known."""
        if given_at:
            self._drawing.mark(now - given_at, now)

    def times(self, beat: int, now: int) -> ChangeTimes:
        """Return the times of a change whose first picture is to be on air at the time `beat`, in ns."""
        period, drawing = self._schedule.period, round(self._drawing.seconds(now) * NS)
        latest = self._schedule.nearest(beat) - self.delay - drawing
        interval = self.interval()
        between = min(interval, max(drawing, period))  # one that waits longer than both is woken
        waits = period / 2
        if abs(interval - period) <= IN_STEP * period:
            waits = min(max(self._lead.seconds(now) * NS - drawing, 0.0), period)
        return ChangeTimes(latest - round(waits + between / 2), latest - period // 2)
