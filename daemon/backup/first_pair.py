"""`FirstPair`: the first of two shows, which reports to its backup. Any show is one as soon as a backup asks."""

import logging
from collections.abc import Callable, Mapping

from daemon.backup.air import LEFT_AFTER, FirstAir
from daemon.backup.backup_mark import BackupMark
from daemon.backup.pair import PERIOD, RELEASE, STALL, Pair
from daemon.backup.pair_messages import Question, Report, read_question, to_json
from daemon.backup.show_state import pulse_of
from daemon.shared.clock import NS, Clock
from daemon.stage.notices import Notice
from daemon.stage.output_clock import OutputClock
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.settings import Settings
from presets.errors import BridgeError, ParameterRefused

log = logging.getLogger("stage.backup")


class FirstPair(Pair):
    """Reports to a backup, leaves the air to it, and follows it meanwhile. Without a backup nothing here runs."""

    role = "first"

    def __init__(
        self, settings: Settings, store: ParameterStore, clock: Clock, output: Callable[[], OutputClock]
    ) -> None:
        super().__init__(settings, store, clock, output)
        self._air = FirstAir(self.run, settings.asks_backup, clock.now())
        self._mark = BackupMark(settings.state, settings.asks_backup)

    @property
    def is_on_air(self) -> bool:
        """True while the outputs of this show are open."""
        return self._air.on_air

    @property
    def partner(self) -> str:
        """Name of the machine of the backup; empty without one."""
        return self._air.partner.name if self._air.partner else ""

    def start(self) -> None:
        """Wait for the word of the backup that the last show had."""
        if self._air.is_waiting:
            self._air.heard = self.clock.now()
            self.begin()

    def keep(self) -> None:
        """Note on the disk if there is a backup."""
        if not self._air.is_waiting:
            self._mark.keep(self.partner)

    def follow(self, request: Mapping[str, object]) -> dict[str, object]:
        """Return the report to a message of a backup. Raises `BridgeError` for one that makes no sense."""
        ask, now = read_question(request), self.clock.now()
        with self.lock:
            known = self._air.partner
            if known and known.run != ask.run and now - self._air.heard < LEFT_AFTER * NS:
                raise BridgeError(f"{self.name} has a backup already, on {known.name}; a show has one")
            if known is None or known.run != ask.run:
                log.warning("%s is the backup of this show", ask.name)
            self.look_at_output(now)
            self.turn(self._air.hear(ask, self.watch.has_stalled(now), now))
            if not self._air.on_air:
                self._take(ask, now)
            self.begin()
            return to_json(self._report(ask, now))

    def take(self) -> str:
        """Have the backup go on air. Return a note. Raises `ParameterRefused`."""
        with self.lock:
            if not self.partner:
                raise ParameterRefused("this show has no backup; start one with run --backup")
            if not self._air.on_air:
                return f"{self.partner} is on air already"
            if self.silence() > STALL:
                raise ParameterRefused(f"{self.partner} is not heard: nothing would be on air")
            self._air.gives = True
            return f"{self.partner} goes on air"

    def release(self) -> str:
        """Go on air again. Return a note."""
        with self.lock:
            if self._air.on_air:
                return "this show is on air already"
            self.turn(self._air.take_back())
            return "this show is on air"

    def refusal(self) -> str:
        """Return why messages are refused now; empty if they are taken."""
        if self._air.on_air:
            return ""
        if self._air.is_waiting:
            return "this show asks its backup first, and is off air until it has answered"
        return f"this show is off air, because {self.partner} is on air; {RELEASE} takes the outputs back"

    def notices(self) -> list[Notice]:
        """Return what the performer must know about the pair."""
        if refusal := self.refusal():
            act = (RELEASE, "Take the outputs back") if self.partner else ("", "")
            found = [Notice("off air", "error", f"{refusal[0].upper()}{refusal[1:]}.", in_log=False, act=act)]
            return found + [
                Notice(f"differs {address}", "warning", f"This show can't follow {address}: {value}")
                for address, value in self.follower.differing().items()
            ]
        if self.partner and self.silence() > LEFT_AFTER:
            text = f"The backup {self.partner} has not been heard for {self.silence():.0f} s: nothing would take over."
            return [Notice("backup lost", "warning", text)]
        return []

    def silence(self) -> float:
        """Return the seconds since the backup was heard."""
        return (self.clock.now() - self._air.heard) / NS

    def leave(self, now: int) -> None:
        """Close the outputs, to open the same ones again."""
        self.outputs.wanted = tuple(self.uris()) or self.outputs.wanted
        self.trust(self.outputs.wanted)
        super().leave(now)

    def serve(self) -> None:
        """Go on air if the backup falls silent that is on air, and open what could not be opened."""
        while not self.stopping.wait(PERIOD):
            with self.lock:
                now = self.clock.now()
                self.turn(self._air.look(now))
                self.outputs.keep(now)

    def _take(self, ask: Question, now: int) -> None:
        if ask.state is not None:
            self.follower.put(ask.mark, ask.state)
        if ask.pulse is not None:
            self.follower.keep_time(ask.pulse, now)

    def _report(self, ask: Question, now: int) -> Report:
        on_air, settings, mark = self._air.on_air and not self.watch.stands, self.settings, self.mark()
        return Report(
            self.run,
            self.name,
            on_air,
            takes_over=self.ends or self._air.gives,
            known=self.follower.mark,
            state=self.state() if on_air and ask.known != mark else None,
            mark=mark,
            pulse=pulse_of(self.store, now) if on_air else None,
            size=settings.output_size,
            fps="source" if settings.follow_source else f"{settings.fps:.10g}",
        )
