"""`Stage`: the composition root of a show. It makes the inputs, outputs, controls and the supervisor, and joins them.

Nothing here imports torch: the stage is up while the network is still loading.
"""

import threading
from collections.abc import Sequence
from typing import Any

from daemon.backup.backup_pair import pair_of
from daemon.backup.joining import FirstShow
from daemon.link.renderer_report import RendererReport
from daemon.link.server import LinkServer
from daemon.shared.clock import NS, Clock, SystemClock
from daemon.shared.process import tune_stage_process
from daemon.stage.ask_responder import AskResponder
from daemon.stage.bridge_maker import BridgeMaker
from daemon.stage.bridge_set import BridgeSet
from daemon.stage.bridge_threads import BridgeThread, join_all
from daemon.stage.burst_spreader import BurstSpreader
from daemon.stage.control_transport import ControlTransport
from daemon.stage.look_pictures import LookPictures
from daemon.stage.loss_cover import LossCover
from daemon.stage.metrics import PictureRate
from daemon.stage.newest_frame import NewestFrame
from daemon.stage.notices import Notice
from daemon.stage.output_clock import OutputClock
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.phase_lock import PhaseLock
from daemon.stage.preset_watch import PresetWatch
from daemon.stage.processing import Processing
from daemon.stage.second_source import SecondSource
from daemon.stage.set_list_watch import watch_set_list
from daemon.stage.settings import Settings
from daemon.stage.show_sound import ShowSound
from daemon.stage.show_status import ShowStatus
from daemon.stage.slate_frames import SlateFrames
from daemon.stage.source_rate import SourceRate
from daemon.stage.source_thread import Fitting
from daemon.stage.state_file import KeptState
from daemon.stage.tempo_clock import MovingParameters, TempoClock
from daemon.stage.wanted_build import WantedBuild
from daemon.stage.word_notes import WordNotes
from daemon.supervision.supervisor import Supervisor
from io_bridges.frames import RenderedFrame
from io_bridges.syphon.run_loop import tend_run_loop
from io_bridges.web.page_content import PageFeeds
from presets.errors import StreamflowError
from presets.library import Library
from presets.parameter_table import Value

FIRST_OPENING = 5.0
"""Seconds to wait for a source or sink to open. The show then starts without it, and it opens in the background."""
CLOSING = 4.0
"""Seconds for all bridges to close when the show ends."""
HOUSEKEEPING = 0.5
"""Seconds between two rounds of `Stage.keep`."""


class Stage:
    """One show. Call `start`, then `keep` until it shall end, then `stop`."""

    def __init__(
        self,
        settings: Settings,
        library: Library,
        values: dict[str, Value],
        clock: Clock | None = None,
        notices: Sequence[Notice] = (),
        first: FirstShow | None = None,
    ) -> None:
        """`values` are the first parameters, by address; `notices` are about them. A backup follows `first`."""
        self.settings, self.library, self.clock = settings, library, clock or SystemClock()
        self.store = ParameterStore(library, {**values, **settings.sources}, self.status, TempoClock(self.clock))
        self.pair = pair_of(settings, self.store, self.clock, lambda: self.output, first)
        self._kept = KeptState(settings.state, self.store.values_to_keep)
        self._parameters = MovingParameters(self.store, self.store.tempo.time)
        coming = MovingParameters(self.store, self.store.tempo.time_on_air)
        self._incoming = NewestFrame(self.clock, coming, wake=self._frame_came)
        self.sound = ShowSound(settings.audio, self.store)
        self.second = SecondSource(settings, self.clock, self.store, self._fitting, self.pair.sinks, self._frame_came)
        self.processing = Processing(settings.processors, self.clock, self._parameters, self._ring, self._show)
        self._responder = AskResponder(self.store, self.clock, self._incoming, self.second, coming, self.processing)
        self.link = LinkServer(self._responder, self.clock, self._on_delivery, settings.link_host)
        self._rendered, self.transport = BurstSpreader(self.clock), ControlTransport(self.store, self.clock)
        self.rendered_rate = PictureRate(lambda: self._responder.is_moving or self._parameters().feedback > 0)
        self.slates = SlateFrames(settings.output_size, settings.safe_picture)
        wanted = WantedBuild(settings, self.store, self._parameters)
        callbacks = wanted.build, wanted.go_back, self.slates.show
        self.supervisor = Supervisor(self.link, self.clock, *callbacks, **settings.renderer_count)
        make = BridgeMaker(settings, self.clock, self._incoming, self._fitting, self.processing.folder)
        self.bridges = BridgeSet(make.first_source, make.first_sinks())
        self.switch, self.sink_changes = make.changes(self.bridges, self.store, self.second.switch)
        self.output = self._output_clock()
        self.pair.uris, make.show_rate = self.sink_changes.uris, lambda: self.output.rate
        self._source_rate = SourceRate(self.clock, self.output.rate)
        self._words = WordNotes(self.supervisor.vocabulary, self._parameters)
        self.looks = LookPictures(library, self.store, self.clock)
        feeds = PageFeeds(self._words.known_words, self.looks.pictures, self.sound.meters)
        self._controls = make.controls(self.transport, self.status, feeds, self.pair)
        self._status = ShowStatus(
            settings,
            self.clock,
            self._parameters,
            lambda: self._responder.is_moving,
            self.output,
            self._source_rate,
            self.rendered_rate,
            self.supervisor,
            self.bridges,
            self.switch,
            self.sink_changes,
            self.second,
            self._controls,
            self.link,
            self._words,
            self.processing,
            self.sound,
            notices,
        )
        self.store.on_panic, self.store.remark = self.output.panic, self._status.remark
        self._status.of_state = self._kept.notices

    def start(self) -> None:
        """Open the bridges, put the slate on air and start the renderer. After an error everything is stopped again.

        Raises:
            BridgeError: a bridge can't be opened: its port is taken, its clip is missing.
            SettingsError: another show keeps its state in the same file.
        """
        tune_stage_process()
        # First of all, because `stop` saves the state, and must not save over another show's.
        self._kept.claim()
        try:
            self.transport.start(self.settings)
            for control in self._controls:
                control.start()
            self.bridges.source.start()
            if self.settings.follow_source:
                # The sinks are opened with the rate.
                self.bridges.source.wait_for_attempt(FIRST_OPENING)
                self._follow_source()
            for sink in self.bridges.sinks:
                sink.start()
            self.sink_changes.start()
            self.output.start()
            must_open = [self.bridges.source] if self.settings.source_must_open else []
            for bridge in (*self.bridges.sinks, *must_open):
                bridge.wait_until_open(FIRST_OPENING)
            self.second.start(FIRST_OPENING)
        except StreamflowError:
            self.stop()
            raise
        self.switch.start()
        for start in (self.processing.start, self.link.start, self.supervisor.start, self.looks.start, self.pair.start):
            start()
        self.store.tempo.lead, self.store.tempo.change_times = self.output.lead, self.output.changes.times
        self.output.changes.interval = lambda: self._responder.interval
        self.store.watch_revision(self.link.ring)

    def where(self) -> list[str]:
        """Return one line for each source, sink and control with its address."""
        return self._status.where()

    def keep(self, stop: threading.Event) -> None:
        """Save the state, log notices and replace stuck bridges, until `stop` is set. For the main thread."""
        looked = self.clock.now()
        PresetWatch(self.library, self.store).start(stop, HOUSEKEEPING)
        watch_set_list(self.settings.set_list, self.library, self.transport).start(stop, HOUSEKEEPING)
        while not stop.wait(HOUSEKEEPING):
            for keep in (self._kept.save, self.pair.keep, self.processing.look):
                keep()
            self.sound.look()
            self._status.log_notices()
            tend_run_loop()
            if self.settings.follow_source:
                self._follow_source()
            # After Ctrl-Z and fg every call looks late. Each has until the next round to return.
            if (now := self.clock.now()) - looked < 4 * HOUSEKEEPING * NS:
                self.bridges.replace_stuck()
                self.second.replace_stuck()
            looked = now

    def stop(self) -> None:
        """Stop everything in reverse order. The ports are free and the children gone when this returns."""
        self.pair.end()
        self._kept.save(at_once=True)
        for stop in (self.looks.stop, self.transport.stop, self.sound.stop, self.switch.stop, self.sink_changes.stop):
            stop()
        self.supervisor.stop()
        self.bridges.source.stop()
        self.second.stop()
        self.link.close()
        self.processing.stop()
        self.output.stop()
        self.output.join()
        for sink in self.bridges.sinks:
            sink.stop()
        for control in reversed(self._controls):
            control.stop()
        join_all(self._bridge_threads(), CLOSING)
        self._kept.release()

    @property
    def hangs(self) -> bool:
        """True if a bridge has not returned from a call."""
        return any(bridge.is_alive() for bridge in self._bridge_threads())

    def status(self) -> dict[str, Any]:
        """Return the state of the show, ready for JSON. Any thread may call it."""
        return self._status.compose()

    def _output_clock(self) -> OutputClock:
        return OutputClock(
            self.settings.fps,
            self.clock,
            self._parameters,
            self._rendered,
            self.slates.loading,
            self.slates.safe,
            self.bridges,
            LossCover(self.settings.fps, self._incoming.policy),
            PhaseLock() if self.settings.follow_source else None,
        )

    def _bridge_threads(self) -> list[BridgeThread]:
        return [self.bridges.source, *self.bridges.sinks, *self.bridges.leaving(), *self.second.threads]

    def _follow_source(self) -> None:
        self.output.rate = self._source_rate.look(self.bridges.source)
        self.bridges.follow(self.output.rate)  # a sink that was added meanwhile too

    def _fitting(self) -> Fitting:
        return self._responder.fitting

    def _ring(self) -> None:
        self.link.ring()

    def _frame_came(self) -> None:
        self.processing.frame_came()

    def _on_delivery(self, report: RendererReport, frame: RenderedFrame, place: int, of: int) -> None:
        if self.supervisor.shows(report, frame.revision):
            self.rendered_rate.count(frame, self.clock.now())
            self.processing.put(frame, place, of)

    def _show(self, frame: RenderedFrame, place: int, of: int) -> None:
        self._rendered.put(frame, place, of)
        self.output.arrived(frame, place)
        self.store.on_air, self.looks.newest = frame.revision, frame
