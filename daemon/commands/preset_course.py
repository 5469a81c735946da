"""Parameters of each frame of a clip that ``render`` plays presets on, with the frame number in place of the clock.

Morphs, drift and LFOs are those of a show: what is drawn moves as in `daemon.stage.morph_clock`, sources and output as
in `daemon.stage.tempo_clock.MovingParameters`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import count

from daemon.commands.played_controls import Hear, PlayedPicture, silence
from io_bridges.framing import framing_of
from io_bridges.output_grade import output_grade
from presets.fades import STAGED, Change, Glide, MorphTime
from presets.frame_parameters import FrameParameters
from presets.morph import resolve_frame, start_morphs, update_morphs
from presets.movement import ALL, DRAWING, MovementTime, moved
from presets.parameters import Parameters


def preset_pictures(presets: Mapping[int, Parameters], fps: float, hear: Hear = silence) -> Iterator[PlayedPicture]:
    """Yield what holds at each frame, without end. Presets do not black out or freeze.

    Args:
        presets: Parameters by the number of the frame from which they hold; 0 is among them.
        fps: Frames a second of the clip.
        hear: Returns the sound at a time of the clip.
    """
    both = zip(frame_parameters(presets, fps, hear), staged_parameters(presets, fps, hear), strict=True)
    for frame, staged in both:
        yield PlayedPicture(frame, framing_of(staged), output_grade(staged, 1.0), is_frozen=False)


def frame_parameters(presets: Mapping[int, Parameters], fps: float, hear: Hear = silence) -> Iterator[FrameParameters]:
    """Yield the parameters that each frame is drawn with, without end. The arguments are as in `preset_pictures`."""
    state = start_morphs(presets[0], MorphTime(0.0))
    for number in count():
        at = MorphTime(number / fps, number)
        swung = partial(_swung, at=at, hear=hear, targets=DRAWING)
        if number in presets and number > 0:
            state = update_morphs(state, presets[number], at, Change.PRESET, swung)
        yield resolve_frame(replace(state, parameters=swung(state.parameters)), at)


def staged_parameters(presets: Mapping[int, Parameters], fps: float, hear: Hear = silence) -> Iterator[Parameters]:
    """Yield the parameters of the source and the output at each frame. The arguments are as in `preset_pictures`."""
    wanted, glide = presets[0], Glide()
    for number in count():
        at = MorphTime(number / fps, number)
        if number in presets and number > 0:
            glide = glide.towards(wanted, presets[number], at, Change.PRESET, STAGED)
            wanted = presets[number]
        yield glide.at(_swung(wanted, at, hear, ALL), at)


def _swung(parameters: Parameters, at: MorphTime, hear: Hear, targets: frozenset[str]) -> Parameters:
    """Return the parameters as LFOs move them. The first frame is beat 0."""
    return moved(parameters, MovementTime(at.seconds, at.seconds * parameters.bpm / 60, *hear(at.seconds)), targets)
