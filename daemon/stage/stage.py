"""`Stage`: the composition root. Owns every input, output and control, and keeps the picture on air.

Started in order, stopped in reverse. Nothing here reaches torch: the stage is up while the network is still loading.
"""

import logging
import threading
from collections.abc import Sequence
from functools import partial
from typing import IO, Any

from daemon.link.renderer_report import RendererReport
from daemon.link.server import LinkServer
from daemon.shared.clock import NS, Clock, SystemClock
from daemon.shared.file_lock import lock_file
from daemon.shared.mailbox import Mailbox
from daemon.shared.process import tune_stage_process
from daemon.shared.threads import restart_on_crash
from daemon.stage.ask_responder import AskResponder
from daemon.stage.bridge_set import BridgeSet
from daemon.stage.bridge_threads import SinkThread, SourceThread
from daemon.stage.burst_spreader import BurstSpreader
from daemon.stage.control_thread import ControlThread
from daemon.stage.metrics import PictureRate
from daemon.stage.notices import Notice
from daemon.stage.output_clock import OutputClock
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.prometheus import prometheus_text
from daemon.stage.settings import Settings
from daemon.stage.show_status import ShowStatus
from daemon.stage.slate_frames import SlateFrames
from daemon.stage.state_file import StateFile
from daemon.supervision.supervisor import Supervisor
from io_bridges.bridges import Control
from io_bridges.frames import Frame, RenderedFrame
from io_bridges.osc.server import OscControl
from io_bridges.uri import make_sink, make_source, sink_size
from io_bridges.web.preview import WebPreview
from io_bridges.web.server import WebControl
from io_bridges.zmq_control import ZmqControl
from presets.build import Build
from presets.errors import StreamflowError
from presets.library import Library
from presets.parameter_table import Value
from presets.parameters import Parameters

log = logging.getLogger("stage")

FIRST_OPENING = 5.0
"""Seconds a source or sink has to open before the show begins without it; it is awaited in the background then."""

HOUSEKEEPING = 0.5
"""Seconds between two rounds of it."""


class Stage:
    """One show: made from its settings, started, kept, stopped."""

    def __init__(
        self,
        settings: Settings,
        library: Library,
        values: dict[str, Value],
        clock: Clock | None = None,
        notices: Sequence[Notice] = (),
    ) -> None:
        """`values` are the parameters to begin with, by address; `notices` are about them."""
        self.settings = settings
        self.clock = clock or SystemClock()
        self.store = ParameterStore(library, values, status=self.status)
        self.store.on_panic = self._panic
        self._incoming: Mailbox[Frame] = Mailbox(wake=self._ring_link)
        self._responder = AskResponder(self.store, self.clock, self._incoming)
        self.link = LinkServer(self._responder, self.clock, self._on_delivery)
        self._rendered = BurstSpreader(self.clock)
        self.rendered_rate = PictureRate(lambda: self._responder.is_moving or self._parameters().feedback > 0)
        self.slates = SlateFrames(settings.output_size, settings.safe_picture)
        self.supervisor = Supervisor(self.link, self.clock, self._wanted_build, self._go_back, self.slates.show)
        self.preview = WebPreview()
        sinks = range(len(settings.sinks) + (settings.web is not None))
        self.bridges = BridgeSet(self._make_source, [partial(self._make_sink, place) for place in sinks])
        self.output = OutputClock(
            settings.fps,
            self.clock,
            self._parameters,
            self._rendered,
            self.slates.loading,
            self.slates.safe,
            self.bridges.outlets,
        )
        self._controls = self._make_controls()
        self._status = ShowStatus(
            settings,
            self.clock,
            self._parameters,
            lambda: self._responder.is_moving,
            self.output,
            self.rendered_rate,
            self.supervisor,
            self.bridges,
            self._controls,
            self.link,
            notices,
        )
        self.store.remark = self._status.remark
        self._state: StateFile | None = None
        self._claimed: IO[bytes] | None = None
        self._stopping = threading.Event()
        beat = restart_on_crash("the output clock", self.output.run, self._stopping.is_set)
        self._output_thread = threading.Thread(target=beat, name="output-clock", daemon=True)

    def start(self) -> None:
        """Take the ports, put the slate on air, start the renderer.

        Raises `BridgeError` for what can't be opened: a taken port, a clip that is not there; `SettingsError` where
        another show keeps its state in the same file. Nothing is left then.
        """
        tune_stage_process()
        if self.settings.state is not None:
            # Before anything that may fail: what fails saves the state, and must not save over another show's.
            self._claimed = lock_file(self.settings.state)
            self._state = StateFile(self.settings.state)
        try:
            for control in self._controls:
                control.start()
            for sink in self.bridges.sinks:
                sink.start()
            self._output_thread.start()
            self.bridges.source.start()
            for bridge in (*self.bridges.sinks, self.bridges.source):
                bridge.wait_until_open(FIRST_OPENING)
        except StreamflowError:
            self.stop()
            raise
        self.link.start()
        self.supervisor.start()
        self.store.watch_revision(self.link.ring)

    def where(self) -> list[str]:
        """What listens where, a line each, for whoever started the show."""
        lines = [f"pictures from {_place(self.bridges.source)}"]
        lines += [f"pictures to {_place(sink)}" for sink in self.bridges.sinks[: len(self.settings.sinks)]]
        lines += [f"{control.name} on {control.address}" for control in self._controls]
        return lines

    def keep(self, stop: threading.Event) -> None:
        """The housekeeping, until `stop` is set: save the state, replace bridges whose calls never came back."""
        looked = self.clock.now()
        while not stop.wait(HOUSEKEEPING):
            self._save_state()
            self._status.log_notices()
            now = self.clock.now()
            # After Ctrl-Z and fg all calls look late: they have until the next round to come back.
            if now - looked < 4 * HOUSEKEEPING * NS:
                self.bridges.replace_stuck()
            looked = now

    def stop(self) -> None:
        """Everything in reverse; the ports are free when this returns, and no child is left."""
        self._stopping.set()
        self._save_state(at_once=True)
        self.supervisor.stop()
        self.bridges.source.stop()
        self.link.close()
        self.output.stop()
        if self._output_thread.is_alive():
            self._output_thread.join(2.0)
        for sink in self.bridges.sinks:
            sink.stop()
        for control in reversed(self._controls):
            control.stop()
        for bridge in (self.bridges.source, *self.bridges.sinks):
            if bridge.is_alive():
                bridge.join(2.0)
        if self._claimed is not None:
            self._claimed.close()

    def status(self) -> dict[str, Any]:
        """Return the state of the show, ready for JSON. Any thread may call it."""
        return self._status.compose()

    # The seams between the parts.

    def _parameters(self) -> Parameters:
        return self.store.snapshot()[1]

    def _wanted_build(self) -> Build:
        return Build.of(self._parameters(), threads=self.settings.threads, gpu_share=self.settings.gpu_share)

    def _go_back(self, build: Build, reason: str) -> None:
        log.error("going back to %s: %s", build, reason)
        for address, value in build.values().items():
            self.store.apply(address, [value], "supervisor")

    def _ring_link(self) -> None:
        self.link.ring()

    def _on_delivery(self, report: RendererReport, frame: RenderedFrame, place: int, of: int) -> None:
        if self.supervisor.is_on_air(report):
            self._rendered.put(frame, place, of)
            self.rendered_rate.count(frame, self.clock.now())
            self.store.on_air = frame.revision

    def _panic(self, revision: int) -> None:
        self.output.panic(revision)

    def _make_source(self) -> SourceThread:
        uri = self.settings.source
        return SourceThread(uri, make_source(uri), self.clock, self._incoming, lambda: self._responder.size)

    def _make_sink(self, place: int) -> SinkThread:
        if place == len(self.settings.sinks):
            return SinkThread("web:", self.preview, self.clock, *self.settings.output_size, self.settings.fps)
        uri = self.settings.sinks[place]
        size = sink_size(uri) or self.settings.output_size
        return SinkThread(uri, make_sink(uri), self.clock, *size, self.settings.fps)

    def _make_controls(self) -> list[ControlThread]:
        settings = self.settings
        controls: dict[str, Control] = {}
        if settings.osc is not None:
            feedback = [(address.host, address.port) for address in settings.osc_feedback]
            controls["osc"] = OscControl(settings.osc.host, settings.osc.port, feedback=feedback)
        if settings.control is not None:
            controls["zmq"] = ZmqControl(settings.control)
        if settings.web is not None:
            controls["web"] = WebControl(
                settings.web.host,
                settings.web.port,
                preview=self.preview,
                metrics=lambda: prometheus_text(self.status()),
            )
        return [ControlThread(name, control, self.store) for name, control in controls.items()]

    def _save_state(self, at_once: bool = False) -> None:
        if self._state is not None:
            self._state.save_if_changed(self.store.values(), at_once)


def _place(bridge: SourceThread | SinkThread) -> str:
    """Its address, with the port that the system chose where it was to choose."""
    opened = str(bridge.status().get("address", ""))
    return bridge.uri if opened in bridge.uri else f"{bridge.uri} ({opened})"
