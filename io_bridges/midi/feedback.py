"""`MidiFeedback`: the messages that put the faders and lights of one device to the values of the show."""

from collections.abc import Mapping, Sequence

from io_bridges.midi.decoding import MidiMove, encode_place
from presets.midi_mapping import FADERS, MidiMapping, MidiTrigger
from presets.parameter_table import Value

_Place = tuple[str, int, int]
"""A control of the device: its kind, number and channel."""


class MidiFeedback:
    """Keeps where the controls of a device stand. One thread only.

    A fader never gets back the value that it set itself, or its motor would fight the hand. A pad gets the state of its
    switch also when it was pressed itself, since most pads have no other light.
    """

    def __init__(self, device: str) -> None:
        """Take the name of the device, as the mapping has it."""
        self._device = device
        self._stands: dict[_Place, list[bytes]] = {}
        self._own: dict[_Place, Value] = {}
        self._channels: dict[tuple[str, int], int] = {}
        """Channel that a control was last heard on, for entries of any channel."""

    def forget(self) -> None:
        """Take note that the device was opened anew: nothing is known of it."""
        self._stands.clear()
        self._own.clear()

    def moved(self, move: MidiMove, value: Value | None) -> None:
        """Take note of a move by hand, and of the value that it set, if it set one."""
        place = move.kind, move.number, move.channel
        self._channels[move.kind, move.number] = move.channel
        if move.kind not in FADERS:
            return
        self._stands[place] = encode_place(move.trigger(), move.channel, move.share)
        if value is not None:
            self._own[place] = value

    def messages(
        self, mapping: MidiMapping, values: Mapping[str, Value], preset_names: Sequence[str]
    ) -> dict[object, bytes]:
        """Return the messages for controls that stand elsewhere, each under a key of its own, by values by address."""
        found: dict[object, bytes] = {}
        for trigger, target in mapping.targets.items():
            if target.to not in values or (trigger.kind != "note" and trigger.kind not in FADERS):
                continue
            channel = trigger.channel or self._channels.get((trigger.kind, trigger.number), 1)
            # Another entry may be nearer for this device or channel.
            here = MidiTrigger(trigger.kind, trigger.number, channel, self._device)
            if mapping.find(here) is not target:
                continue
            value = values[target.to]
            share = target.place(value, preset_names)
            place = trigger.kind, trigger.number, channel
            if share is None or (place in self._own and self._own[place] == value):
                continue
            self._own.pop(place, None)
            messages = encode_place(trigger, channel, share)
            if self._stands.get(place) != messages:
                self._stands[place] = messages
                found.update({(*place, half): message for half, message in enumerate(messages)})
        return found
