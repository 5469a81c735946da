"""`TempoActions`: the actions that move the beats of a show, and those that start envelopes."""

from collections.abc import Callable, Mapping
from functools import partial

from daemon.stage.live_values import LiveValues
from daemon.stage.tempo_clock import TempoClock
from io_bridges.show_control import ControlReply, Later
from presets.declaration import TRIGGERS

MOST_BEATS = 1e6
"""Largest number of a beat that a message sets: 40 hours at the fastest tempo."""


class TempoActions:
    """Each is a message that is noted, and changes no value but the tempo. Any thread may call them."""

    def __init__(self, values: LiveValues, tempo: TempoClock) -> None:
        self._values = values
        self._tempo = tempo

    def acts(self) -> Mapping[str, Callable[[str, str, Later | None], ControlReply]]:
        """Return what does each action, by its address: it takes a text, the sender and who gets a late reply."""
        triggers = {address: partial(self._trigger, address) for address in TRIGGERS}
        return {"/tap": self._tap, "/beat": self._set_beat, "/resync": self._resync, **triggers}

    def _tap(self, _: str, sender: str, later: Later | None) -> ControlReply:
        bpm = self._tempo.tap()
        self._values.change({} if bpm is None else {"/bpm": bpm}, sender, "/tap")
        return ControlReply("/tap", True, None, "tap on" if bpm is None else f"{bpm:g} beats/min")

    def _set_beat(self, beat: str, sender: str, later: Later | None) -> ControlReply:
        self._tempo.set_beat(min(max(float(beat), -MOST_BEATS), MOST_BEATS))
        self._values.change({}, sender, "/beat")
        return ControlReply("/beat", True, None)

    def _resync(self, _: str, sender: str, later: Later | None) -> ControlReply:
        self._tempo.resync()
        self._values.change({}, sender, "/resync")
        return ControlReply("/resync", True, None)

    def _trigger(self, address: str, _: str, sender: str, later: Later | None) -> ControlReply:
        self._tempo.trigger(TRIGGERS.index(address))
        self._values.change({}, sender, address)
        return ControlReply(address, True, None)
