"""`Dealer`: decides which asks are answered now, and with what. Renderers of one build share the frames.

A new frame goes to one of them: the one that has waited longest. What changes without a new frame (a parameter, a
morph) is drawn by each that asks. Their answers are spread over time, so that pictures come out evenly.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from daemon.link.answers import Answer, Wait
from daemon.link.messages import Ask
from daemon.link.renderer_report import RendererReport
from daemon.shared.clock import NS
from io_bridges.frames import Frame
from presets.build import Build

HOLD, PAUSE = 0.5, 0.2
"""Seconds until the ask of an understudy, and of a renderer that must not draw now, is answered with `Wait`. So the
supervisor hears from both."""

EVENNESS = 0.8
"""Least time between two answers to renderers of one build, as a share of an even distribution. With 1 a renderer that
was slow once would slow the others."""

LONGEST_APART = 2.0
"""Most seconds between two answers to renderers of one build."""

NEWEST_WEIGHT = 0.25
"""Weight of the newest measurement in the mean time that a renderer takes."""

SILENT_AFTER = 3.0
"""Mean times without an ask after which a renderer no longer counts for the distribution."""

BATCH_PATIENCE = NS // 20
"""Nanoseconds that a renderer which collects a frame buffer may take between two asks."""


class Sharing(NamedTuple):
    """The part of the parameters that several renderers of one build have to keep together."""

    alone: bool = False
    """True if one alone may draw: each picture needs the one before it."""
    batch: int = 1
    """Frames in a row that one renderer gets for one network call."""
    most_a_second: int = 0
    """Most pictures a second of all together; 0 is no cap."""


class Responder(Protocol):
    """Content of the answers: the newest frame, and the parameters it is drawn with."""

    @property
    def revision(self) -> int:
        """Newest revision of the parameters."""

    def resolved_frame(self) -> tuple[int, bytes]:
        """Return the revision and the encoded `ResolvedFrame` of the next picture. Called once for each answer."""

    def newest_frame(self, width: int, height: int) -> tuple[Frame | None, int]:
        """Return the newest source frame at this size with its serial number; (None, 0) while there is none."""

    def draws_from_text(self) -> bool:
        """Return True if pictures are drawn from text alone. No ask waits for a frame then."""

    def sharing(self) -> Sharing:
        """Return what several renderers have to keep together at this moment."""


@dataclass(slots=True, eq=False)
class Connection:
    """A renderer that said hello, and the ask that it waits with."""

    report: RendererReport
    ask: Ask | None = None
    asked_at: int = 0
    """Time of the first ask after the last answer, nanoseconds."""
    answer_by: int = 0
    """Time by which the ask is answered with whatever there is, nanoseconds."""
    put_off_at: int = 0
    """Time at which it is answered with `Wait` if the renderer must not draw, nanoseconds."""
    is_put_off: bool = False
    """True after `Wait`."""
    given_serial: int = 0
    given_revision: int = -1
    given_at: int = 0
    turn: int = 0
    """Turn of its last answer."""
    seconds: float = 0.0
    """Mean time from an answer to the next ask; 0 before the second ask."""

    def asks(self, ask: Ask, now: int) -> None:
        """Take an ask."""
        if not self.is_put_off:
            self.asked_at = now
            if self.given_at:
                took = (now - self.given_at) / NS
                # A pause of the whole show must not hold the renderers apart after it.
                newest = min(took, 2 * self.seconds) if self.seconds else took
                self.seconds += NEWEST_WEIGHT * (newest - self.seconds) if self.seconds else newest
        self.ask, self.is_put_off = ask, False
        self.answer_by = now + round(ask.patience * NS)
        self.put_off_at = now + round((HOLD if self.report.is_held else PAUSE) * NS)


@dataclass(slots=True, eq=False)
class _Share:
    """Frames that the renderers of one build share."""

    serial: int = 0
    """Newest frame that one of them was given."""
    free_at: int = 0
    """Time of the next answer, nanoseconds."""
    collector: Connection | None = None
    """Renderer that collects a frame buffer."""
    collected: int = 0


NOTHING_SHARED = _Share()


class Dealer:
    """Answers the asks of all renderers. One thread only."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._shares: dict[Build | None, _Share] = {}
        self._turn = 0

    def lose(self, connection: Connection) -> None:
        """Take note that a renderer is gone. The frame that it had goes to another, if it is still the newest."""
        if (share := self._shares.get(connection.report.build)) is not None:
            share.serial = 0
            if share.collector is connection:
                share.collector = None

    def answers(self, connections: Collection[Connection], now: int) -> Iterator[tuple[Connection, Answer | Wait]]:
        """Yield the answers that are due, to the renderer that has waited longest first."""
        players = [each for each in connections if not each.report.is_held]
        sharing = self._responder.sharing() if len(players) > 1 else Sharing()
        for connection in sorted(connections, key=self._rank):
            ask, report = connection.ask, connection.report
            if ask is None:
                continue
            share = self._shares.setdefault(report.build, _Share())
            others = [each for each in players if each.report.build == report.build]
            if self._may_have(connection, share, others, sharing, now):
                if (answer := self._answer(connection, share, ask, now)) is not None:
                    _spread(connection, share, others, sharing, now)
                    yield connection, answer
            elif now >= connection.put_off_at:
                connection.ask, connection.is_put_off = None, True
                yield connection, Wait()

    def next_look(self, connections: Collection[Connection], now: int) -> int:
        """Return the time, nanoseconds, of the next answer that is due without a new frame."""
        due = now + NS
        for each in connections:
            if each.ask is not None:
                share = self._shares.get(each.report.build, NOTHING_SHARED)
                # A frame that came meanwhile is due once the answers are far enough apart.
                by = share.free_at if share.free_at > now else each.answer_by
                if share.collector not in (None, each):
                    by = max(by, now + BATCH_PATIENCE)
                due = min(due, each.put_off_at, each.put_off_at if self._waits(each) else by)
        return due

    def _waits(self, connection: Connection) -> bool:
        report = connection.report
        return report.is_held or (report.is_beside and self._responder.sharing().alone)

    def _rank(self, connection: Connection) -> tuple[bool, int]:
        share = self._shares.get(connection.report.build)
        return share is None or share.collector is not connection, connection.asked_at

    def _may_have(
        self, connection: Connection, share: _Share, others: list[Connection], sharing: Sharing, now: int
    ) -> bool:
        """Return True if it is the turn of this renderer among those of its build."""
        report, collector = connection.report, share.collector
        if report.is_held or (report.is_beside and sharing.alone):
            return False
        if len(others) < 2 or collector is connection:
            return True
        if collector is not None:
            if now - max(collector.given_at, collector.asked_at) < BATCH_PATIENCE:
                return False
            share.collector = None
        return now >= share.free_at

    def _answer(self, connection: Connection, share: _Share, ask: Ask, now: int) -> Answer | None:
        responder = self._responder
        frame, serial = responder.newest_frame(ask.width, ask.height)
        is_new = frame is not None and serial not in (share.serial, connection.given_serial)
        changed = responder.revision != connection.given_revision or responder.draws_from_text()
        if not is_new and not changed and now < connection.answer_by:
            return None
        self._turn += 1
        revision, resolved = responder.resolved_frame()
        answer = Answer(revision, resolved, given_at=now, turn=self._turn)
        if frame is not None and serial != connection.given_serial:
            # One that another renderer has drawn is no measure of the delay.
            captured_at = frame.captured_at if is_new else 0
            answer = Answer(revision, resolved, frame.pixels, frame.index, captured_at, now, self._turn, is_new)
            connection.given_serial = share.serial = serial
        connection.ask = None
        connection.given_revision, connection.given_at, connection.turn = revision, now, self._turn
        return answer


def _spread(connection: Connection, share: _Share, others: list[Connection], sharing: Sharing, now: int) -> None:
    """Keep the next answer of a build away from this one, if there are several renderers of it."""
    collects, share.collector, share.free_at = share.collector is connection, None, 0
    if len(others) < 2 or sharing.alone:
        return
    share.collected = share.collected + 1 if collects else 1
    if share.collected < sharing.batch:
        share.collector = connection
    together = sum(1 / each.seconds for each in others if each.seconds and not _is_silent(each, now))
    apart = EVENNESS / together if together else 0.0
    if sharing.most_a_second:
        apart = max(apart, 1 / sharing.most_a_second)
    share.free_at = now + round(min(apart * sharing.batch, LONGEST_APART) * NS)


def _is_silent(connection: Connection, now: int) -> bool:
    return connection.ask is None and now - connection.given_at > SILENT_AFTER * connection.seconds * NS
