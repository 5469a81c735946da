"""`NewestFrame`: the newest frame of the source on air, the time since it came, and the policy for a lost source."""

from collections.abc import Callable, Mapping
from typing import Literal

from daemon.shared.clock import NS, Clock
from daemon.shared.mailbox import Mailbox
from daemon.stage.metrics import LEAST_SILENCE, Rate
from io_bridges.frames import Frame
from presets.parameters import Parameters

LossPolicy = Literal["hold", "fade", "text", "slate"]

_MEANWHILE: Mapping[LossPolicy, str] = {
    "hold": "holding the last picture",
    "fade": "the output is black",
    "text": "drawing from the prompt alone",
    "slate": "showing the safe picture",
}


class NewestFrame(Mailbox[Frame]):
    """Mailbox of the newest frame. It outlives the source threads, which are replaced if they hang."""

    def __init__(
        self, clock: Clock, parameters: Callable[[], Parameters], wake: Callable[[], None] | None = None
    ) -> None:
        """`wake` is called after each change, on the thread that makes it."""
        super().__init__(wake)
        self._clock = clock
        self._parameters = parameters
        self._came = Rate()
        self._since = clock.now()

    def put(self, value: Frame) -> None:
        """Take a frame that the source on air gives."""
        self._came.mark(self._clock.now())
        super().put(value)

    def replace(self, value: Frame) -> None:
        """Take another version of the last frame, which does not count as one that came."""
        super().put(value)

    def expect(self, nothing: bool) -> None:
        """Wait for the frames of another source. The last frame is held, unless `nothing` will come."""
        self._came, self._since = Rate(), self._clock.now()
        if nothing:
            self.clear()

    def silence(self, least: float = LEAST_SILENCE) -> float:
        """Return the seconds since the last frame if they are more than `least`, and many for this source; 0 otherwise.

        It is 0 before the first frame of all: then nothing is missing.
        """
        came, now = self._came, self._clock.now()
        if came.total or self.peek()[0] is None:
            return came.silence(now, least)
        since = (now - self._since) / NS
        return since if since > least else 0.0

    def policy(self) -> LossPolicy:
        """Return what the show does now: ``hold`` until the source counts as lost, then as ``lost`` says."""
        parameters = self._parameters()
        if parameters.lost == "hold" or parameters.mode == "text" or not self.silence(parameters.lost_after):
            return "hold"
        return parameters.lost

    def interruption(self) -> float:
        """Return the seconds since the last frame if they matter to the performer; 0 otherwise."""
        least = LEAST_SILENCE if self.policy() == "hold" else min(LEAST_SILENCE, self._parameters().lost_after)
        return self.silence(least)

    @property
    def meanwhile(self) -> str:
        """Phrase for the performer: the picture on air while the source is silent."""
        return _MEANWHILE[self.policy()]
