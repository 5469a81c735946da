"""`Supervisor`: keeps a renderer playing. Start, restart, model swap and accelerator swap are one mechanism.

A wanted build that is not on air is started as a second renderer; once it delivers a picture, the stage switches to it
and ends the old one. A renderer that dies or falls silent is replaced by another of the same build.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from daemon.clock import NS, Clock
from daemon.link import Phase
from daemon.renderer_process import SILENCE, BuildSettings, RendererProcess
from daemon.stage_link import Peer, StageLink
from daemon.steady import steadily
from presets.errors import RendererError

log = logging.getLogger("stage.supervisor")

LONGEST_BACK_OFF = 10.0
PATIENCE_WITH_A_BUILD = 2
"""Deaths before a first picture after which the last build that delivered is taken again."""
SETTLE = 0.3
"""Seconds a wanted build must stand before it is started: two numbers of a size are two messages."""


class Supervisor:
    """Its thread looks at the renderers twenty times a second; nothing else starts or ends one."""

    def __init__(
        self,
        link: StageLink,
        clock: Clock,
        wanted: Callable[[], BuildSettings],
        go_back: Callable[[BuildSettings, str], None],
        tell: Callable[[str, float], None],
        silence: Mapping[Phase, float] = SILENCE,
    ) -> None:
        """`go_back` puts a build back into the parameters, with the reason; `tell` shows progress on the slate.

        `silence` is how many seconds without a word a renderer may take in each phase.
        """
        self._link = link
        self._clock = clock
        self._wanted = wanted
        self._go_back = go_back
        self._tell = tell
        self._silence = silence
        self._on_air: RendererProcess | None = None
        self._candidate: RendererProcess | None = None
        self._delivered: BuildSettings | None = None
        self._deaths = 0
        self._misses = 0
        self._next_start = 0
        self._wanted_since: tuple[BuildSettings, int] | None = None
        self._stopping = threading.Event()
        watch = steadily("the supervisor", self._run, self._stopping.is_set)
        self._thread = threading.Thread(target=watch, name="supervisor", daemon=True)
        self.restarts = 0
        self.last_failure = ""

    def start(self) -> None:
        """Begin; the first renderer is started at once."""
        self._thread.start()

    def stop(self) -> None:
        """End all renderers."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        for renderer in (self._candidate, self._on_air):
            if renderer is not None:
                renderer.end(grace=0.5)

    def airs(self, peer: Peer) -> bool:
        """Whether a picture of this renderer belongs on air. The first one of a candidate is what switches to it."""
        candidate, on_air = self._candidate, self._on_air
        return (candidate is not None and peer is candidate.peer) or (
            on_air is not None and peer is on_air.peer and not (candidate is not None and candidate.delivers)
        )

    def status(self) -> dict[str, Any]:
        """Of the renderer on air, or else of the one on its way."""
        shown = self._on_air or self._candidate
        coming = self._candidate if self._on_air is not None else None
        status: dict[str, Any] = {"restarts": self.restarts, "failure": self.last_failure}
        if shown is None:
            return status | {"phase": "down", "text": "", "fraction": 0.0, "pid": 0}
        peer = shown.peer
        status |= {"phase": peer.phase, "text": peer.text, "fraction": peer.fraction, "pid": shown.pid}
        status |= {"step_ms": round(peer.seconds * 1000, 2), "in_flight": peer.in_flight, "pacing": peer.pacing}
        status |= {"delivered": peer.delivered, "misplaced": peer.misplaced}
        status |= {"size": [shown.build.width, shown.build.height]}
        status |= peer.description
        if coming is not None:
            status["next"] = {"build": str(coming.build), "phase": coming.peer.phase, "fraction": coming.peer.fraction}
        return status

    def _run(self) -> None:
        looked = self._clock.now()
        while not self._stopping.wait(0.05):
            now = self._clock.now()
            if now - looked > NS:
                # It was this process that stood still (Ctrl-Z and fg, a closed lid): it has not listened either.
                for renderer in (self._candidate, self._on_air):
                    if renderer is not None:
                        renderer.peer.seen_at = now
            looked = now
            self.look()

    def look(self) -> None:
        """One round: bury the dead, promote what delivers, start what is wanted."""
        self._watch_on_air()
        self._watch_candidate()
        self._start_what_is_wanted()
        if self._on_air is None and self._candidate is not None:
            self._tell(self._candidate.peer.text or "starting", self._candidate.peer.fraction)

    def _watch_on_air(self) -> None:
        if self._on_air is None:
            return
        verdict = self._on_air.verdict()
        if verdict:
            log.error("the renderer is lost: %s; the picture on air is held, another one starts", verdict)
            self.last_failure = verdict
            self.restarts += 1
            self._on_air.end()
            lived = self._clock.now() - self._on_air.started_at
            self._on_air = None
            # At once after a good life; a renderer that dies young and often is started ever more slowly.
            self._deaths = 0 if lived > 30 * NS else self._deaths + 1
            self._wait_before_next()

    def _watch_candidate(self) -> None:
        candidate = self._candidate
        if candidate is None:
            return
        if candidate.delivers:
            old, self._on_air, self._candidate = self._on_air, candidate, None
            self._delivered = candidate.build
            self._deaths = 0 if old is not None else self._deaths
            self._misses = 0
            log.info("on air: %s (%s)", candidate.build, candidate.peer.description.get("why", ""))
            if old is not None:
                old.end(grace=0.2)
            return
        verdict = candidate.verdict()
        if verdict:
            log.error("the renderer for %s gave no picture: %s", candidate.build, verdict)
            self.last_failure = verdict
            self._deaths += 1
            self._misses += 1
            candidate.end()
            self._candidate = None
            if self._on_air is None:
                self._tell(verdict, 0.0)
            last = self._delivered
            if last is not None and last != candidate.build and self._misses >= PATIENCE_WITH_A_BUILD:
                self._deaths = 0
                self._go_back(last, verdict)
            else:
                self._wait_before_next()

    def _start_what_is_wanted(self) -> None:
        now = self._clock.now()
        wanted = self._wanted()
        if self._wanted_since is None or self._wanted_since[0] != wanted:
            first = self._wanted_since is None
            self._wanted_since = (wanted, now - (NS if first else 0))
            self._misses = 0
        if now - self._wanted_since[1] < SETTLE * NS:
            return
        if self._candidate is not None and self._candidate.build != wanted:
            self._candidate.end()
            self._candidate = None
        there = self._candidate or self._on_air
        if (there is None or there.build != wanted) and now >= self._next_start:
            try:
                self._candidate = RendererProcess(wanted, self._link, self._clock, self._silence)
            except RendererError as error:
                log.error("%s", error)
                self.last_failure = str(error)
                self._deaths += 1
                self._wait_before_next()
            else:
                log.info("starting a renderer (process %d): %s", self._candidate.pid, wanted)

    def _wait_before_next(self) -> None:
        back_off = 0.0 if self._deaths == 0 else min(0.25 * 2 ** (self._deaths - 1), LONGEST_BACK_OFF)
        self._next_start = self._clock.now() + round(back_off * NS)
