"""The file of a DMX mapping: which channels move which addresses of the show.

A channel is written with its universe, ``1/7``. Two channels that make one fader of 16 bits are ``1/7+8``, the coarse
one first. The targets are those of MIDI controllers.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from presets.errors import ParameterRefused, PresetError
from presets.files import read_bytes
from presets.midi_mapping import MidiTarget, checked
from presets.target_file import parse_targets

MOST_UNIVERSES = 16
"""Universes of one mapping. A socket of Linux joins at most 20 multicast groups."""
CHANNELS = 512
LAST_UNIVERSE = 63999

_WRITTEN = re.compile(r"([0-9]{1,5})/([0-9]{1,3})(?:\+([0-9]{1,3}))?")


class DmxTrigger(NamedTuple):
    """A channel of a universe, or two that make one fader."""

    universe: int
    """Number of the universe in sACN, and the port-address in Art-Net, which counts from 0."""
    channel: int
    """Channel from 1 to 512: the coarse one of two."""
    fine: int = 0
    """Channel with the lower eight bits; 0 for none."""

    def __str__(self) -> str:
        return f"{self.universe}/{self.channel}" + (f"+{self.fine}" if self.fine else "")


class DmxSetup(NamedTuple):
    """The DMX of a show: its mapping and the address that it listens on."""

    targets: Mapping[DmxTrigger, MidiTarget]
    host: str = "127.0.0.1"


def read_dmx_setup(file: Path | None, host: str) -> DmxSetup | None:
    """Return the DMX of a show, None without a file. Raises `PresetError` with each problem on a line."""
    return None if file is None else DmxSetup(parse_dmx(read_bytes(file), str(file)), host)


def parse_dmx(data: bytes, name: str) -> dict[DmxTrigger, MidiTarget]:
    """Return the targets of a file. `name` stands before its problems. Raises `PresetError`."""
    targets = parse_targets(data, name, "DMX", "1/7", parse_dmx_trigger, _checked)
    if not targets:
        raise PresetError(f"{name}: a DMX mapping maps channels, such as 1/7, to addresses; it is empty")
    universes = {trigger.universe for trigger in targets}
    if len(universes) > MOST_UNIVERSES:
        raise PresetError(f"{name}: a DMX mapping has at most {MOST_UNIVERSES} universes; {len(universes)} came")
    return targets


def parse_dmx_trigger(text: str) -> DmxTrigger:
    """Return the channel of a text such as ``1/7`` or ``1/7+8``. Raises `ParameterRefused`."""
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise ParameterRefused(f"a channel is UNIVERSE/CHANNEL, such as 1/7, or 1/7+8; {text[:40]!r} was given")
    universe, channel, fine = int(match[1]), int(match[2]), int(match[3] or 0)
    if universe > LAST_UNIVERSE:
        raise ParameterRefused(f"a universe is from 0 to {LAST_UNIVERSE}; {universe} was given")
    for number in (channel, fine) if match[3] else (channel,):
        if not 1 <= number <= CHANNELS:
            raise ParameterRefused(f"a channel is from 1 to {CHANNELS}; {number} was given")
    if channel == fine:
        raise ParameterRefused(f"the two channels of {text} are the same")
    return DmxTrigger(universe, channel, fine)


def _checked(target: MidiTarget, trigger: DmxTrigger) -> MidiTarget:
    if target.hold:
        raise ParameterRefused("hold goes with a key of MIDI; a channel turns a switch on from its middle")
    if target == MidiTarget(to="/preset"):
        if trigger.fine:
            raise ParameterRefused("/preset takes one channel, whose level is the number of the preset")
        return target
    return checked(target, "cc")
