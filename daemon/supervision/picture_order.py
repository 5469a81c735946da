"""`PictureOrder`: keeps the pictures of several renderers in order. One that comes too late is dropped and counted.

Nothing waits for an earlier picture: that would add its delay to every picture, and the output shows the newest at each
tick in any case.
"""

from daemon.link.renderer_report import RendererReport
from daemon.shared.clock import NS, Clock
from presets.build import Build

PATIENCE = 2 * NS
"""Nanoseconds without a picture after which one is shown that honours older parameters than the last one."""


class PictureOrder:
    """Order of the pictures on air. The link's thread calls `takes`; any thread may read `late`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._build: Build | None = None
        self._turn = 0
        self._revision = -1
        self._taken_at = 0
        self.late = 0
        """Pictures that came after one of a later turn."""

    def takes(self, report: RendererReport, revision: int) -> bool:
        """Return True if the last picture of a renderer is to be shown.

        It is not if a picture of the same build with a later turn was taken. Nor is it if it honours older parameters
        than the last one: one renderer may still be encoding a prompt that another has encoded, and the output would
        flicker between the two.

        Args:
            report: The renderer, whose last picture this is.
            revision: Revision of the parameters that the picture honours in full.
        """
        now, turn = self._clock.now(), report.deliveries.turn
        if report.build == self._build:
            falls_back = revision < self._revision and now - self._taken_at < PATIENCE
            if turn <= self._turn or falls_back:
                report.late += 1
                self.late += 1
                return False
        self._build, self._turn, self._revision, self._taken_at = report.build, turn, revision, now
        return True
