"""`Stage`: the composition root. Owns every input, output and control, and keeps the picture on air.

Started in order, stopped in reverse. Nothing here reaches torch: the stage is up while the network is still loading.
"""

import json
import logging
import sys
import threading
from typing import Any

from daemon.bridge_threads import SinkThread, SourceThread, fitted
from daemon.clock import NS, Clock, SystemClock
from daemon.control_thread import ControlThread
from daemon.exposition import exposition
from daemon.mailbox import Latest
from daemon.metrics import Rate
from daemon.output import OutputClock
from daemon.renderer_process import BuildSettings
from daemon.settings import Settings
from daemon.slates import Slates
from daemon.stage_link import Peer, StageLink
from daemon.state import StateFile
from daemon.steady import steadily
from daemon.store import ParameterStore
from daemon.supervisor import Supervisor
from io_bridges.bridges import Control
from io_bridges.frames import Frame, RenderedFrame
from io_bridges.osc.server import OscControl
from io_bridges.uri import make_sink, make_source, sink_size
from io_bridges.web.preview import WebPreview
from io_bridges.web.server import WebControl
from io_bridges.zmq_control import ZmqControl
from presets.errors import StreamflowError
from presets.library import Library
from presets.live import Value, flatten
from presets.parameters import Parameters

log = logging.getLogger("stage")

FIRST_OPENING = 5.0
"""Seconds a source or sink has to open before the show begins without it; it is awaited in the background then."""

HOUSEKEEPING = 0.5
"""Seconds between two rounds of it."""

MOST_HUNG = 3
"""Threads of one address that may hang in a call that does not come back; then no more are started behind them."""

SWITCH_INTERVAL = 0.0005
"""Seconds a thread may keep the interpreter from others: the default 5 ms would be felt in every hand-over."""


class Stage:
    """One show: made from its settings, started, kept, stopped."""

    def __init__(
        self, settings: Settings, library: Library, values: dict[str, Value], clock: Clock | None = None
    ) -> None:
        """`values` are the parameters to begin with, by address."""
        self.settings = settings
        self.clock = clock or SystemClock()
        self.store = ParameterStore(library, values, status=self.status)
        self.store.on_panic = self._panic
        self._message: tuple[int, bytes] = (-1, b"")
        self._size = (int(self._parameters().width), int(self._parameters().height))
        self.link = StageLink(self, self.clock, self._on_picture)
        self._incoming: Latest[Frame] = Latest(wake=self.link.ring)
        self._rendered: Latest[RenderedFrame] = Latest()
        self.rendered_rate = Rate()
        self.slates = Slates(settings.output_size, settings.safe_picture)
        self.supervisor = Supervisor(self.link, self.clock, self._wanted_build, self._go_back, tell=self.slates.show)
        self.preview = WebPreview()
        self._source = self._make_source()
        self._sinks = [self._make_sink(place) for place in range(len(settings.sinks) + (settings.web is not None))]
        self.output = OutputClock(
            settings.fps,
            self.clock,
            self._parameters,
            self._rendered,
            self.slates.loading,
            self.slates.safe,
            [_Outlet(self._sinks, place) for place in range(len(self._sinks))],
        )
        self._controls = self._make_controls()
        self._state = StateFile(settings.state) if settings.state else None
        self._stopping = threading.Event()
        beat = steadily("the output clock", self.output.run, self._stopping.is_set)
        self._output_thread = threading.Thread(target=beat, name="output-clock", daemon=True)
        self._abandoned = 0
        self._hung: list[SourceThread | SinkThread] = []

    def start(self) -> None:
        """Take the ports, put the slate on air, start the renderer.

        Raises `BridgeError` for what can't be opened: a taken port, a clip that is not there. Nothing is left then.
        """
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            for control in self._controls:
                control.start()
            for sink in self._sinks:
                sink.start()
            self._output_thread.start()
            self._source.start()
            for bridge in (*self._sinks, self._source):
                bridge.opened(FIRST_OPENING)
        except StreamflowError:
            self.stop()
            raise
        self.link.start()
        self.supervisor.start()
        self.store.watch_revision(self.link.ring)

    def where(self) -> list[str]:
        """What listens where, a line each, for whoever started the show."""
        settings = self.settings
        lines = [f"pictures from {settings.source}"]
        lines += [f"pictures to {uri}" for uri in settings.sinks]
        lines += [f"{control.name} on {control.place}" for control in self._controls]
        return lines

    def keep(self, stop: threading.Event) -> None:
        """The housekeeping, until `stop` is set: save the state, replace bridges whose calls never came back."""
        looked = self.clock.now()
        while not stop.wait(HOUSEKEEPING):
            self._save_state()
            now = self.clock.now()
            # After Ctrl-Z and fg all calls look late: they have until the next round to come back.
            if now - looked < 4 * HOUSEKEEPING * NS:
                self._replace_bridges()
            looked = now

    def stop(self) -> None:
        """Everything in reverse; the ports are free when this returns, and no child is left."""
        self._stopping.set()
        self._save_state(at_once=True)
        self.supervisor.stop()
        self._source.stop()
        self.link.close()
        self.output.stop()
        if self._output_thread.is_alive():
            self._output_thread.join(2.0)
        for sink in self._sinks:
            sink.stop()
        for control in reversed(self._controls):
            control.stop()
        for bridge in (self._source, *self._sinks):
            if bridge.is_alive():
                bridge.join(2.0)

    # What the link asks for.

    def parameters_message(self) -> tuple[int, bytes]:
        """The newest revision, and its plain values by address as JSON; made once a revision."""
        revision, parameters = self.store.snapshot()
        if self._message[0] != revision:
            self._message = (revision, json.dumps(flatten(parameters)).encode())
        return self._message

    def picture_for(self, width: int, height: int) -> tuple[Frame | None, int]:
        """The newest source picture at this size, with its serial number."""
        self._size = (width, height)
        frame, serial = self._incoming.peek()
        return (None, 0) if frame is None else (fitted(frame, width, height), serial)

    def draws_from_text(self) -> bool:
        """True in text mode, and until a first picture has come in."""
        return self._parameters().mode == "text" or self._incoming.peek()[1] == 0

    def status(self) -> dict[str, Any]:
        """The show's state, JSON-able; any thread."""
        now = self.clock.now()
        on_air = self.output.on_air
        delay, interval = self.output.delays.quantile(0.5), self.output.intervals.quantile(0.999)
        return {
            "fps": round(self.rendered_rate.per_second(now), 2),
            "rendered": self.rendered_rate.total,
            "output_fps": self.settings.fps,
            "output_size": list(self.settings.output_size),
            "output_interval_p999_ms": None if interval is None else round(interval * 1000, 2),
            "ticks": self.output.ticks,
            "missed_ticks": self.output.missed,
            "latency_ms": None if delay is None else round(delay * 1000, 1),
            "on_air": None if on_air is None else {"index": on_air.index, "revision": on_air.revision},
            "renderer": self.supervisor.status(),
            "sources": [self._source.status()],
            "sinks": [sink.status() for sink in self._sinks],
            "controls": [control.status() for control in self._controls],
            "abandoned_bridges": self._abandoned,
            "link_refused": self.link.refused,
        }

    # The seams between the parts.

    def _parameters(self) -> Parameters:
        return self.store.snapshot()[1]

    def _wanted_build(self) -> BuildSettings:
        return BuildSettings.of(self._parameters(), self.settings.threads)

    def _go_back(self, build: BuildSettings, reason: str) -> None:
        log.error("going back to %s: %s", build, reason)
        for key in ("model", "width", "height", "accelerator"):
            self.store.apply(f"/{key}", [getattr(build, key)], "supervisor")

    def _on_picture(self, peer: Peer, frame: RenderedFrame) -> None:
        if self.supervisor.airs(peer):
            self._rendered.put(frame)
            self.rendered_rate.mark(self.clock.now())
            self.store.on_air = frame.revision

    def _panic(self, revision: int) -> None:
        self.output.panic(revision)

    def _make_source(self) -> SourceThread:
        uri = self.settings.source
        return SourceThread(uri, make_source(uri), self.clock, self._incoming, lambda: self._size)

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
                settings.web.host, settings.web.port, preview=self.preview, metrics=lambda: exposition(self.status())
            )
        return [ControlThread(name, control, self.store) for name, control in controls.items()]

    def _replace_bridges(self) -> None:
        if self._gives_way(self._source):
            self._source = self._make_source()
            self._source.start()
        for place, sink in enumerate(self._sinks):
            if self._gives_way(sink):
                self._sinks[place] = self._make_sink(place)
                self._sinks[place].start()

    def _gives_way(self, bridge: SourceThread | SinkThread) -> bool:
        trouble = bridge.trouble
        self._hung = [thread for thread in self._hung if thread.is_alive()]
        # A disk that hangs hangs whoever touches it: threads must not pile up all night behind it.
        if not trouble or sum(thread.uri == bridge.uri for thread in self._hung) >= MOST_HUNG:
            return False
        log.error("%s: %s; it is abandoned and opened anew", bridge.uri, trouble)
        self._abandoned += 1
        bridge.stop()
        self._hung.append(bridge)
        return True

    def _save_state(self, at_once: bool = False) -> None:
        if self._state is not None:
            self._state.save_if_changed(self.store.values(), at_once)


class _Outlet:
    """A place in the row of sinks: the clock keeps its hand-over while the thread behind it is replaced."""

    def __init__(self, sinks: list[SinkThread], place: int) -> None:
        self._sinks = sinks
        self._place = place

    def put(self, value: Any) -> None:
        self._sinks[self._place].newest.put(value)
