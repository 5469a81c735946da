"""`RendererStarter`: starts the renderers of one show, each on the GPU with the fewest of them."""

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from daemon.cluster.address import ClusterAddress
from daemon.link.messages import Phase
from daemon.link.server import LinkServer
from daemon.shared.clock import Clock
from daemon.supervision.cluster_start import ClusterStarter
from daemon.supervision.gpu_choice import GpuChoice
from daemon.supervision.process_start import ProcessStarter
from daemon.supervision.renderer_process import RendererProcess
from presets.build import Build
from presets.errors import RendererError

log = logging.getLogger("stage.renderer")


class Placement(NamedTuple):
    """Number of renderers that draw at once, and where they run."""

    renderers: int = 1
    cluster: ClusterAddress | None = None
    """Ray cluster that they run on; None for this machine."""


class RendererStarter:
    """Starts renderers of one show. One thread only."""

    def __init__(
        self,
        link: LinkServer,
        clock: Clock,
        silence: Mapping[Phase, float],
        failed: Callable[[str], None],
        placement: Placement,
    ) -> None:
        """Create it with nothing started.

        Args:
            link: Where the renderers report.
            clock: Time of their budgets.
            silence: Seconds without a message that a renderer may take, by phase.
            failed: Called with the reason where the system can start none.
            placement: How many draw at once, and where.
        """
        self._link = link
        self._clock = clock
        self._silence = silence
        self._failed = failed
        renderers, cluster = placement
        self._processes = ProcessStarter() if cluster is None else ClusterStarter(cluster, renderers, link)
        self._gpus = GpuChoice(renderers if cluster is None else 1)
        self._started: list[RendererProcess] = []

    def close(self) -> None:
        """End what the renderers were forked from."""
        self._processes.close()

    def start(self, build: Build, beside: RendererProcess | None = None) -> RendererProcess | None:
        """Return a started renderer, which is the understudy of `beside` if given; None if it can't be started."""
        self._started = [renderer for renderer in self._started if renderer.is_running]
        gpu = self._gpus.next(renderer.gpu for renderer in self._started)
        try:
            renderer = RendererProcess(build, self._link, self._clock, self._processes, self._silence, beside, gpu)
        except RendererError as error:
            log.error("%s", error)
            self._failed(str(error))
            return None
        self._started.append(renderer)
        on_gpu = f" on GPU {gpu}" if gpu else ""
        log.info("starting %s%s: %s", "an understudy" if beside else "a renderer", on_gpu, build)
        return renderer
