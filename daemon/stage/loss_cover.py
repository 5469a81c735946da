"""`LossCover`: fades the output to black, to the safe picture or to text-to-image while the source is lost."""

from collections.abc import Callable

from daemon.stage.newest_frame import LossPolicy
from io_bridges import pixels
from io_bridges.frames import RenderedFrame

PATIENCE = 1.0
"""Longest wait in seconds for a picture of the returned source. After it the cover fades out anyway."""

EXPECTED = 5.0
"""Seconds after a loss or a return in which a change between source and text-to-image is cross-faded."""


class LossCover:
    """Covers the output of a show. The thread of the output clock alone calls `show`."""

    def __init__(self, fps: float, policy: Callable[[], LossPolicy]) -> None:
        """`policy` returns what the show does at this moment; ``hold`` covers nothing."""
        self.fps = fps
        """Ticks a second."""
        self._policy = policy
        self._before: LossPolicy = "hold"
        self._cover: LossPolicy = "hold"
        self._stale = -1
        """Index of the picture that was on air when frames returned."""
        self._patience = 0
        self._dark = 0.0
        self._slate = 0.0
        self._expected = 0
        self._last: RenderedFrame | None = None
        self._leaving: RenderedFrame | None = None
        self._share = 1.0
        self._mixed: tuple[RenderedFrame, RenderedFrame, float, RenderedFrame] | None = None

    def show(
        self, frame: RenderedFrame, safe: RenderedFrame, seconds: float, moves: bool
    ) -> tuple[RenderedFrame, float]:
        """Return the picture of a tick and its light, from 0 (black) to 1 (as it is).

        Args:
            frame: The picture that would be on air.
            safe: The safe picture.
            seconds: Time that a passage takes.
            moves: False holds every passage, for a frozen output.
        """
        if moves:
            self._advance(frame, 1.0 if seconds <= 0 else 1.0 / max(seconds * self.fps, 1.0))
        shown = frame
        if self._leaving is not None:
            shown = self._mix(self._leaving, frame, self._share)
        if self._slate > 0:
            shown = safe if self._slate >= 1 else self._mix(shown, safe, self._slate)
        return shown, 1.0 - self._dark

    def _advance(self, frame: RenderedFrame, step: float) -> None:
        policy = self._policy()
        if policy != self._before:
            if policy == "hold":
                self._stale, self._patience = frame.index, round(PATIENCE * self.fps)
            if "text" in (policy, self._before):
                self._expected = round(EXPECTED * self.fps)
            self._before = policy
        self._patience -= 1
        if policy != "hold" or frame.index != self._stale or self._patience < 0:
            self._cover = policy
        self._dark = _stepped(self._dark, self._cover == "fade", step)
        self._slate = _stepped(self._slate, self._cover == "slate", step)
        self._cross_over(frame, step)

    def _cross_over(self, frame: RenderedFrame, step: float) -> None:
        """Cross-fade between the last picture of the source and the first one of text-to-image, both ways."""
        last, self._last = self._last, frame
        self._expected -= 1
        is_other = last is not None and (last.source_index < 0) != (frame.source_index < 0)
        if is_other and self._expected > 0 and step < 1:
            self._leaving, self._share, self._expected = last, 0.0, 0
        self._share = min(self._share + step, 1.0)
        if self._share >= 1:
            self._leaving = None

    def _mix(self, one: RenderedFrame, other: RenderedFrame, share: float) -> RenderedFrame:
        """Return a mix of two pictures. The last mix is reused if nothing has changed."""
        made = self._mixed
        if made is not None and made[0] is one and made[1] is other and made[2] == share:
            return made[3]
        first, second = one.host_pixels(), other.host_pixels()
        if first.shape != second.shape:
            first = pixels.scale(first, second.shape[1], second.shape[0])
        stamps = one if share < 0.5 else other
        picture = pixels.mix(first, second, share)
        mixed = RenderedFrame(picture, stamps.index, stamps.source_index, 0, stamps.revision)
        self._mixed = one, other, share, mixed
        return mixed


def _stepped(level: float, up: bool, step: float) -> float:
    return min(level + step, 1.0) if up else max(level - step, 0.0)
