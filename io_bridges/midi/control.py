"""`MidiControl`: MIDI devices control the show, and follow its values. docs/midi.md describes them."""

import time
from collections.abc import Callable, Sequence

from io_bridges.lazy_imports import missing_extra
from io_bridges.midi.decoding import CLOCK
from io_bridges.midi.device import MidiDevice
from io_bridges.midi.feedback import MidiFeedback
from io_bridges.midi.learning import LearningDesk, MidiMemory
from io_bridges.midi.played_device import ClockLead, MidiTimeline, PlayedDevice
from io_bridges.midi.song_clock import TRANSPORT
from io_bridges.midi.timecode import QUARTER_FRAME, SYSEX, CueTimes
from io_bridges.show_control import ControlReply, Later, ShowControl
from io_bridges.wakeup_socket import WakeupSocket, wait_until_readable
from presets.errors import BridgeError, BridgeUnavailable
from presets.midi_file import MidiSetup
from presets.midi_mapping import MidiMapping, MidiTrigger
from presets.timecode import Timecode

FEEDBACK_INTERVAL = 1 / 60
"""Seconds between two places sent to one control."""
TEND_INTERVAL = 0.25
"""Seconds between two looks at the processes of the devices."""
LEAST_TEMPO_CHANGE = 0.05
"""Beats a minute below which a clock leaves the tempo as it is."""
LEAST_SHIFT = 0.02
"""Beats below which the show is in step with a clock: 10 ms at 120 beats a minute."""
SAVING_SECONDS = 1.0
"""Time that a mapping may take to be saved when the show ends."""

MakeDevice = Callable[[str, Callable[[], None]], MidiDevice]


class MidiControl:
    """A `Control` for MIDI devices. `learn`, `cancel`, `forget` and `status` may be called from any thread."""

    def __init__(
        self,
        setup: MidiSetup,
        make_device: MakeDevice = MidiDevice,
        cue_times: Sequence[tuple[Timecode, int]] = (),
        beats: Callable[[], float] | None = None,
    ) -> None:
        """Take the names of the devices and their mapping. `make_device` makes one by its name and a waker.

        `cue_times` are the cues that timecode calls, with their numbers.
        `beats` returns the show's beats of now, which are kept with those of a clock; None leaves them alone.
        """
        self._beats = beats
        self._setup = setup
        self.cue_times = CueTimes(cue_times)
        self._timeline = MidiTimeline(self.cue_times)
        self._make_device = make_device
        self.memory = MidiMemory(setup.mapping, setup.file)
        self._learning = LearningDesk(self.memory, several_devices=len(setup.names) > 1)
        self._wake: WakeupSocket | None = None
        self._stopping = False
        self._devices: list[PlayedDevice] = []
        self._clock = ClockLead()
        self._fed: MidiMapping | None = None
        """Mapping that the devices have feedback of."""
        self._last: dict[str, object] | None = None
        self._counts = {"messages": 0, "accepted": 0, "refused": 0, "unmapped": 0, "ticks": 0}

    def open(self, show: ShowControl) -> None:
        """Look for the devices from now on. Raises `BridgeUnavailable` without rtmidi2."""
        if reason := missing_extra("rtmidi2", "midi"):
            raise BridgeUnavailable(reason)
        self._show = show
        self._stopping = False
        self._wake = wake = WakeupSocket()
        self._changes = show.subscribe("midi feedback", wake.call)
        self._devices = [
            PlayedDevice(self._make_device(name, wake.call), MidiFeedback(name)) for name in self._setup.names
        ]

    def serve(self) -> None:
        """Apply messages and send feedback until `stop`. Raises `BridgeError` if it is not open."""
        if self._wake is None:
            raise BridgeError("MIDI is not open")
        next_tend = next_feedback = 0.0
        is_fresh = True
        while not self._stopping:
            now = time.monotonic()
            if now >= next_tend:
                next_tend = now + TEND_INTERVAL
                for played in self._devices:
                    played.device.tend(now)
            for played in self._devices:
                for seconds, data in played.device.take():
                    self._receive(played, seconds, data, now)
            self._learning.tend(now)
            if is_fresh and now >= next_feedback:
                next_feedback, is_fresh = now + FEEDBACK_INTERVAL, False
                self._send_feedback()
            until = min(next_tend, next_feedback) if is_fresh else next_tend
            if wait_until_readable([self._wake], max(0.0, until - now)):
                self._wake.clear()
                is_fresh = True

    def stop(self) -> None:
        """Make `serve` return soon. Called from any thread."""
        self._stopping = True
        if (wake := self._wake) is not None:
            wake.call()

    def close(self) -> None:
        """End the processes of the devices. Never raises; may be called twice."""
        for played in self._devices:
            played.device.close()
        self.memory.wait_until_saved(SAVING_SECONDS)
        if self._wake is not None:
            self._changes.close()
            self._wake.close()
            self._wake = None

    def learn(self, text: str, later: Later | None = None) -> str:
        """Map the control that moves next to an address, with a value or without. Return a sentence.

        `later` gets the outcome. Raises `ParameterRefused` for an address that no control can have.
        """
        return self._requested(self._learning.begin(text, later))

    def cancel(self) -> str:
        """Stop learning. Return a sentence."""
        return self._requested(self._learning.cancel())

    def forget(self, text: str) -> str:
        """Remove a control, or every control of an address. Return a sentence. Raises `ParameterRefused`."""
        return self._requested(self.memory.forget(text))

    def status(self) -> dict[str, object]:
        """Return the devices, the ports of the system, the mapping, and what is learned."""
        devices = [played.device.status() for played in self._devices]
        reports = [played.device.report for played in self._devices]
        return {
            "address": ", ".join(self._setup.names),
            "devices": devices,
            "inputs": list(dict.fromkeys(port for report in reports for port in report.inputs)),
            "outputs": list(dict.fromkeys(port for report in reports for port in report.outputs)),
            "last": self._last,
            "mappings": [
                {"control": str(trigger), "to": target.to, "value": target.value}
                for trigger, target in self.memory.mapping.targets.items()
            ],
            "file": str(self.memory.file),
            "not_saved": self.memory.failure,
            "timecode": self._timeline.status(time.monotonic()),
            **self._learning.status(),
            **self._counts,
        }

    def problems(self) -> list[str]:
        """Return a sentence for each device that is missing, and for a mapping that is not saved."""
        notes = [played.device.problem for played in self._devices]
        unsaved = self.memory.failure and f"the mapping is not saved: {self.memory.failure}"
        return [note for note in (*notes, unsaved) if note]

    def _requested(self, sentence: str) -> str:
        if (wake := self._wake) is not None:
            wake.call()
        return sentence

    def _receive(self, played: PlayedDevice, seconds: float, data: bytes, now: float) -> None:
        if data and data[0] in (CLOCK, *TRANSPORT):
            if self._clock.leads(played, now):
                self._take_clock(played, seconds, data, now)
            return
        if data[:1] in (bytes([QUARTER_FRAME]), bytes([SYSEX])):
            if (number := self._timeline.take(played, data, now)) is not None:
                self._apply(played, "timecode", "/cue/jump", [number])
            return
        moves = played.decoder.decode(data)
        if not moves:
            return
        self._counts["messages"] += 1
        name = played.device.name
        self._last = {"device": name, "control": str(moves[0].trigger()), "value": data[-1]}
        if self._learning.hear(moves, name, now):
            return
        mapping, mapped = self.memory.mapping, False
        for move in moves:
            target = mapping.find(move.trigger(name))
            if target is None:
                continue
            mapped = True
            call = target.arguments(move.kind, move.share, move.pressed)
            reply = None if call is None else self._apply(played, str(move.trigger()), *call)
            played.feedback.moved(move, reply.value if reply is not None and reply.accepted else None)
        self._counts["unmapped"] += not mapped

    def _apply(self, played: PlayedDevice, control: str, address: str, arguments: list[object]) -> ControlReply:
        # The name ends as a port does, so that take-over knows the device by what stands before.
        reply = self._show.apply(address, arguments, f"midi:{played.device.name}:{control}")
        self._counts["accepted" if reply.accepted else "refused"] += 1
        return reply

    def _take_clock(self, played: PlayedDevice, seconds: float, data: bytes, now: float) -> None:
        """Follow the clock of a device: its tempo, and the beats of its song."""
        if data[0] != CLOCK:
            played.song.take(data)
            return
        self._counts["ticks"] += 1
        name, mapping = played.device.name, self.memory.mapping
        bpm = played.tempo.tick(seconds)
        if bpm is not None and mapping.find(MidiTrigger("clock", device=name)) is not None:
            parameter = self._show.parameters["/bpm"]
            bpm = float(parameter.coerce(bpm))
            if abs(bpm - float(self._show.values()["/bpm"])) >= LEAST_TEMPO_CHANGE:
                self._apply(played, "clock", "/bpm", [bpm])
        delay = played.delay.of(seconds, now)
        beat, begins = played.song.tick()
        target = mapping.find(MidiTrigger("start", device=name))
        if beat is None or target is None:
            return
        if begins == "start":
            self._apply(played, "start", target.to, [])
        elif target.to == "/resync" and (begins or beat.is_integer()):
            self._keep_step(played, beat, bool(begins), delay)

    def _keep_step(self, played: PlayedDevice, beat: float, is_jump: bool, delay: float) -> None:
        """Set the show's beat to that of a tick, if it is a jump of the song or they have come apart."""
        late = played.tempo.lateness() + delay
        beat += late * float(self._show.values()["/bpm"]) / 60.0
        if is_jump or (self._beats is not None and abs(beat - self._beats()) >= LEAST_SHIFT):
            self._apply(played, "clock", "/beat", [beat])

    def _send_feedback(self) -> None:
        changes, mapping = self._changes.take(), self.memory.mapping
        is_new, self._fed = mapping is not self._fed, mapping
        for played in self._devices:
            values = changes
            if played.device.opened():
                played.feedback.forget()
                values = self._show.values()
            elif is_new:
                values = self._show.values()
            if values:
                names = self._show.preset_names() if "/preset" in values else ()
                played.device.send(played.feedback.messages(mapping, values, names))
