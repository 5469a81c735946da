"""`TempoClock`: the beats of a show. `MovingParameters`: its parameters as LFOs and morphs move them by its time."""

import math
import threading
from collections import deque
from collections.abc import Callable

from daemon.shared.clock import NS, Clock, SystemClock
from daemon.stage.change_timing import ChangeTimes
from daemon.stage.live_values import LiveValues
from presets.declaration import LFOS
from presets.fades import STAGED, Glide, MorphTime
from presets.movement import NEVER, SILENCE, Heard, MovementTime, moved, moves
from presets.parameter_table import PARAMETERS
from presets.parameters import Parameters
from presets.taken_message import TempoMark

LONGEST_BEAT = 60.0 / (PARAMETERS["/bpm"].minimum or 20.0)
"""Seconds after which a tap begins a new tempo."""
MOST_TAPS = 8
"""Taps whose mean is the tempo: the newest."""
UNEVEN = 0.3
"""Share by which an interval may differ from the mean before it begins a new tempo."""
FIRST_TEMPO = float(PARAMETERS["/bpm"].default)


class TempoClock:
    """Counts beats at the tempo that it is asked with. Any thread may call it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._began = self._clock.now()
        self._anchor = TempoMark(self._began, 0.0, FIRST_TEMPO)
        self._taps: deque[int] = deque(maxlen=MOST_TAPS)
        self.lead: Callable[[], float] = lambda: 0.0
        """Returns the seconds from the parameters of a picture to the picture on air; the stage sets it."""
        self.change_times: Callable[[int, int], ChangeTimes] = lambda beat, now: ChangeTimes(beat, beat)
        """Returns when a change is made whose first picture is to be on air at a time; the stage sets it."""
        self.quiet_until = 0
        """Time until which no ask that waits for a frame is answered for a new revision alone, in ns."""
        self.heard: Callable[[], Heard] = lambda: SILENCE
        """Returns the features of the sound that is heard now; the stage sets it."""
        self.since_onset: Callable[[], float] = lambda: math.inf
        """Returns the seconds since the last onset of the sound; the stage sets it."""
        self.pictures = 0
        """Number of pictures that a renderer has asked for; `MorphClock` counts them."""
        self._triggers: tuple[int, ...] = ()
        """Instant of the last trigger of each LFO; 0 for none. Empty until there is one."""

    def time(self, bpm: float) -> MovementTime:
        """Return the present instant. Another tempo than before holds from now on, and no beat is lost."""
        now = self._clock.now()
        anchor = self._anchor
        if bpm != anchor.bpm:
            with self._lock:
                anchor = self._anchor = TempoMark(now, self._anchor.beats_at(now), bpm)
        since = tuple((now - at) / NS if at else math.inf for at in self._triggers) or NEVER
        seconds, beats = (now - self._began) / NS, anchor.beats_at(now)
        return MovementTime(seconds, beats, self.heard(), self.since_onset(), since, self.pictures)

    def time_on_air(self, bpm: float) -> MovementTime:
        """Return the instant at which a picture that is begun now is on air.

        The sound is that of now, and an envelope that is started now begins with this picture.
        """
        now, lead = self.time(bpm), self.lead()
        return now._replace(seconds=now.seconds + lead, beats=now.beats + lead * bpm / 60.0)

    def until_change(self, beat: float, bpm: float) -> tuple[float, float]:
        """Return the seconds until a change for a beat is made, and until a waiting renderer is woken for it.

        The first picture of the change is on air at the beat. What is over is 0.
        """
        now = self._clock.now()
        at = now + round((beat - self.time(bpm).beats) * 60.0 / bpm * NS)
        made, woken = self.change_times(at, now)
        return max(made - now, 0) / NS, max(woken - now, 0) / NS

    def keep_quiet(self, seconds: float) -> None:
        """Have no ask that waits for a frame answered for a new revision alone, for so long; 0 ends that."""
        self.quiet_until = self._clock.now() + round(seconds * NS)

    def tap(self) -> float | None:
        """Take note of a tap: now is a beat. Return the tempo in beats a minute, None after the first tap."""
        with self._lock:
            now = self._clock.now()
            if self._taps and not self._fits(now):
                self._taps = deque([self._taps[-1]] if self._is_near(now) else [], maxlen=MOST_TAPS)
            self._taps.append(now)
            bpm = self._tapped_tempo()
            self._anchor = TempoMark(now, float(round(self._anchor.beats_at(now))), bpm or self._anchor.bpm)
            return bpm

    def resync(self) -> None:
        """Start the beats anew: now is beat 0."""
        self.set_beat(0.0)

    def set_beat(self, beat: float) -> None:
        """Count the beats anew: now is this one."""
        with self._lock:
            self._anchor = TempoMark(self._clock.now(), beat, self._anchor.bpm)

    def trigger(self, place: int, at: int | None = None) -> None:
        """Take note that the envelope of the LFO at this place, from 0, starts now, or at an instant on the clock."""
        with self._lock:
            triggers = list(self._triggers or [0] * LFOS)
            triggers[place] = max(self._clock.now() if at is None else at, 1)
            self._triggers = tuple(triggers)

    def triggered_at(self, place: int) -> int:
        """Return the instant of the last trigger of the LFO at this place, 0 for none."""
        return self._triggers[place] if self._triggers else 0

    def mark(self, bpm: float | None) -> tuple[TempoMark, int]:
        """Return an instant at which the beats are known, and that from which the seconds count, on the clock.

        The tempo from now on is `bpm`, if it is given.
        """
        if bpm is not None:
            self.time(bpm)
        return self._anchor, self._began

    def place(self, mark: TempoMark, began: int | None = None) -> None:
        """Count the beats from a mark on, and the seconds from `began` on, if it is given."""
        with self._lock:
            self._anchor = mark
            self._began = self._began if began is None else began

    def _is_near(self, now: int) -> bool:
        return (now - self._taps[-1]) / NS <= LONGEST_BEAT

    def _fits(self, now: int) -> bool:
        """Return True if a tap continues those before it."""
        if not self._is_near(now):
            return False
        count = len(self._taps) - 1
        if count < 1:
            return True
        mean = (self._taps[-1] - self._taps[0]) / count
        return abs((now - self._taps[-1]) - mean) <= UNEVEN * mean

    def _tapped_tempo(self) -> float | None:
        count = len(self._taps) - 1
        length = (self._taps[-1] - self._taps[0]) / NS
        if count < 1 or length <= 0:
            return None
        bpm = PARAMETERS["/bpm"].coerce(round(60.0 * count / length, 2))
        return float(bpm)


class MovingParameters:
    """Returns the parameters of a show at this moment, for the output and the sources.

    Those that LFOs move have their present value, and so have the numbers that glide to a new preset (`STAGED`). While
    nothing moves it returns the snapshot of the values, and reads no clock. Any thread may call it.
    """

    def __init__(self, values: LiveValues, time: Callable[[float], MovementTime]) -> None:
        """`time` returns the instant that counts, for a tempo: `TempoClock.time` or `TempoClock.time_on_air`."""
        self._values = values
        self._time = time
        self._course = (*values.snapshot(), Glide())

    def __call__(self) -> Parameters:
        """Return the parameters at this moment."""
        standing = self._values.standing()
        revision, parameters = standing.snapshot
        known, before, glide = self._course
        # Two threads may both turn the glide. If the older is kept last, its revision shows it at the next call.
        if revision != known:
            if glide.origins or standing.look_revision > known:
                change = standing.change_since(known)
                glide = glide.towards(before, parameters, self._instant(parameters), change, STAGED)
            self._course = revision, parameters, glide
        if not glide.origins and not moves(parameters):
            return parameters
        at = self._time(parameters.bpm)
        instant = MorphTime(at.seconds, at.pictures)
        if glide.origins and glide.fade.share(instant) >= 1.0:
            self._course = revision, parameters, Glide()
        return glide.at(moved(parameters, at), instant)

    def _instant(self, parameters: Parameters) -> MorphTime:
        at = self._time(parameters.bpm)
        return MorphTime(at.seconds, at.pictures)
