"""`Player`: the loop of a renderer. It asks the stage, decides what is drawn, steps and delivers.

Pacing: as a stream, a frame is admitted before each network call and comes out as many calls later as it has rows. With
`low_latency` no frame is admitted while one is in flight. With a `frame_buffer` of m, m frames are admitted together.
Where the device is shared, or the rate is capped, the player rests before it asks (see `Throttle`).
"""

import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from daemon.link.client import LinkClient
from daemon.link.messages import FrameStamps, NetworkCall
from daemon.renderer.prompt_encoder import PromptEncoder
from daemon.renderer.text_encoder_memory import TextEncoderMemory, TextEncoderUse
from daemon.renderer.throttle import Throttle
from daemon.shared.clock import Clock, SystemClock
from pipeline.similar_frame_filter import SimilarFrameFilter
from presets.build import TextEncoderRule
from presets.frame_parameters import FrameParameters, PromptMixture
from presets.parameters import Parameters
from presets.vocabulary import Vocabulary

IDLE_PATIENCE = 0.1
"""Seconds the stage may hold an answer while nothing is in flight, which is how often an idle renderer reports that it
lives. A source slower than this does not fill a frame buffer."""


class FinishedFrame(Protocol):
    """A finished frame of a stream."""

    @property
    def pixels(self) -> NDArray[np.uint8]: ...
    @property
    def ticket(self) -> object: ...


class TextEncoderWork(TextEncoderUse, Protocol):
    """The part of `pipeline.conditioning.TextEncoderState` that the loop uses."""

    @property
    def loading(self) -> str: ...


class PlayableStream(Protocol):
    """The part of `pipeline.image_stream.ImageStream` that the loop uses."""

    width: int
    height: int

    @property
    def in_flight(self) -> int: ...
    @property
    def free(self) -> int: ...
    @property
    def description(self) -> dict[str, str]: ...
    @property
    def vocabulary(self) -> Vocabulary | None: ...
    @property
    def refused(self) -> str: ...
    @property
    def text_encoder(self) -> TextEncoderWork: ...
    def free_text_encoder(self) -> None: ...
    def encode(self, wording: PromptMixture) -> Any: ...
    def recall(self, wording: PromptMixture) -> Any: ...
    def admit(
        self, pixels: NDArray[np.uint8] | None, moment: FrameParameters, conditioning: Any, ticket: object
    ) -> None: ...
    def step(self) -> Sequence[FinishedFrame]: ...


class Tuner(Protocol):
    """The part of `pipeline.engine_tuner.EngineTuner` that the loop uses."""

    @property
    def done(self) -> bool: ...
    def advance(self) -> bool: ...


class Player:
    """The loop of one stream and one stage."""

    def __init__(
        self,
        connection: LinkClient,
        stream: PlayableStream,
        share: float = 1.0,
        clock: Clock | None = None,
        tuner: Tuner | None = None,
        text_encoder: TextEncoderRule = "auto",
    ) -> None:
        """
        Args:
            connection: The link to the stage.
            stream: The stream to play.
            share: Share of the time that the device may be busy, above 0.
            clock: The clock of the throttle, and of the text encoder's idle time.
            tuner: A measurement of the stream's engines, which may exchange them after a network call.
            text_encoder: What becomes of a large text encoder once its texts are encoded.
        """
        clock = clock or SystemClock()
        self._pace = Throttle(clock, share)
        self._memory = TextEncoderMemory(text_encoder, clock)
        self._connection = connection
        self._stream = stream
        self._tuner = tuner
        self._words = PromptEncoder(stream.encode, stream.recall)
        self._still = SimilarFrameFilter(stream.width, stream.height)
        self._parameters = Parameters()
        self._pixels: NDArray[np.uint8] | None = None
        self._source_index = -1
        self._fresh = False
        self._lively = False
        """True while a repeated source gives another frame: feedback, a morph, drift."""
        self._admitted = 0
        self._look: object = None
        self._told = ("", "", "")
        """Refused image, refused prompt and loading text encoder, as the stage knows them."""
        self._awaited = ""
        """Work that the first picture waits for, as the stage knows it."""
        self._seconds = 0.0

    def run(self) -> None:
        """Play until the process ends."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Admit the frames that are due, then make one network call for all frames in flight."""
        taken = 0
        if self._has_room(taken):
            self._pace.rest(self._parameters.max_rate > 0, self._report_alive)
        else:
            self._report_alive()
        while self._has_room(taken) and self._take(self._patience(taken)):
            taken += 1
        if self._stream.in_flight:
            self._step()
            self._tune()

    def _report_alive(self) -> None:
        self._connection.progress("playing", "", 1.0)

    def _has_room(self, taken: int) -> bool:
        """Return True if this turn can admit another frame, by the parameters of the last answer."""
        if self._parameters.low_latency and self._stream.in_flight > taken:
            return False
        return taken < self._parameters.frame_buffer and self._stream.free > 0

    def _patience(self, taken: int) -> float:
        """Return the seconds to wait for the next source frame."""
        if self._lively and not self._fresh:
            return 0.0  # the output moves by itself, and the source is still or slower than this
        if taken:
            return IDLE_PATIENCE
        # With frames in flight a short wait for a fresh one pays: a step with an empty slot costs nearly as much as a
        # full one. Past half a step it does not, and the frames in flight would only grow old.
        return min(self._seconds / 2, IDLE_PATIENCE) if self._stream.in_flight or self._lively else IDLE_PATIENCE

    def _take(self, patience: float) -> bool:
        """Ask once and admit the frame that comes. Return True if there was one to draw."""
        answer = self._connection.ask(self._stream.width, self._stream.height, patience)
        parameters = self._parameters = answer.moment.parameters
        self._lively = parameters.feedback > 0 or answer.moving
        self._words.want(answer.moment.wording, answer.revision)
        # A revision older than the finished prompt is honoured, however many newer prompts are being encoded.
        conditioning, honoured, current = self._words.newest(self._report_first_prompt)
        self._watch_text_encoder()
        self._fresh = answer.pixels is not None and answer.is_new
        if answer.pixels is not None:
            self._pixels, self._source_index = answer.pixels, answer.source_index
        pixels = None if parameters.mode == "text" else self._pixels
        look = (answer.revision, answer.number, current)
        if not self._is_due(pixels, parameters, look):
            return False
        # A repeated source frame is no measure of the delay, nor is a frame drawn from text alone.
        captured_at = answer.captured_at if self._fresh and pixels is not None else 0
        source_index, number = -1 if pixels is None else self._source_index, self._admitted + 1
        stamps = FrameStamps(source_index, captured_at, honoured, number, answer.given_at, answer.turn)
        self._pace.begins(parameters.max_rate)
        self._pace.busy()  # the source is encoded
        self._stream.admit(pixels, answer.moment, conditioning, stamps)
        self._pace.idle()
        self._admitted += 1
        self._still.record_admitted(pixels, look)
        self._look = look
        return True

    def _watch_text_encoder(self) -> None:
        """Tell the stage what the text encoder does and refuses, and free its memory when that is due."""
        state = self._stream.text_encoder
        if (self._stream.refused, self._words.refused, state.loading) != self._told:
            self._describe()
        if self._memory.is_due(state):
            self._words.run_beside(self._stream.free_text_encoder)

    def _report_first_prompt(self) -> None:
        """Tell the stage why there is no picture yet. A text encoder that hangs says nothing more."""
        text = self._stream.text_encoder.loading or "encoding the first prompt"
        if text != self._awaited:
            self._awaited = text
            self._connection.progress("loading", text, 0.99)

    def _is_due(self, pixels: NDArray[np.uint8] | None, parameters: Parameters, look: object) -> bool:
        """Return True if the frame would differ from the last one by more than the performer wants skipped."""
        if pixels is None or parameters.feedback > 0 or look != self._look:
            return True
        return self._fresh and not self._still.should_skip(pixels, parameters, look)

    def _step(self) -> None:
        in_flight = self._stream.in_flight
        began = time.perf_counter()
        self._pace.busy()
        finished = self._stream.step()
        self._pace.idle()
        self._seconds = time.perf_counter() - began
        pacing = "low latency" if self._parameters.low_latency else "stream"
        call = NetworkCall(self._seconds, in_flight, len(finished), pacing)
        for place, frame in enumerate(finished):
            if isinstance(frame.ticket, FrameStamps):
                self._connection.deliver(frame.pixels, frame.ticket, call, place)

    def _tune(self) -> None:
        """Give the measurement its turn, and tell the stage when it has exchanged the engines or is done."""
        if self._tuner is None:
            return
        if self._tuner.advance():
            self._describe()
        if self._tuner.done:
            self._tuner = None

    def _describe(self) -> None:
        """Tell the stage how the stream plays, what it can't read, and what it waits for."""
        self._told = self._stream.refused, self._words.refused, self._stream.text_encoder.loading
        names = "refused", "refused_words", "loading"
        said = {name: sentence for name, sentence in zip(names, self._told, strict=True) if sentence}
        self._connection.describe(self._stream.description | said, self._stream.vocabulary)
