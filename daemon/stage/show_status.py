"""`ShowStatus`: the status of a show, composed from its parts for the page, the controls and Prometheus."""

from collections.abc import Callable, Sequence
from typing import Any

from daemon.link.server import LinkServer
from daemon.shared.clock import NS, Clock
from daemon.stage.bridge_set import BridgeSet
from daemon.stage.control_thread import ControlThread
from daemon.stage.metrics import Rate
from daemon.stage.notices import (
    ADAPTER_CONTROLS,
    Notice,
    NoticeLog,
    StartNotices,
    as_json,
    failed_sink_notice,
    gives_frames,
    refused_image_notice,
    refused_source_notice,
    second_source_notice,
    shared_notice,
    size_notice,
    source_notice,
    still_notice,
    unused_fader,
    words_notice,
)
from daemon.stage.output_clock import OutputClock
from daemon.stage.processing import Processing
from daemon.stage.second_source import SecondSource
from daemon.stage.settings import Settings
from daemon.stage.show_sound import ShowSound
from daemon.stage.sink_changes import SinkChanges
from daemon.stage.source_rate import SourceRate
from daemon.stage.source_switch import SourceSwitch
from daemon.stage.word_notes import WordNotes
from daemon.supervision.supervisor import Supervisor
from presets.parameters import Parameters


class ShowStatus:
    """Reads the parts of one show. Any thread may call it."""

    of_state: Callable[[], Sequence[Notice]] = tuple
    """Returns the notices of the state file; the stage sets it."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        parameters: Callable[[], Parameters],
        is_moving: Callable[[], bool],
        output: OutputClock,
        source_rate: SourceRate,
        rendered_rate: Rate,
        supervisor: Supervisor,
        bridges: BridgeSet,
        switch: SourceSwitch,
        sink_changes: SinkChanges,
        second: SecondSource,
        controls: Sequence[ControlThread],
        link: LinkServer,
        words: WordNotes,
        processing: Processing,
        sound: ShowSound,
        notices: Sequence[Notice] = (),
    ) -> None:
        """`is_moving` returns True during a morph and while the noise drifts. `notices` are about the start values."""
        self._settings = settings
        self._clock = clock
        self._parameters = parameters
        self._is_moving = is_moving
        self._output = output
        self._source_rate = source_rate
        self._rendered_rate = rendered_rate
        self._supervisor = supervisor
        self._bridges = bridges
        self._switch = switch
        self._sink_changes = sink_changes
        self._second = second
        self._controls = controls
        self._link = link
        self._words = words
        self._processing = processing
        self._sound = sound
        self._size_at_start = (parameters().width, parameters().height)
        self._started_at = clock.now()
        self._start_notices = StartNotices(notices)
        self._log = NoticeLog()

    def where(self) -> list[str]:
        """Return one line for each source, sink and control with its address."""
        lines = [f"pictures from {self._bridges.source.place}"]
        if self._settings.source2:
            lines.append(f"pictures over it from {self._second.thread.place}")
        lines += [f"pictures to {sink.place}" for sink in self._bridges.sinks[: len(self._settings.sinks)]]
        return lines + [f"{control.name} on {control.address}" for control in self._controls]

    def compose(self) -> dict[str, Any]:
        """Return the state of the show, ready for JSON."""
        now = self._clock.now()
        output, on_air = self._output, self._output.on_air
        delays, interval = output.delays.median_and_p99(now), output.intervals.quantile(0.999)
        return {
            "fps": round(self._rendered_rate.per_second(now), 2),
            "rendered": self._rendered_rate.total,
            "output_fps": round(float(output.rate), 3),
            "output_fps_from": self._source_rate.origin if self._settings.follow_source else "",
            "output_size": list(self._settings.output_size),
            "output_interval_p999_ms": None if interval is None else round(interval * 1000, 2),
            "ticks": output.ticks,
            "missed_ticks": output.missed,
            # Pictures drawn from text, and repeated ones, have no capture time.
            "latency_ms": round(delays[0] * 1000, 1) if delays and on_air and on_air.captured_at else None,
            "lead_ms": round(output.lead() * 1000, 1),
            "on_air": None if on_air is None else {"index": on_air.index, "revision": on_air.revision},
            "renderer": self._supervisor.status(),
            "sources": [self._bridges.source.status(), *self._second.status()],
            "opening_source": self._switch.opening or self._second.switch.opening,
            "sinks": [sink.status() for sink in self._bridges.sinks],
            "opening_sinks": self._sink_changes.opening,
            "controls": [control.status() for control in self._controls],
            "abandoned_bridges": self._bridges.abandoned + self._second.abandoned,
            "link_refused": self._link.refused,
            "drawn_as": self._words.notes(),
            "processors": self._processing.status(),
            "sound": self._sound.status(),
            "notices": as_json(self.notices()),
        }

    def remark(self, address: str) -> str:
        """Return the sentence that the reply to a change of `address` carries; empty for none."""
        # Most controls need no parameters, which are built anew after each change: a fader changes them all the time.
        if address in ADAPTER_CONTROLS:
            return unused_fader(self._parameters(), address)
        if address.startswith("/processor/"):
            return self._processing.remark(address)
        if address not in ("/width", "/height"):
            return self._words.note(address)
        parameters = self._parameters()
        notice = size_notice((parameters.width, parameters.height), self._settings.output_size, self._size_at_start)
        return notice.text if notice is not None else ""

    def log_notices(self) -> None:
        """Write the notices that are new to the log. One thread only."""
        threads = (self._bridges.source, self._second.thread)
        playing = [thread.uri for thread in threads if gives_frames(thread.status())]
        self._log.update([*self.notices(), *self._words.notices()], playing)

    def notices(self) -> list[Notice]:
        """Return the notices that hold now."""
        parameters, source = self._parameters(), self._bridges.source
        source_status = source.status()
        renderer = self._supervisor.status()
        width, height = renderer.get("size", (0, 0))
        age = (self._clock.now() - self._started_at) / NS
        has_source = source_status.get("source") != "none"
        found = [
            *self._start_notices.current(parameters),
            size_notice((width, height), self._settings.output_size, self._size_at_start) if width else None,
            source_notice(source.uri, source_status, age) if parameters.mode == "image" else None,
            refused_source_notice(self._switch.failed),
            *map(failed_sink_notice, self._sink_changes.failed),
            refused_source_notice(self._second.switch.failed),
            *(second_source_notice(self._second.thread.uri, each) for each in self._second.status()),
            refused_image_notice(renderer.get("refused", "")),
            words_notice(renderer.get("refused_words", ""), renderer.get("loading", "")),
            shared_notice(parameters, renderer["renderers"]),
            still_notice(parameters, has_source, self._is_moving()),
            *self._processing.notices(),
            *self._sound.notices(),
            *self.of_state(),
        ]
        return [notice for notice in found if notice is not None]
