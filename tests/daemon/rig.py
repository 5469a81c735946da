"""`Rig`: a link and a supervisor without a stage, whose inputs a test sets and whose pictures it reads."""

import time
from collections.abc import Callable

import numpy as np

from daemon.link.dealer import Sharing
from daemon.link.renderer_report import RendererReport
from daemon.link.resolved_frame import ResolvedFrame
from daemon.link.server import LinkServer
from daemon.shared.clock import SystemClock
from daemon.supervision.changeover import Changeover
from daemon.supervision.lineup import Lineup
from daemon.supervision.renderer_process import SILENCE
from daemon.supervision.supervisor import Supervisor
from io_bridges.frames import Frame, RenderedFrame
from presets.build import Build, UnderstudyMode
from presets.frame_parameters import without_morph
from presets.parameters import Parameters

ECHO = Build(model="echo", width=64, height=64)


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


class Rig:
    """Takes the place of the stage for the link and the supervisor."""

    def __init__(
        self,
        wanted: Build = ECHO,
        stand_in_after: float = 0.0,
        silence: float = 1.0,
        verifying: float = 30.0,
        understudy: UnderstudyMode = "off",
        renderers: int = 1,
    ) -> None:
        self.clock = SystemClock()
        # Without a source an echo draws as fast as it can, and takes the time of the tests beside it.
        self.parameters = Parameters(seed=7, max_rate=60)
        self.revision = 1
        self.frame: Frame | None = None
        self.serial = 0
        self._newest: tuple[Frame | None, int] = (None, 0)
        """Both at once, as the link's thread must see them."""
        self.wanted = wanted
        self.aired: list[RenderedFrame] = []
        self.by: list[RendererReport] = []
        """Report of the renderer of each picture in `aired`."""
        self.told: list[str] = []
        self.went_back: list[tuple[Build, str]] = []
        self.link = LinkServer(self, self.clock, self._on_delivery)
        self.supervisor = Supervisor(
            self.link,
            self.clock,
            lambda: self.wanted,
            self._go_back,
            lambda text, fraction: self.told.append(text),
            silence=SILENCE | {"playing": silence, "verifying": verifying},
            stand_in_after=stand_in_after,
            understudy=understudy,
            renderers=renderers,
        )

    def __enter__(self) -> "Rig":
        self.link.start()
        self.supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.supervisor.stop()
        self.link.close()

    def show(self, value: int) -> None:
        pixels = np.full((64, 64, 3), value, dtype=np.uint8)
        pixels.flags.writeable = False
        self.serial += 1
        self.frame = Frame(pixels, self.serial, self.clock.now())
        self._newest = self.frame, self.serial
        self.link.ring()

    def resolved_frame(self) -> tuple[int, bytes]:
        return self.revision, ResolvedFrame(without_morph(self.parameters), False).encode()

    def newest_frame(self, width: int, height: int) -> tuple[Frame | None, int]:
        return self._newest

    def sharing(self) -> Sharing:
        return Sharing(self.parameters.feedback > 0, self.parameters.frame_buffer, self.parameters.max_rate)

    def draws_from_text(self) -> bool:
        return self.serial == 0

    def _on_delivery(self, report: RendererReport, frame: RenderedFrame, place: int, of: int) -> None:
        if self.supervisor.shows(report, frame.revision):
            self.aired.append(frame)
            self.by.append(report)

    def _go_back(self, build: Build, reason: str) -> None:
        self.went_back.append((build, reason))
        self.wanted = build

    @property
    def lineup(self) -> Lineup:
        return self.supervisor.changeover.lineup

    @property
    def on_air_build(self) -> Build | None:
        on_air = self.lineup.on_air
        return None if on_air is None else on_air.build

    @property
    def changeover(self) -> Changeover:
        return self.supervisor.changeover

    @property
    def pid(self) -> int:
        return int(self.supervisor.status()["pid"])
