"""`MidiPorts`: the MIDI ports of the system through rtmidi2. Used in a child process alone.

rtmidi2 ends the process if a port vanishes between its listing and its opening: RtMidi throws, and nothing catches it.
"""

import sys
from collections.abc import Sequence
from typing import Any

from io_bridges.lazy_imports import import_extra
from io_bridges.midi.timecode import SYSEX, is_full_frame
from presets.errors import BridgeUnavailable

CLIENT = "streamflow-live"
"""Name by which the system shows this program's ports."""
_QUEUE = 4096
"""Messages that RtMidi holds. It drops the newest of more."""


class MidiPorts:
    """One input and one output of a device, and the names of all ports. One thread only."""

    def __init__(self) -> None:
        """Connect to the system's MIDI. Raises `BridgeUnavailable`."""
        midi: Any = import_extra("rtmidi2", "midi")
        self.problem = ""
        """Reason for which there may be no port; empty if there is none."""
        try:
            self._input, self._output = midi.MidiIn(CLIENT, _QUEUE), midi.MidiOut(CLIENT)
        except RuntimeError as error:
            if sys.platform != "linux":
                raise BridgeUnavailable(f"MIDI can't be used: {error}") from error
            # JACK has ports of its own where ALSA's sequencer is missing.
            jack = midi.API_UNIX_JACK
            self.problem = "ALSA's sequencer is missing, and JACK has no port. Run: sudo modprobe snd-seq"
            try:
                self._input, self._output = midi.MidiIn(CLIENT, _QUEUE, jack), midi.MidiOut(CLIENT, jack)
            except RuntimeError:
                raise BridgeUnavailable(f"MIDI can't be used: {self.problem}") from error
        self._input.ignore_types(midi_sysex=False, midi_time=False, midi_sense=True)
        self._seconds = 0.0

    def names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names of the inputs and of the outputs, in the system's order, without this program's own."""
        return _others(self._input.ports), _others(self._output.ports)

    def open(self, name: str, output: str) -> None:
        """Open an input and an output by their names; an empty one is left closed."""
        if name:
            self._input.open_port(self._input.ports.index(name))
        if output:
            self._output.open_port(self._output.ports.index(output))

    def receive(self) -> tuple[float, Sequence[int]] | None:
        """Return the next message that has come and its time in seconds; None if none waits.

        Of system exclusive messages the full frames of timecode are passed on.
        """
        while (message := self._input.get_message()) is not None:
            # RtMidi takes the time where the message arrives, not where it is read.
            self._seconds += self._input.deltatime
            if message[:1] != [SYSEX] or is_full_frame(message):
                return self._seconds, message
        return None

    def send(self, data: Sequence[int]) -> None:
        """Send one message. Raises `RuntimeError`."""
        self._output.send_raw(*data)


def chosen(name: str, ports: Sequence[str]) -> str:
    """Return the first port that a part of a name fits, in any case; empty if none does."""
    return next((port for port in ports if name.casefold() in port.casefold()), "")


def _others(ports: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(port for port in ports if port and not port.startswith(CLIENT))
