"""`PlayedDevice`, and the device whose clock or timecode is followed where there are several."""

from dataclasses import dataclass, field

from io_bridges.midi.decoding import MidiDecoder
from io_bridges.midi.device import MidiDevice
from io_bridges.midi.feedback import MidiFeedback
from io_bridges.midi.song_clock import ArrivalDelay, SongClock
from io_bridges.midi.tempo import MidiTempo
from io_bridges.midi.timecode import CueTimes, MtcPosition, MtcReader

CLOCK_SECONDS = 2.0
"""Time after which another device may lead, if the first one has stopped."""
RUNNING_SECONDS = 0.25
"""Time without timecode after which a timeline stands."""


@dataclass(slots=True)
class PlayedDevice:
    """One device with what is known of it."""

    device: MidiDevice
    feedback: MidiFeedback
    decoder: MidiDecoder = field(default_factory=MidiDecoder)
    tempo: MidiTempo = field(default_factory=MidiTempo)
    timecode: MtcReader = field(default_factory=MtcReader)
    song: SongClock = field(default_factory=SongClock)
    delay: ArrivalDelay = field(default_factory=ArrivalDelay)


class ClockLead:
    """The device whose clock is followed: the first one, until it has stopped for a while."""

    def __init__(self) -> None:
        self._leader: PlayedDevice | None = None
        self._heard_at = 0.0

    def leads(self, played: PlayedDevice, now: float) -> bool:
        """Return True if the clock of a device that has just ticked is followed."""
        if self._leader is not played and self._leader is not None and now - self._heard_at < CLOCK_SECONDS:
            return False
        self._leader, self._heard_at = played, now
        return True


class MidiTimeline:
    """The timecode that is followed, and the cues that it calls. `status` may be called from any thread."""

    def __init__(self, cues: CueTimes) -> None:
        self._cues = cues
        self._lead = ClockLead()
        self._told: tuple[str, MtcPosition, float] | None = None
        """Device, place and time of the newest place."""

    def take(self, played: PlayedDevice, data: bytes, now: float) -> int | None:
        """Take a message of timecode. Return the number of the cue that it calls; None if it calls none."""
        position = played.timecode.read(data)
        if position is None or not self._lead.leads(played, now):
            return None
        self._told = played.device.name, position, now
        return self._cues.take(position)

    def status(self, now: float) -> dict[str, object] | None:
        """Return the device, the time, the rate, and whether it runs; None before the first time."""
        if self._told is None:
            return None
        device, position, heard_at = self._told
        runs = position.runs and now - heard_at < RUNNING_SECONDS
        return {"device": device, "time": str(position.time), "rate": position.rate, "runs": runs}
