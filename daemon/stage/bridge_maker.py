"""`BridgeMaker`: makes the threads of a show's sources, sinks and controls from its settings."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

from daemon.backup.pair import Pair
from daemon.backup.paired_show import PairedShow
from daemon.processors.processor_folder import ProcessorFolder
from daemon.shared.clock import Clock
from daemon.stage.bridge_set import BridgeSet, MakeSink
from daemon.stage.control_thread import ControlThread
from daemon.stage.control_transport import ControlTransport
from daemon.stage.cue_show import CueShow
from daemon.stage.midi_show import MidiShow
from daemon.stage.newest_frame import NewestFrame
from daemon.stage.opened_places import ADD_SINK
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.processor_show import ProcessorShow
from daemon.stage.prometheus import prometheus_text
from daemon.stage.recent_log import RECENT_LOG
from daemon.stage.recorded_show import RecordedShow
from daemon.stage.settings import Settings
from daemon.stage.show_lock import LockedShow
from daemon.stage.sink_changes import SinkChanges
from daemon.stage.sink_thread import SinkThread
from daemon.stage.source_finder import SourceFinder
from daemon.stage.source_switch import SourceSwitch
from daemon.stage.source_thread import Fitting, SourceThread
from daemon.stage.takeover_show import TakeoverShow
from daemon.stage.tick_picker import TickPicker
from io_bridges.ableton_link.control import LinkControl
from io_bridges.bridges import Control, Sink
from io_bridges.dmx.control import DmxControl
from io_bridges.frames import Pixels
from io_bridges.late_sink import LateSink
from io_bridges.late_source import LateSource
from io_bridges.midi.control import MidiControl
from io_bridges.osc.admission import OscAdmission
from io_bridges.osc.server import OscControl
from io_bridges.rates import exact_rate
from io_bridges.scheme import without_password
from io_bridges.uri import (
    announces_rate,
    make_sink,
    make_source,
    sink_framing,
    sink_rate,
    sink_scaler,
    sink_size,
    sinks_of_one_kind,
)
from io_bridges.web.page_content import PageFeeds
from io_bridges.web.preview import WebPreview
from io_bridges.web.server import WebControl
from io_bridges.zmq_control import ZmqControl
from presets.set_list import Cue, cue_times


class BridgeMaker:
    """Makes bridges that are not open yet, on threads that are not started."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        incoming: NewestFrame,
        fitting: Callable[[], Fitting],
        processors: ProcessorFolder,
    ) -> None:
        """`incoming` gets the frames of the source on air, fitted as `fitting` says.

        Controls reach the `processors` by their names.
        """
        self._settings = settings
        self._clock = clock
        self._incoming = incoming
        self._fitting = fitting
        self._processors = processors
        self._preview = WebPreview()
        self._check_on_disk: Callable[[str, str], None] = lambda address, uri: None
        self.show_rate: Callable[[], Fraction] = lambda: exact_rate(settings.fps)
        """Returns the rate of the output clock; the stage sets it."""

    def first_sinks(self) -> list[MakeSink]:
        """Return what makes each sink that the show begins with: those of the settings, and the page's preview.

        They raise `SettingsError` or `BridgeUnavailable` for a sink that can't run here.
        """
        make: list[MakeSink] = [
            partial(self._sink, uri, number, make_sink) for number, uri in enumerate(self._settings.sinks, 1)
        ]
        return make if self._settings.web is None else [*make, self._preview_sink]

    def first_source(self) -> SourceThread:
        """Return the source that the show begins with.

        Raises `SettingsError` or `BridgeUnavailable` if it must open and can't run here. Any other one fails when it is
        opened, and is tried again.
        """
        uri = self._settings.source
        source = make_source(uri) if self._settings.source_must_open else LateSource(uri)
        return SourceThread(without_password(uri), source, self._clock, self._incoming, self._fitting)

    def source(self, uri: str, on_air: bool) -> SourceThread:
        """Return a source, which is made when it is opened."""
        source = LateSource(uri, check=partial(self._check_on_disk, "/source", uri))
        # The thread's URI is shown on the page and in the log.
        return SourceThread(without_password(uri), source, self._clock, self._incoming, self._fitting, on_air)

    def changes(
        self, bridges: BridgeSet, store: ParameterStore, second: SourceSwitch
    ) -> tuple[SourceSwitch, SinkChanges]:
        """Return what changes the source, and what adds and removes sinks, for the surfaces of `store`.

        `second` changes the second source, whose port no sink can take.
        """
        settings, opened = self._settings, store.opened
        opened.open(settings)
        self._check_on_disk = opened.check_on_disk

        def check_source(uri: str) -> None:
            settings.check_source(uri, store.source_uri("/source2"), sinks.uris())
            opened.check("/source", uri)

        def check_sink(uri: str) -> None:
            settings.check_sink(uri)
            opened.check(ADD_SINK, uri)

        def check_sinks(uris: Sequence[str]) -> None:
            opened.check_on_disk(ADD_SINK, uris[-1])
            settings.check_pixels(uris)
            # A disk that hangs under a path must not keep a port from being opened.
            for source in (*switch.uris(), *second.uris()):
                settings.check_bridges(source, "", sinks_of_one_kind(uris))

        taken, refused = store.take_source, store.refused
        switch = SourceSwitch(bridges, settings.source, self._clock, self.source, check_source, taken, refused)
        sinks = SinkChanges(bridges, settings.sinks, self._clock, self._added_sink, check_sink, check_sinks, refused)
        store.open_source["/source"] = switch.request
        store.search_sources = SourceFinder().find
        store.change_sinks = sinks.request
        return switch, sinks

    def _added_sink(self, uri: str, number: int, check: Callable[[], None]) -> SinkThread:
        return self._sink(uri, number, lambda uri: LateSink(uri, check))

    def _sink(self, uri: str, number: int, make: Callable[[str], Sink]) -> SinkThread:
        settings = self._settings
        wanted, show_rate = sink_rate(uri), self.show_rate()
        rate = None if wanted is None else exact_rate(wanted)
        picker = None if rate is None else TickPicker(rate, show_rate)
        size, fps = sink_size(uri) or settings.output_size, float(show_rate if rate is None else rate)
        # The thread's URI is shown on the page and in the log.
        shown, framing, announces = without_password(uri), sink_framing(uri), announces_rate(uri)
        scaler, sink = sink_scaler(uri), make(uri)
        return SinkThread(shown, sink, self._clock, *size, fps, picker, number, framing, announces, scaler)

    def _preview_sink(self) -> SinkThread:
        return SinkThread("web:", self._preview, self._clock, *self._settings.output_size, float(self.show_rate()))

    def _input_pixels(self) -> Pixels | None:
        frame, _ = self._incoming.peek()
        return None if frame is None else frame.pixels

    def controls(
        self,
        transport: ControlTransport,
        status: Callable[[], dict[str, Any]],
        feeds: PageFeeds,
        pair: Pair,
    ) -> list[ControlThread]:
        """Return every control that the settings ask for.

        Args:
            transport: Records and plays what they control.
            status: Returns the status of the show, for the metrics.
            feeds: Functions that return what the page shows. Metrics, input, log and OSC's messages are added here.
            pair: The show and its other one.
        """
        settings = self._settings
        controls: dict[str, Control] = {}
        osc, admission = None, OscAdmission(settings.osc_allow)
        if settings.osc is not None:
            feedback = [(address.host, address.port) for address in settings.osc_feedback]
            tcp = settings.osc_tcp
            controls["osc"] = osc = OscControl(
                settings.osc.host,
                settings.osc.port,
                feedback=feedback,
                aliases=settings.osc_aliases,
                tcp=(tcp.host, tcp.port) if tcp else None,
                admission=admission,
            )
        times, beats = cue_times(settings.cues), transport.store.beats
        midi = None if settings.midi is None else MidiControl(settings.midi, cue_times=times, beats=beats)
        if midi is not None:
            controls["midi"] = midi
        dmx = None if settings.dmx is None else DmxControl(settings.dmx)
        if dmx is not None:
            controls["dmx"] = dmx
        if settings.link:
            controls["link"] = LinkControl(beats)
        if settings.control is not None:
            controls["zmq"] = ZmqControl(settings.control, pair.follow)
        if settings.web is not None:
            controls["web"] = WebControl(
                settings.web.host,
                settings.web.port,
                preview=self._preview,
                webrtc=settings.webrtc,
                token=settings.web_token,
                osc_hears=admission.includes,
                feeds=replace(
                    feeds,
                    metrics=lambda: prometheus_text(status()),
                    osc_messages=osc.monitor.messages if osc else tuple,
                    input_pixels=self._input_pixels,
                    log_lines=RECENT_LOG.lines,
                ),
            )
        cues = _cue_show(settings.cues, transport, midi, pair)
        taken_over = TakeoverShow(RecordedShow(cues, transport), transport.store.value)
        show = MidiShow(ProcessorShow(taken_over, transport.store.value, self._processors), midi, dmx)
        paired = PairedShow(LockedShow(show, transport.store.value), pair)
        return [ControlThread(name, control, paired) for name, control in controls.items()]


def _cue_show(cues: Sequence[Cue], transport: ControlTransport, midi: MidiControl | None, pair: Pair) -> CueShow:
    """Return the show that plays cues. It takes others when the set list is saved, and so does timecode."""
    show = CueShow(transport.quantised, cues)
    pair.cues.read, pair.cues.set, pair.cues.resume = show.place, show.follow, show.resume

    def pause() -> None:
        show.pause()
        transport.stop_playing()

    pair.cues.pause = pause

    def take(given: Sequence[Cue]) -> None:
        show.take(given)
        if midi is not None:
            midi.cue_times.replace(cue_times(given))

    transport.take_cues = take
    return show
