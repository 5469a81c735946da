"""`OutputClock`: puts a picture out once per period, whatever else happens. It never waits for a renderer or a sink."""

import logging
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

from daemon.shared.clock import Clock
from daemon.shared.mailbox import Mailbox
from daemon.shared.threads import restart_on_crash
from daemon.stage.between_frames import BetweenFrames
from daemon.stage.burst_spreader import BurstSpreader
from daemon.stage.change_timing import ChangeTiming
from daemon.stage.loss_cover import LossCover
from daemon.stage.metrics import Delays, Intervals, Lead
from daemon.stage.phase_lock import PhaseLock
from daemon.stage.tick_schedule import TickSchedule
from io_bridges.frames import RenderedFrame, Tick
from io_bridges.output_grade import NEUTRAL, BlackoutFade, OutputGrade, apply_grade, output_grade
from io_bridges.rates import exact_rate
from presets.parameters import Parameters

log = logging.getLogger("stage.output")


class Outlet(Protocol):
    """Receiver of the picture of each tick: the sinks."""

    def put(self, value: tuple[RenderedFrame, Tick]) -> None: ...


class OutputClock:
    """Chooses the newest picture at each tick, or holds, fades or blacks it out as the parameters say.

    `slate` and `safe` must hold a picture before `run`, so that there is one for the first tick.
    """

    def __init__(
        self,
        fps: float,
        clock: Clock,
        parameters: Callable[[], Parameters],
        rendered: BurstSpreader,
        slate: Mailbox[RenderedFrame],
        safe: Mailbox[RenderedFrame],
        outlet: Outlet,
        cover: LossCover,
        lock: PhaseLock | None = None,
    ) -> None:
        """`lock` keeps the ticks in step with the pictures that come; without one they are even."""
        self._schedule = TickSchedule(exact_rate(fps))
        self._lock = lock
        self._clock = clock
        self._parameters = parameters
        self._rendered = rendered
        self._slate = slate
        self._safe = safe
        self._outlet = outlet
        self._cover = cover
        self._between = BetweenFrames()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._panic: int | None = None
        self._on_air: RenderedFrame | None = None
        self._shown: tuple[RenderedFrame, OutputGrade] | None = None
        self._graded: RenderedFrame | None = None
        self._blackout = BlackoutFade()
        self.ticks = 0
        self.missed = 0
        self.intervals = Intervals()
        self.delays = Delays()
        """Times from the capture of a frame to its picture on air."""
        self._lead = Lead()
        self.changes = ChangeTiming(self._schedule, self._lead)

    def panic(self, revision: int) -> None:
        """Cut to the safe picture until one drawn with `revision` or a later one comes. Any thread may call it."""
        self._panic = revision

    def arrived(self, frame: RenderedFrame, place: int) -> None:
        """Take note of picture number `place` of one network call, which can be shown now. Any thread may call it."""
        if place:
            return
        now = self._clock.now()
        self.changes.arrived(frame.given_at, now)
        if self._lock is not None and frame.source_index >= 0:
            self._lock.arrived(now)

    @property
    def rate(self) -> Fraction:
        """Ticks a second. Any thread may set it; it holds from the tick after the next one on."""
        return self._schedule.wanted

    @rate.setter
    def rate(self, rate: Fraction) -> None:
        self._schedule.wanted = rate

    def lead(self) -> float:
        """Return the usual time from the parameters of a picture to the picture on air, in seconds. For any thread."""
        return self._lead.seconds(self._clock.now())

    @property
    def on_air(self) -> RenderedFrame | None:
        """Picture chosen at the last tick, before its grade; None before the first."""
        return self._on_air

    def start(self) -> None:
        """Tick on a thread of its own, and fill between pictures on another, until stopped."""
        for name, work in (("output-clock", self.run), ("between-pictures", self.fill)):
            target = restart_on_crash(f"the thread {name}", work, self._stopping.is_set)
            thread = threading.Thread(target=target, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Make `run` return after the current tick."""
        self._stopping.set()

    def join(self) -> None:
        """Wait at most two seconds for each thread of `start`."""
        for thread in self._threads:
            thread.join(2.0)

    def run(self) -> None:
        """Tick until stopped. Deadlines are absolute: a late tick shortens the wait for the next one."""
        schedule, lock = self._schedule, self._lock
        schedule.begin(self._clock.now())
        while not self._stopping.is_set():
            self._clock.sleep_until(schedule.due)
            self.tick(schedule.due)
            if lock is not None and schedule.wanted != schedule.rate:
                lock.forget()
            push = 0 if lock is None else lock.push(schedule.due, schedule.period)
            self.missed += schedule.advance(self._clock.now(), push)

    def fill(self) -> None:
        """Make the pictures between two drawn ones until stopped. For a thread beside the one of `run`."""
        self._between.work(self._stopping)

    def tick(self, due: int) -> None:
        """Choose the picture of one tick, grade it and hand it to the outlet."""
        parameters = self._parameters()
        # Panic cuts: a long fade would delay the safe picture after a blackout.
        fade = parameters.fade if self._panic is None else 0.0
        frame, light = self._covered(self._choose(parameters, due), parameters)
        fade_level = self._blackout.step(parameters.blackout, fade, float(self._schedule.rate))
        grade = output_grade(parameters, light * fade_level)
        repeated = self._shown is not None and self._shown[0] is frame and self._shown[1] == grade
        if grade == NEUTRAL:
            out = frame
        elif repeated and self._graded is not None:
            out = self._graded
        else:
            picture = apply_grade(frame.host_pixels(), grade)
            out = RenderedFrame(picture, frame.index, frame.source_index, frame.captured_at, frame.revision)
        self._graded = out
        self._shown = (frame, grade)
        tick = Tick(self.ticks, due - self._schedule.lag, repeated)
        self.ticks += 1
        now = self._clock.now()
        self.intervals.mark(now)
        if frame.captured_at and not repeated:
            self.delays.mark(now - frame.captured_at, now)
        if frame.given_at and not repeated:
            self._lead.mark(now - frame.given_at, now)
        self._outlet.put((out, tick))

    def _choose(self, parameters: Parameters, due: int) -> RenderedFrame:
        rendered = self._rendered.peek()
        slate, _ = self._slate.peek()
        safe, _ = self._safe.peek()
        if slate is None or safe is None:
            raise RuntimeError("the output clock was started before it had a slate and a safe picture")
        if self._panic is not None:
            if rendered is None or rendered.revision < self._panic:
                self._on_air = safe
                self._between.forget()
                return safe
            self._panic = None
        elif parameters.freeze and self._on_air is not None and self._on_air.index >= 0:
            # The slate is not held: a show that starts frozen holds its first picture.
            return self._on_air
        if rendered is None:
            self._on_air = slate
        else:
            following = due + self._schedule.following - self._schedule.due
            self._on_air = self._between.choose(rendered, parameters.between, due, following)
            self.changes.delay = self._between.delay
        return self._on_air

    def _covered(self, frame: RenderedFrame, parameters: Parameters) -> tuple[RenderedFrame, float]:
        """Return the picture with what covers it while the source is lost, and its light. Panic shows through."""
        safe, _ = self._safe.peek()
        if self._panic is not None or safe is None:
            return frame, 1.0
        self._cover.fps = float(self._schedule.rate)
        return self._cover.show(frame, safe, parameters.lost_fade, moves=not parameters.freeze)
