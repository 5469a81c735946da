"""`Supervisor`: the thread that keeps a renderer playing, and its status."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from daemon.cluster.address import ClusterAddress
from daemon.link.messages import Phase
from daemon.link.renderer_report import RendererReport
from daemon.link.server import LinkServer
from daemon.shared.clock import NS, Clock
from daemon.shared.threads import restart_on_crash
from daemon.supervision.changeover import STAND_IN_AFTER, Changeover
from daemon.supervision.picture_order import PictureOrder
from daemon.supervision.renderer_process import SILENCE
from daemon.supervision.renderer_starter import Placement
from daemon.supervision.renderer_status import renderer_status
from presets.build import Build, UnderstudyMode
from presets.vocabulary import Vocabulary

ROUND = 0.05
"""Seconds between two looks at the renderers."""


class Supervisor:
    """One thread, which alone starts and ends renderers. The methods may be called from any thread."""

    def __init__(
        self,
        link: LinkServer,
        clock: Clock,
        wanted: Callable[[], Build],
        go_back: Callable[[Build, str], None],
        show_progress: Callable[[str, float], None],
        silence: Mapping[Phase, float] = SILENCE,
        stand_in_after: float = STAND_IN_AFTER,
        understudy: UnderstudyMode = "off",
        renderers: int = 1,
        cluster: ClusterAddress | None = None,
    ) -> None:
        """Create it with its callbacks.

        Args:
            link: Where the renderers report.
            clock: Time of every budget and delay.
            wanted: Returns the build that the parameters ask for.
            go_back: Puts a build back into the parameters, with the reason.
            show_progress: Shows a text and a fraction on the slate.
            silence: Seconds without a message that a renderer may take, by phase.
            stand_in_after: See `STAND_IN_AFTER`.
            understudy: See `UnderstudyMode`.
            renderers: Renderers that draw at once.
            cluster: Ray cluster that they run on; None for this machine.
        """
        self._clock = clock
        self.order = PictureOrder(clock)
        spares = understudy, Placement(renderers, cluster)
        self.changeover = Changeover(link, clock, wanted, go_back, show_progress, silence, stand_in_after, *spares)
        self._stopping = threading.Event()
        watch = restart_on_crash("the supervisor", self._run, self._stopping.is_set)
        self._thread = threading.Thread(target=watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start the supervisor thread, which starts the first renderer at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and end all renderers."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        for renderer in self.changeover.lineup:
            renderer.end(grace=0.5)
        self.changeover.starter.close()

    def shows(self, report: RendererReport, revision: int) -> bool:
        """Return True if the last picture of this renderer is to be shown. Called once for each picture.

        `revision` is that of the parameters which the picture honours in full.
        """
        return self.is_on_air(report) and self.order.takes(report, revision)

    def is_on_air(self, report: RendererReport) -> bool:
        """Return True if pictures of this renderer are shown. The first one of a candidate makes the switch."""
        lineup = self.changeover.lineup
        if lineup.understudy is not None and report is lineup.understudy.report:
            return not report.is_held  # it was released a moment ago, and its part in the line-up follows
        candidate, playing = lineup.candidate, lineup.on_air or lineup.stand_in
        if candidate is not None and (report is candidate.report or candidate.delivers):
            return report is candidate.report
        return any(report is each.report for each in (playing, *lineup.peers) if each is not None)

    def status(self) -> dict[str, Any]:
        """Return the status of the renderers, ready for JSON."""
        rules = self.changeover
        failures = {"restarts": rules.restarts + rules.peers.lost, "failure": rules.last_failure}
        spares = {
            "understudy": rules.understudies.status(rules.lineup),
            "renderers": rules.peers.status(rules.lineup) | {"late": self.order.late},
        }
        return failures | renderer_status(rules.lineup, rules.attempts) | spares

    def vocabulary(self) -> Vocabulary | None:
        """Return the words that the model on air knows, None if it takes any text or no renderer is ready."""
        playing = self.changeover.lineup.on_air or self.changeover.lineup.candidate
        return None if playing is None else playing.report.description.vocabulary

    def _run(self) -> None:
        looked = self._clock.now()
        while not self._stopping.wait(ROUND):
            now = self._clock.now()
            if now - looked > NS:
                # This process itself stood still (Ctrl-Z and fg, a closed lid), and heard nothing meanwhile.
                for renderer in self.changeover.lineup:
                    renderer.report.heard_at = now
            looked = now
            self.changeover.look()
