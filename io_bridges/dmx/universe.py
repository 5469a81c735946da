"""`DmxUniverse`: the levels of one universe, of one source or of several.

The source of the highest priority holds. Of several with it, each channel has the level that was changed last. A source
that says nothing for 2.5 seconds is lost, and its levels stay until another one sends.
"""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from io_bridges.dmx.packets import DmxPacket

LOST_AFTER = 2.5
"""Seconds of silence after which a source is lost (E131_NETWORK_DATA_LOSS_TIMEOUT)."""
MOST_SOURCES = 8
"""Sources of one universe. The one that was silent longest is forgotten first."""
_REORDERED = 20
"""Packets by which one may be late (E1.31, 6.7.2). One further back is a source that was started anew."""


@dataclass(slots=True)
class DmxSource:
    """One source of a universe."""

    name: str
    protocol: str
    priority: int
    sequence: int | None
    levels: bytes
    heard_at: float
    leads: bool = False
    """True if its last levels were taken."""


class DmxUniverse:
    """Merges sources. One thread only."""

    def __init__(self, channels: Collection[int]) -> None:
        """Look at these channels, counted from 1."""
        self._channels = sorted(channels)
        self._sources: OrderedDict[tuple[str, str], DmxSource] = OrderedDict()
        self.levels: dict[int, int] = {}
        """Level of each channel that has come at least once, 0 to 255."""
        self.heard_at: float | None = None
        """Seconds at which levels came last; None before the first."""

    def take(self, packet: DmxPacket, now: float) -> list[int]:
        """Take a packet at a time in seconds. Return the channels whose level it sets."""
        self._forget_lost(now)
        key = packet.protocol, packet.source
        if packet.ends:
            self._sources.pop(key, None)
            return []
        source = self._sources.get(key)
        if source is None:
            source = DmxSource(packet.name, packet.protocol, packet.priority, None, b"", now)
            self._sources[key] = source
            if len(self._sources) > MOST_SOURCES:
                self._sources.popitem(last=False)
        elif _is_late(packet.sequence, source.sequence):
            return []
        self._sources.move_to_end(key)
        self.heard_at = source.heard_at = now
        before, source.levels, source.sequence = source.levels, packet.levels, packet.sequence
        source.priority, led = packet.priority, source.leads
        source.leads = packet.priority >= max(each.priority for each in self._sources.values())
        if source.leads:
            for each in self._sources.values():
                each.leads = each.leads and each.priority >= source.priority
        if not source.leads or (led and packet.levels == before):
            return []
        return self._changed(packet.levels, before if led else None)

    def sources(self, now: float) -> list[DmxSource]:
        """Return the sources that are not lost, the last heard first."""
        self._forget_lost(now)
        return list(reversed(self._sources.values()))

    def _changed(self, levels: bytes, before: bytes | None) -> list[int]:
        """Return the channels that differ from those that the source sent before, or from those that hold."""
        found = []
        for channel in self._channels:
            if channel > len(levels):
                break
            level = levels[channel - 1]
            if before is None or channel > len(before):
                differs = self.levels.get(channel) != level
            else:
                differs = before[channel - 1] != level
            if differs:
                self.levels[channel] = level
                found.append(channel)
        return found

    def _forget_lost(self, now: float) -> None:
        for key in [key for key, source in self._sources.items() if now - source.heard_at > LOST_AFTER]:
            del self._sources[key]


def _is_late(sequence: int | None, last: int | None) -> bool:
    return sequence is not None and last is not None and (last - sequence) % 256 < _REORDERED
