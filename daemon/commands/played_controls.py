"""`PlayedControls`: recorded controls for ``render``, with the times of a clip's pictures in place of a clock.

A message acts from the first picture on that is not before it. Store, morphs and player are those of a show.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

from daemon.link.resolved_frame import ResolvedFrame
from daemon.shared.clock import NS
from daemon.stage.control_player import ControlPlayer
from daemon.stage.morph_clock import MorphClock
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.tempo_clock import MovingParameters, TempoClock
from io_bridges.framing import Framing, framing_of
from io_bridges.output_grade import BlackoutFade, OutputGrade, output_grade
from presets.control_file import RecordedControls
from presets.frame_parameters import FrameParameters
from presets.library import Library
from presets.movement import SILENCE, Heard
from presets.parameter_table import Value

Hear = Callable[[float], tuple[Heard, float]]
"""Returns the sound at a time in seconds, and the seconds since its last onset."""


def silence(seconds: float) -> tuple[Heard, float]:
    """Return what is heard where there is no sound."""
    return SILENCE, math.inf


class PlayedPicture(NamedTuple):
    """Everything that the controls say of one picture."""

    frame: FrameParameters
    framing: Framing
    grade: OutputGrade
    is_frozen: bool
    """True if the output before it stays."""


class PictureClock:
    """The time of one picture of a clip, in nanoseconds since its first one."""

    def __init__(self, fps: Fraction) -> None:
        self._fps = fps
        self.number = 0

    def now(self) -> int:
        """Return the time of the picture, rounded down."""
        return int(self.number * NS / self._fps)

    def sleep_until(self, moment: int) -> None:
        """Raise, because no picture waits."""
        raise RuntimeError(f"nothing waits for {moment} while a clip is rendered")


class PlayedControls:
    """One recording, without its changes of model, size, source and sinks: a clip has one of each."""

    def __init__(self, controls: RecordedControls, library: Library, values: Mapping[str, Value]) -> None:
        """`values` by address are those of the first picture. Model and size are theirs throughout."""
        self._controls, self.left_out = controls.without_rig()
        self._library = library
        self._values = values

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self._controls.length / NS

    def texts(self) -> list[str]:
        """Return every text that is drawn at some time, each once."""
        found = [self._controls.start.values, *(message.values for message in self._controls.messages)]
        for message in self._controls.messages:
            if message.address == "/prompt":
                found += [{"/prompt/1/text": text} for text in message.arguments[0::2]]
            elif message.arguments:
                found.append({message.address: message.arguments[0]})
        texts = (str(value) for values in found for address, value in values.items() if _is_text(address))
        return list(dict.fromkeys(texts))

    def pictures(self, fps: Fraction, hear: Hear = silence) -> Iterator[PlayedPicture]:
        """Yield what holds at each picture of a clip with so many a second, without end.

        `hear` returns the sound at a time of the clip.
        """
        clock = PictureClock(fps)
        store = ParameterStore(self._library, self._values, tempo=TempoClock(clock))
        tempo = store.tempo
        tempo.heard, tempo.since_onset = lambda: hear(clock.now() / NS)[0], lambda: hear(clock.now() / NS)[1]
        player, morphs = ControlPlayer(store, clock), MorphClock(store, clock)
        moving, fade = MovingParameters(store, store.tempo.time), BlackoutFade()
        player.play(self._controls)
        revisions = store.standing().panic_revision
        while True:
            player.catch_up()
            standing, parameters = store.standing(), moving()
            is_panic, revisions = standing.panic_revision != revisions, standing.panic_revision
            light = fade.step(parameters.blackout, 0.0 if is_panic else parameters.fade, float(fps))
            yield PlayedPicture(
                ResolvedFrame.decode(morphs.resolved_frame()[1]).parameters,
                framing_of(parameters),
                output_grade(parameters, light),
                parameters.freeze,
            )
            clock.number += 1


def _is_text(address: str) -> bool:
    return address == "/negative_prompt" or (address.startswith("/prompt/") and address.endswith("/text"))
