"""`FrameMixer`: makes the frame for the renderer from the newest frames of both sources."""

from collections.abc import Callable
from dataclasses import replace

from daemon.shared.clock import NS, Clock
from daemon.stage.newest_frame import NewestFrame
from daemon.stage.second_source import NewestLayer
from io_bridges.frames import Frame
from io_bridges.mixing import Mixing, PictureMixer, mixing_of
from io_bridges.pixels import scale
from presets.parameters import Parameters


class FrameMixer:
    """Mixes the newest frames when the renderer asks, so that only drawn pictures are mixed. One thread at a time."""

    def __init__(
        self, first: NewestFrame, second: NewestLayer, parameters: Callable[[], Parameters], clock: Clock
    ) -> None:
        self._clock = clock
        self._first = first
        self._second = second
        self._parameters = parameters
        self._mixer = PictureMixer(1, 1)
        self._serial = 0
        self._made_from: tuple[int, int, Mixing | None] = (0, 0, None)
        """Serial numbers of the two frames in the newest one, and how they were mixed; 0 and None without a second."""
        self._newest: Frame | None = None
        self._mixed = 0
        self._presence = 1.0
        """Share of the amount that is seen. It falls to 0 once the second source is lost, and rises when it is back."""
        self._looked_at = clock.now()

    def peek(self) -> tuple[Frame | None, int]:
        """Return the newest frame and its serial number; (None, 0) while the first source has given none.

        A frame is new when either source has a newer one, or when the mixing changes.
        """
        frame, serial = self._first.peek()
        if frame is None:
            self._newest = None
            return None, 0
        layer, layer_serial, mixing = self._layer()
        key = (serial, layer_serial, mixing)
        if self._newest is None or key != self._made_from:
            # A frame that is shown again was captured long ago and is no measure of the delay.
            stamps = ((frame, serial, self._made_from[0]), (layer, layer_serial, self._made_from[1]))
            new = (each.captured_at for each, now, before in stamps if each is not None and now != before)
            captured_at = max(new, default=0)
            if layer is None or mixing is None:
                self._newest = frame if frame.captured_at == captured_at else replace(frame, captured_at=captured_at)
            else:
                self._newest = self._mix(frame, layer, mixing, captured_at)
            self._made_from = key
            self._serial += 1
        return self._newest, self._serial

    def _layer(self) -> tuple[Frame | None, int, Mixing | None]:
        """Return the frame of the second source with its serial number and how to mix it; nothing if none is seen."""
        frame, serial = self._second.peek()
        if frame is None:
            self._presence = 1.0
            return None, 0, None
        parameters = self._parameters()
        self._fade(parameters.lost_fade)
        mixing = mixing_of(parameters)
        amount = mixing.amount * self._presence
        return (frame, serial, mixing._replace(amount=amount)) if amount > 0 else (None, 0, None)

    def _fade(self, seconds: float) -> None:
        """Move the presence of the second source for the time since the last look. A whole change takes `seconds`."""
        now, before = self._clock.now(), self._looked_at
        self._looked_at = now
        step = (now - before) / (seconds * NS) if seconds > 0 else 1.0
        self._presence = min(max(self._presence + (-step if self._second.is_lost else step), 0.0), 1.0)

    def _mix(self, frame: Frame, layer: Frame, mixing: Mixing, captured_at: int) -> Frame:
        height, width = frame.pixels.shape[:2]
        if self._mixer.size != (width, height):
            self._mixer = PictureMixer(width, height)
        over = layer.pixels
        if over.shape[:2] != (height, width):  # one source has heard of a new size before the other
            over = scale(over, width, height)
        self._mixed += 1
        return Frame(self._mixer.mix(frame.pixels, over, mixing), self._mixed, captured_at)
