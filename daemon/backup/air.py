"""`FirstAir` and `BackupAir`: the rules by which one of two shows is on air. No sockets, no threads, no clock.

Each method returns a sentence if it put the show on air or took it off, an empty text otherwise. Times are in ns.

One of the two that was on air all along stays there. One that went on air because the other fell silent leaves when it
hears that the other plays; one that started anew, or whose output stood still, stays off until it is told.
"""

from daemon.backup.pair_messages import Question, Report
from daemon.shared.clock import NS

FIRST_WORD = 3.0
"""Seconds for which a first show that had a backup waits for its word before it goes on air."""
LEFT_AFTER = 5.0
"""Seconds of silence after which another backup may take the place of one."""
RECENTLY = 5.0
"""Seconds for which an output that stood still is remembered."""


class TickWatch:
    """Notices if the ticks of an output stood still: its process was stopped, or its clock hung."""

    def __init__(self, limit: float) -> None:
        """`limit` is the longest pause in seconds that is none."""
        self.limit = limit
        self.stands = False
        """True while no tick comes."""
        self._seen: tuple[int, int] | None = None
        self._stalled: int | None = None

    def look(self, now: int, ticks: int, rate: float) -> None:
        """Compare the number of ticks with that of the last call."""
        if self._seen is None:
            self._seen = now, ticks
        at, before = self._seen
        seconds, came = (now - at) / NS, ticks - before
        self.stands = came <= 0 and seconds > self.limit
        if self.stands or (seconds > self.limit and came < seconds * rate / 2):
            self._stalled = now
        if came > 0:
            self._seen = now, ticks

    def has_stalled(self, now: int) -> bool:
        """Return True if the ticks stood still within the last seconds."""
        return self._stalled is not None and now - self._stalled < RECENTLY * NS


class FirstAir:
    """The first of two shows: any show is one as soon as a backup asks."""

    def __init__(self, run: str, asks_first: bool, now: int) -> None:
        """`run` names this run. With `asks_first` it starts off air, and waits for the word of its backup."""
        self.run = run
        self.on_air = not asks_first
        self.gives = False
        """True if the backup shall go on air."""
        self.partner: Question | None = None
        """The last message of the backup; None without one."""
        self.heard = now
        self.is_waiting = asks_first
        """True until the backup has said whether it is on air."""
        self._took = False

    def hear(self, ask: Question, stalled: bool, now: int) -> str:
        """Take a message of the backup. `stalled` is True if the own output stood still a moment ago."""
        self.partner, self.heard = None if ask.leaves else ask, now
        waited, self.is_waiting = self.is_waiting, False
        if not ask.on_air or ask.releases or ask.leaves:
            self._took = False
            return "" if self.on_air else self._enter(f"{ask.name} {'follows' if waited else 'gives the outputs back'}")
        self.gives = False
        yields = ask.told or ((self._took or stalled or ask.of != self.run) and not ask.stalled)
        if self.on_air and not yields:
            return ""
        was_on_air, self.on_air, self._took = self.on_air, False, False
        return f"{ask.name} is on air" if was_on_air or waited else ""

    def look(self, now: int) -> str:
        """Go on air if the backup, which is on air, or whose word is awaited, is silent."""
        if self.on_air:
            return ""
        silence = (now - self.heard) / NS
        if self.is_waiting:
            return self._enter("no backup was heard") if silence >= FIRST_WORD else ""
        if self.partner is None or not 0 < self.partner.after < silence:
            return ""
        self._took = True
        return self._enter(f"{self.partner.name} has been silent for {silence:.2f} s")

    def take_back(self) -> str:
        """Go on air by hand."""
        return self._enter("told to")

    def _enter(self, why: str) -> str:
        self.on_air, self.gives, self.is_waiting = True, False, False
        return why


class BackupAir:
    """The second of two shows, which follows the first one and is off air until it falls silent."""

    def __init__(self, after: float, now: int) -> None:
        """`after` is the silence in seconds after which it goes on air; 0 for never."""
        self.after = after
        self.on_air = False
        self.told = self.releases = False
        self.heard = now
        self.first: Report | None = None
        """The last report of the first show."""

    def hear(self, report: Report, asked: Question, now: int) -> str:
        """Take the report of the first show that answers `asked`."""
        self.heard, self.first = now, report
        if not self.on_air:
            if not report.takes_over and (report.on_air or not asked.of):
                return ""
            self.on_air = self.told = True
            return f"{report.name} gives the outputs away"
        if not asked.on_air:  # it was asked before this show went on air, and has not judged that yet
            return ""
        if report.on_air and not self.told:
            self.on_air = self.releases = False
            return f"{report.name} is on air"
        self.told = self.told and report.on_air
        return ""

    def look(self, now: int) -> str:
        """Go on air if the first show has been silent for too long."""
        silence = (now - self.heard) / NS
        if self.on_air or not self.after or silence < self.after:
            return ""
        self.on_air = True
        return f"{self.first.name if self.first else 'the first show'} has been silent for {silence:.2f} s"

    def take(self) -> str:
        """Go on air by hand."""
        self.on_air = self.told = True
        self.releases = False
        return "told to"

    def release(self) -> None:
        """Leave the air once the first show has opened its outputs."""
        self.told, self.releases = False, self.on_air
