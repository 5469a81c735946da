"""`BackupPair`: the second of two shows, which asks the first one several times a second and follows it."""

import logging
from collections.abc import Callable, Mapping

from daemon.backup.air import BackupAir
from daemon.backup.asker import Asker
from daemon.backup.first_pair import FirstPair
from daemon.backup.joining import FirstShow
from daemon.backup.pair import PERIOD, RELEASE, STALL, TAKE, Pair
from daemon.backup.pair_messages import Question, Report, read_report, to_json
from daemon.backup.show_state import pulse_of
from daemon.shared.clock import NS, Clock
from daemon.stage.notices import Notice
from daemon.stage.output_clock import OutputClock
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.settings import Settings
from presets.errors import BridgeError, ParameterRefused

log = logging.getLogger("stage.backup")

RENEW = 1.0
"""Seconds without an answer after which the connection is made anew."""
FAREWELL = 0.3
"""Seconds that the first show has to hear that this one ends."""


class BackupPair(Pair):
    """Follows the first show off air, and takes over its outputs when it falls silent."""

    role = "backup"

    def __init__(
        self,
        settings: Settings,
        store: ParameterStore,
        clock: Clock,
        output: Callable[[], OutputClock],
        first: FirstShow,
    ) -> None:
        """`first` is the first show, which has answered once."""
        super().__init__(settings, store, clock, output)
        self.run = first.run
        self._first = first
        self._air = BackupAir(first.after, clock.now())
        self._air.first = first.report
        self._asker = Asker(first.address)
        self._asked: tuple[Question, int] | None = None
        self._problem = ""
        self._takeovers = 0
        self._is_stale = False
        self._want(first.state.sinks)

    @property
    def is_on_air(self) -> bool:
        """True while the outputs of this show are open."""
        return self._air.on_air

    @property
    def partner(self) -> str:
        """Name of the machine of the first show."""
        return self._air.first.name if self._air.first else self._first.address.endpoint

    def start(self) -> None:
        """Follow the first show from now on."""
        self.follower.put(self._first.report.mark, self._first.state)
        self._air.heard = self.clock.now()
        self.begin()

    def keep(self) -> None:
        """Leave no mark: a backup that starts again asks the first show anyway."""

    def end(self) -> None:
        """Tell the first show that this one ends, and ask no more. It may be called twice."""
        if self.ends:
            return
        super().end()
        self._asker.renew()
        self._asker.send(to_json(self._ask(self.clock.now())._replace(leaves=True)))
        self._receive(FAREWELL)
        self._asker.close()

    def follow(self, request: Mapping[str, object]) -> dict[str, object]:
        """Refuse a backup of a backup."""
        raise BridgeError(f"this show is itself a backup, of {self._first.address.endpoint}; follow that one")

    def take(self) -> str:
        """Go on air, and have the first show leave. Return a note."""
        with self.lock:
            if self.is_on_air:
                return "this show is on air already"
            self.turn(self._air.take())
            return "this show is on air"

    def release(self) -> str:
        """Have the first show go on air, then close the own outputs. Return a note. Raises `ParameterRefused`."""
        with self.lock:
            if not self.is_on_air:
                return f"{self.partner} is on air already"
            if self.silence() > STALL:
                raise ParameterRefused(f"{self.partner} does not answer: nothing would be on air")
            self._air.release()
            return f"{self.partner} goes on air"

    def refusal(self) -> str:
        """Return why a message is refused now; empty if it is taken."""
        return "" if self.is_on_air else f"this show follows {self.partner}: change that one, or {TAKE}"

    def status(self) -> dict[str, object]:
        """Return the state of the pair for the status."""
        endpoint, after = self._first.address.endpoint, self._first.after
        return super().status() | {"of": endpoint, "after_s": after, "takeovers": self._takeovers}

    def notices(self) -> list[Notice]:
        """Return what the performer must know about the pair."""
        if self.is_on_air:
            is_heard = self.silence() < STALL
            there = f"{RELEASE} gives the outputs back" if is_heard else "it does not answer"
            text, act = f"On air in place of {self.partner}; {there}.", (RELEASE, "Give the outputs back")
            return [Notice("on air", "error", text, in_log=False, act=act if is_heard else ("", ""))]
        text, act = f"Off air: follows {self.partner}, ready to take over.", (TAKE, "Go on air")
        found = [Notice("follows", "info", text, in_log=False, act=act)]
        if (silence := self.silence()) > max(STALL, self._first.after):
            text = f"{self.partner} has been silent for {silence:.0f} s. {TAKE} goes on air."
            found = [Notice("first silent", "error", text, act=act)]
        if self._problem:
            found.append(Notice(f"backup {self._problem}", "error", f"{self.partner}: {self._problem}"))
        for address, value in self.follower.differing().items():
            found.append(Notice(f"differs {address}", "warning", f"This show can't follow {address}: {value}"))
        return found

    def silence(self) -> float:
        """Return the seconds since the first show was heard."""
        return (self.clock.now() - self._air.heard) / NS

    def serve(self) -> None:
        """Question the first show until stopped."""
        while not self.stopping.is_set():
            now = self.clock.now()
            if self._asked is None:
                self.look_at_output(now)
                self._asked = self._ask(now), now
                self._asker.send(to_json(self._asked[0]))
            ask, sent = self._asked
            report, now = self._receive(PERIOD), self.clock.now()
            if report is not None:
                self._take_report(ask, report, sent, now)
            elif now - sent > RENEW * NS:
                self._asker.renew()
                self._asked = None
            with self.lock:
                self.turn(self._air.look(now))
                self.outputs.keep(now)
            if self._is_stale:
                self._is_stale, self._asked = False, None
                self._asker.renew()
            elif report is not None or self._asked is None:
                self._asked = None
                self.stopping.wait(PERIOD)

    def turn(self, why: str) -> None:
        """Count the takeovers too, and drop a question whose answer belongs to the time before."""
        if why:
            self._takeovers += self.is_on_air
            self._is_stale = True
        super().turn(why)

    def _take_report(self, ask: Question, report: Report, sent: int, now: int) -> None:
        with self.lock:
            self.turn(self._air.hear(report, ask, now))
            if self.is_on_air:
                return
            if report.state is not None:
                self._want(report.state.sinks)
                self.follower.put(report.mark, report.state)
            if report.pulse is not None:
                self.follower.keep_time(report.pulse, (sent + now) // 2)

    def _want(self, sinks: tuple[str, ...]) -> None:
        """Take over these sinks of the first show, which the command line names, or those of the own command line."""
        self.outputs.wanted = self.settings.held_sinks or sinks
        self.trust(self.outputs.wanted)

    def _ask(self, now: int) -> Question:
        air, mark = self._air, self.mark()
        first = air.first
        is_behind = air.on_air and first is not None and not first.on_air and first.known != mark
        return Question(
            self.run,
            self.name,
            air.on_air,
            of=first.run if first else "",
            after=air.after,
            told=air.told,
            releases=air.releases,
            stalled=self.watch.has_stalled(now),
            known=self.follower.mark,
            state=self.state() if is_behind else None,
            mark=mark,
            pulse=pulse_of(self.store, now) if air.on_air else None,
        )

    def _receive(self, seconds: float) -> Report | None:
        """Return the next report. One that makes no sense, or a refusal, counts as none and is a notice."""
        try:
            answer = self._asker.receive(seconds)
            if answer is None:
                return None
            self._air.heard = self.clock.now()  # a refusal too proves that it plays
            report = read_report(answer)
        except BridgeError as error:
            if str(error) != self._problem:
                log.error("%s: %s", self.partner, error)
            self._problem = str(error)
            self._asked = None
            return None
        self._problem = ""
        return report


def pair_of(
    settings: Settings,
    store: ParameterStore,
    clock: Clock,
    output: Callable[[], OutputClock],
    first: FirstShow | None,
) -> Pair:
    """Return the pair of a show, which is the backup of `first` or a first one itself."""
    if first is None:
        return FirstPair(settings, store, clock, output)
    return BackupPair(settings, store, clock, output, first)
