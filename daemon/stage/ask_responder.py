"""`AskResponder`: the content of the answers to a renderer's asks."""

from collections.abc import Callable

from daemon.link.dealer import Sharing
from daemon.shared.clock import Clock
from daemon.stage.frame_mixer import FrameMixer
from daemon.stage.morph_clock import MorphClock
from daemon.stage.newest_frame import NewestFrame
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.processing import Processing
from daemon.stage.second_source import SecondSource
from daemon.stage.source_thread import Fitting, fitted
from io_bridges.frames import Frame
from io_bridges.framing import framing_of
from presets.parameters import Parameters

MEAN_OF = 16
"""Answers that the mean of `AskResponder.interval` is made of, about."""


class AskResponder:
    """Gives the newest source frame at the size asked for, and the parameters resolved at that moment.

    It is the `daemon.link.server.Responder` of a show. The link's thread alone calls the methods.
    """

    def __init__(
        self,
        store: ParameterStore,
        clock: Clock,
        incoming: NewestFrame,
        second: SecondSource,
        parameters: Callable[[], Parameters],
        processing: Processing,
    ) -> None:
        """`incoming` holds the newest frame of the first source, `second` that of the second.

        `parameters` returns the parameters at this moment, with moving ones at their present value. `processing` has
        the processors of the frames.
        """
        self._store, self._clock = store, clock
        self._given = 0
        """Revision of the last answer."""
        self._answered_at = 0
        self.interval = 0.0
        """Usual nanoseconds between two answers, whichever renderers they go to. Any thread may read it."""
        self._incoming = incoming
        self._parameters = parameters
        mixer = FrameMixer(incoming, second.newest, parameters, clock)
        self._frames = processing.frames(mixer, parameters, lambda: self._size)
        self._morphs = MorphClock(store, clock)
        self._size = (parameters().width, parameters().height)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that the renderer last asked for, px. Sources fit their frames to it."""
        return self._size

    @property
    def fitting(self) -> Fitting:
        """Size that the renderer last asked for, and the framing that the controls ask for."""
        return Fitting(*self._size, framing_of(self._parameters()))

    @property
    def is_moving(self) -> bool:
        """True during a morph, while the noise drifts and while an LFO moves something."""
        return self._morphs.is_moving

    @property
    def revision(self) -> int:
        """Newest revision that a waiting ask is answered for. One that is timed for a beat waits for its moment."""
        return self._given if self._clock.now() < self._store.tempo.quiet_until else self._store.wanted

    def resolved_frame(self) -> tuple[int, bytes]:
        """Return the revision and the encoded `ResolvedFrame` of the next picture. Called once for each answer."""
        now = self._clock.now()
        if self._answered_at:
            self.interval += (now - self._answered_at - self.interval) / MEAN_OF
        self._answered_at = now
        self._given, resolved = self._morphs.resolved_frame(self._has_words_alone())
        return self._given, resolved

    def newest_frame(self, width: int, height: int) -> tuple[Frame | None, int]:
        """Return the newest source frame at this size with its serial number; (None, 0) while there is none."""
        self._size = (width, height)
        frame, serial = self._frames.peek()
        return (None, 0) if frame is None else (fitted(frame, width, height), serial)

    def draws_from_text(self) -> bool:
        """Return True in text mode, while there is no source frame, and for a lost source if the performer wants it."""
        return self._parameters().mode == "text" or self._has_words_alone()

    def sharing(self) -> Sharing:
        """Return what several renderers have to keep together. Feedback needs the last picture, so one alone draws."""
        parameters = self._parameters()
        return Sharing(parameters.feedback > 0, parameters.frame_buffer, parameters.max_rate)

    def _has_words_alone(self) -> bool:
        return self._incoming.peek()[0] is None or self._incoming.policy() == "text"
