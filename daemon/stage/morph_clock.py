"""`MorphClock`: what the stage tells a renderer of each picture, its morphs resolved at the instant of the asking."""

from daemon.link.client import moment_message
from daemon.shared.clock import NS, Clock
from daemon.stage.parameter_store import ParameterStore, StoreState
from presets.morph import Change, MorphTime, is_moving, resolve_frame, start_morphs, update_morphs

STILL: tuple[int, bytes] = (-1, b"")


class MorphClock:
    """The course of one show's parameters. One thread only: the renderer link's."""

    def __init__(self, store: ParameterStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._pictures = 0
        self._revision, parameters = store.snapshot()
        self._course = start_morphs(parameters, self._now())
        self._still = STILL

    @property
    def is_moving(self) -> bool:
        """True during a morph and while the noise drifts."""
        return self._still is STILL

    def message(self) -> tuple[int, bytes]:
        """The newest revision, and the moment of it as the link carries it. Each call counts as a picture."""
        standing, at = self._store.standing(), self._now()
        revision, parameters = standing.snapshot
        if revision != self._revision:
            self._course = update_morphs(self._course, parameters, at, self._change(standing))
            self._revision = revision
            self._still = STILL
        self._pictures += 1
        if self._still is not STILL:
            return self._still
        moving = is_moving(self._course, at)
        message = revision, moment_message(resolve_frame(self._course, at), moving)
        if not moving:
            self._still = message  # nothing is to be resolved again until something is turned
        return message

    def _now(self) -> MorphTime:
        return MorphTime(self._clock.now() / NS, self._pictures)

    def _change(self, standing: StoreState) -> Change:
        """What brought the parameters since they were last looked at; of several things the hardest."""
        if standing.panic_revision > self._revision:
            return Change.CUT
        return Change.LOOK if standing.look_revision > self._revision else Change.BY_HAND
