"""`MorphClock`: the parameters of each picture, with morphs and LFOs resolved at the time a renderer asks for it."""

from dataclasses import replace

from daemon.link.resolved_frame import ResolvedFrame
from daemon.shared.clock import NS, Clock
from daemon.stage.parameter_store import ParameterStore
from presets.fades import MorphTime
from presets.morph import is_moving, resolve_frame, start_morphs, update_morphs
from presets.movement import DRAWING, moved, moves
from presets.parameters import Parameters

STILL: tuple[int, bytes] = (-1, b"")
"""Stands for no cached frame, while a morph is going on."""


class MorphClock:
    """Morphs of one show's parameters. The link's thread alone calls `resolved_frame`."""

    def __init__(self, store: ParameterStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._revision, parameters = store.snapshot()
        self._course = start_morphs(parameters, self._now())
        self._still = STILL
        self._words_alone = False
        self._coming: tuple[str, ...] = ()

    @property
    def is_moving(self) -> bool:
        """True during a morph, while the noise drifts and while an LFO moves something that is drawn."""
        return self._still is STILL

    def resolved_frame(self, words_alone: bool = False) -> tuple[int, bytes]:
        """Return the newest revision and its encoded `ResolvedFrame`. Each call counts as a picture.

        With `words_alone` it has text mode, so that the renderer lets go of the last source frame that it got.
        """
        standing, at = self._store.standing(), self._now()
        revision, parameters = standing.snapshot
        if revision != self._revision:
            change = standing.change_since(self._revision)
            self._course = update_morphs(self._course, parameters, at, change, self._swung)
            self._revision = revision
            self._still = STILL
        if words_alone != self._words_alone:
            self._words_alone = words_alone
            self._still = STILL
        if (coming := self._store.coming) != self._coming:
            self._coming = coming
            self._still = STILL
        self._store.tempo.pictures += 1
        if self._still is not STILL:
            return self._still
        moving = is_moving(self._course, at) or moves(parameters, DRAWING)
        # LFOs swing around the wanted values, by the beat at which the picture is on air. Fades go on as if none moved.
        course = replace(self._course, parameters=self._swung(parameters))
        moment = resolve_frame(course, at)._replace(ahead=coming)
        if words_alone:
            moment = moment._replace(parameters=moment.parameters.model_copy(update={"mode": "text"}))
        resolved = revision, ResolvedFrame(moment, moving).encode()
        if not moving:
            self._still = resolved  # the same bytes serve until a parameter changes
        return resolved

    def _swung(self, parameters: Parameters) -> Parameters:
        return moved(parameters, self._store.tempo.time_on_air(parameters.bpm), DRAWING)

    def _now(self) -> MorphTime:
        return MorphTime(self._clock.now() / NS, self._store.tempo.pictures)
