"""A show on a clock that the test sets: surfaces, beats, morphs, and the recorder and player of controls."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from hand_clock import HandClock

from daemon.link.resolved_frame import ResolvedFrame
from daemon.shared.clock import NS
from daemon.stage.control_transport import ControlTransport
from daemon.stage.cue_show import CueShow
from daemon.stage.morph_clock import MorphClock
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.recorded_show import RecordedShow
from daemon.stage.tempo_clock import MovingParameters, TempoClock
from io_bridges.show_control import ControlReply
from presets.control_file import RecordedControls, read_controls
from presets.frame_parameters import FrameParameters
from presets.library import Library
from presets.parameters import Parameters
from presets.set_list import Cue

HAND = "osc:127.0.0.1:50123"
RATE = 32
"""Ticks a second, whose times are exact as floats at any start."""

Message = tuple[float, str, Sequence[object]]
"""Seconds since the start, address and arguments of a message that a surface sends."""


class Moment(NamedTuple):
    """Values of one tick: a picture's parameters, with morphs, LFOs and drift, and those of the output."""

    frame: FrameParameters
    output: Parameters


class Rehearsal:
    """A show without pictures. Timers fire as the clock is set on."""

    def __init__(self, library: Library, cues: Sequence[Cue] = (), age: int = 0) -> None:
        """`age` is its age in seconds at its first tick."""
        self.clock = HandClock()
        self._timers: dict[int, tuple[int, Callable[[], None]]] = {}
        self._count = 0
        self.store = ParameterStore(library, tempo=TempoClock(self.clock))
        self.clock.time += age * NS
        self.transport = ControlTransport(self.store, self.clock, self.timer)
        self.transport.quantised.beside = self.let_be
        self.show = RecordedShow(CueShow(self.transport.quantised, cues, self.timer), self.transport)
        self.morphs = MorphClock(self.store, self.clock)
        self._output = MovingParameters(self.store, self.store.tempo.time)
        self.replies: list[ControlReply] = []

    def let_be(self, work: Callable[[], None]) -> None:
        """Announce no texts, which are no part of a recording."""

    def timer(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        self._count = number = self._count + 1
        self._timers[number] = self.clock.time + round(seconds * NS), call
        return lambda: self._timers.pop(number, None) and None

    def send(self, address: str, *arguments: object) -> ControlReply:
        # Without a later reply the store waits for a save, which has its instant because the clock stands still.
        later = None if address in ("/save", "/undo_save") else self.replies.append
        reply = self.show.apply(address, arguments, HAND, later)
        assert reply.accepted, reply
        return reply

    def play(self, ticks: int, messages: Iterable[Message] = ()) -> list[Moment]:
        """Return what each tick has, from now on. A message is sent at its time, before a tick of the same instant."""
        start, waiting, moments = self.clock.time, sorted(messages, key=lambda each: each[0]), []
        for number in range(ticks):
            moment = start + number * NS // RATE
            while waiting and start + round(waiting[0][0] * NS) <= moment:
                seconds, address, arguments = waiting.pop(0)
                self._go_to(start + round(seconds * NS))
                self.send(address, *arguments)
            self._go_to(moment)
            self.transport.player.catch_up()
            frame = ResolvedFrame.decode(self.morphs.resolved_frame()[1]).parameters
            moments.append(Moment(frame, self._output()))
        self._go_to(start + ticks * NS // RATE)
        return moments

    def record(self, path: Path) -> None:
        self.transport.recorder.record_now(path)

    def recorded(self) -> RecordedControls:
        """End the recording and return it as it is read."""
        assert self.transport.recorder.end(60.0)
        state = self.transport.recorder.state
        assert (state.failure, state.dropped) == ("", 0)
        return read_controls(Path(state.path))

    def _go_to(self, moment: int) -> None:
        while due := [(at, number) for number, (at, _) in self._timers.items() if at <= moment]:
            at, number = min(due)
            self.clock.time = max(self.clock.time, at)
            self._timers.pop(number)[1]()
        self.clock.time = moment
