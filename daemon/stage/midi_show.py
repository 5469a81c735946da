"""`MidiShow`: a show whose MIDI controls are learned by ``/midi/learn`` and removed by ``/midi/forget``."""

from collections.abc import Sequence

from daemon.stage.message_reading import read_message
from daemon.stage.replies import action_text, action_value
from daemon.stage.show_wrapper import ShowWrapper
from io_bridges.dmx.control import DmxControl
from io_bridges.midi.control import MidiControl
from io_bridges.show_control import ControlReply, Later, ShowControl
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, TWINS

ADDRESSES = ("/midi/learn", "/midi/cancel", "/midi/forget")
NO_MIDI = "MIDI is off; start the show with --midi NAME"


class MidiShow(ShowWrapper):
    """Passes every message but these actions on. A missing device and a lost DMX universe are notices."""

    def __init__(self, show: ShowControl, midi: MidiControl | None, dmx: DmxControl | None = None) -> None:
        """`midi` is None for a show without MIDI, which refuses the actions."""
        super().__init__(show)
        self._midi = midi
        self._dmx = dmx

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        """Learn or remove a MIDI control, or pass any other message on."""
        if address in PARAMETERS or address in TWINS:  # most messages
            return self._show.apply(address, arguments, sender, later)
        written = "/" + address.lower().strip("/")
        if not written.startswith("/midi/"):
            return self._show.apply(address, arguments, sender, later)
        try:
            known, arguments, _, _ = read_message(written, arguments, {}, tuple)
            if known not in ADDRESSES:
                return self._show.apply(address, arguments, sender, later)
            text = action_text(known, self._show.actions[known].argument, arguments)
            if text is None:
                return ControlReply(known, True, None, "a button's release does nothing")
            return ControlReply(known, True, None, self._act(known, text, later))
        except ParameterRefused as refusal:
            self.refused(sender, f"{written[:60]}: {refusal}")
            return ControlReply(written, False, None, str(refusal))

    def status(self) -> dict[str, object]:
        """Return the state of the show, with a notice for each device that is missing, and one for a lost mapping."""
        status = self._show.status()
        problems = [f"MIDI: {problem}" for problem in (self._midi.problems() if self._midi else ())]
        problems += [f"DMX: {problem}" for problem in (self._dmx.problems() if self._dmx else ())]
        if not problems:
            return status
        notices = status.get("notices")
        told = [{"level": "warning", "text": problem} for problem in problems]
        return {**status, "notices": [*(notices if isinstance(notices, list) else []), *told]}

    def _act(self, address: str, text: str, later: Later | None) -> str:
        if self._midi is None:
            raise ParameterRefused(NO_MIDI)
        if address == "/midi/cancel":
            return self._midi.cancel()
        taken, _ = action_value(address, text)
        return self._midi.learn(taken, later) if address == "/midi/learn" else self._midi.forget(taken)
