"""Handling of OSC floods: `Coalescer` keeps the newest value of each fader, `FloodLimiter` batches the reads.

The coalescer takes only datagrams that cannot be refused: one message to a numeric parameter by its exact name, to its
share of the range (``/norm``) or by a step (``/add``), with one ``f`` or ``i`` argument that is a number. It decodes
the argument of those that are applied, since it knows the rest by its bytes, and of steps, which it adds up. The caller
handles every other datagram, after everything that was kept before it.
"""

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from io_bridges.osc.packets import Message, encode_message
from io_bridges.osc.surfaces import UdpAddress
from io_bridges.show_control import ShowControl
from presets.declaration import ADD, NORM
from presets.parameter_table import Parameter, Value

INTERVAL = 0.004
"""Longest time in seconds that a datagram waits for the end of a pause."""
FLOOD = 4
"""More datagrams than this, in an interval and in the one before, are a flood. One gesture of several faders is not."""
TORRENT = 256
"""From this many datagrams on there is no pause, because the system's buffer (about 500) could overflow in it."""

_ARGUMENT_BYTES = 4
_FLOAT = b",f\0\0"
_FLOATS, _INTS = struct.Struct(">f"), struct.Struct(">i")


class _Fader(NamedTuple):
    """A form of datagram that sets a parameter."""

    parameter: str
    """Address of the parameter."""
    address: str
    """Address of the message."""
    layout: struct.Struct


@dataclass(slots=True)
class StepSum:
    """Steps of one encoder, added up: as one step they have the same effect as one after another.

    Each step ends at the limits of the parameter. So all of them are a sum that ends at two limits of its own.
    """

    parameter: Parameter
    total: float
    least: float
    """Minimum of the parameter."""
    most: float
    """Maximum of the parameter."""
    count: int = 1
    low: float = field(init=False)
    high: float = field(init=False)

    def __post_init__(self) -> None:
        self.low, self.high = self.least, self.most

    def add(self, number: float) -> None:
        """Add a step."""
        self.total += number
        self.low = min(max(self.low + number, self.least), self.most)
        self.high = min(max(self.high + number, self.least), self.most)
        self.count += 1

    def as_message(self, values: Callable[[], Mapping[str, Value]]) -> Message:
        """Return one step for all of them. `values` returns the present values by address."""
        step = self.total
        if self.count > 1:
            now = float(values()[self.parameter.address])
            wanted = now + step
            reached = min(max(wanted, self.low), self.high)
            step = step if reached == wanted else reached - now
        return Message(f"{self.parameter.address}{ADD}", [step])


class Coalescer:
    """The newest datagram of each fader and sender, and the sum of each encoder's steps.

    It holds no more than one drain of the socket brings. A newer value goes to the end, so `take` returns the values in
    the order in which the newest ones arrived. With two senders of one address the later one wins, as it would without
    the coalescer. Values and steps of one address are never kept together, since their order matters.
    """

    def __init__(self, show: ShowControl) -> None:
        self._show = show
        numeric = [
            (address, parameter)
            for address, parameter in show.parameters.items()
            # A choice may refuse a number, which must not cost the value before it. A text may load a preset.
            if parameter.kind in ("float", "int", "bool") and address not in show.actions
        ]
        self._faders = {
            encode_message(f"{address}{end}", zero)[:-_ARGUMENT_BYTES]: _Fader(address, f"{address}{end}", layout)
            for address, _ in numeric
            for end in ("", NORM)
            for zero, layout in ((0.0, _FLOATS), (0, _INTS))
        }
        """Faders by the bytes of a datagram before its argument: the address and the type tag."""
        self._encoders = {
            encode_message(f"{address}{ADD}", zero)[:-_ARGUMENT_BYTES]: (parameter, layout)
            for address, parameter in numeric
            if parameter.kind != "bool" and _has_limits(parameter) and not parameter.multiple_of
            for zero, layout in ((0.0, ">f"), (0, ">i"))
        }
        """The same for steps, with the layout of the argument. A multiple rounds each step by itself."""
        self._kept: dict[tuple[str, UdpAddress], bytes | StepSum] = {}
        self._are_steps: dict[str, bool] = {}
        """For each address that is kept: True if steps are, False if a value is."""
        self.superseded = 0
        """Number of datagrams replaced by a newer one, or added to an older one."""

    def keep(self, datagram: bytes, sender: UdpAddress) -> bool:
        """Keep a fader's datagram in place of an older one, or add a step to others. Return False for any other one."""
        start = datagram[:-_ARGUMENT_BYTES]
        fader = self._faders.get(start)
        encoder = self._encoders.get(start) if fader is None else None
        if fader is None and encoder is None:
            return False
        # Infinity and NaN start with these bits and must be refused. The few finite numbers that do too are not kept.
        if datagram[-_ARGUMENT_BYTES] & 0x7F == 0x7F and start.endswith(_FLOAT):
            return False
        if fader is None:
            return encoder is not None and self._keep_step(*encoder, datagram, sender)
        address = fader.parameter
        if self._are_steps.setdefault(address, False):
            return False
        if self._kept.pop((address, sender), None) is not None:
            self.superseded += 1
        self._kept[address, sender] = datagram
        return True

    def take(self) -> Iterator[tuple[Message, UdpAddress]]:
        """Yield and forget all that was kept as messages, with the senders, in the order of arrival.

        The caller applies each before it takes the next one.
        """
        kept, self._kept, self._are_steps = self._kept, {}, {}
        for (_, sender), each in kept.items():
            if isinstance(each, StepSum):
                yield each.as_message(self._show.values), sender
            else:
                _, address, layout = self._faders[each[:-_ARGUMENT_BYTES]]
                yield Message(address, [*layout.unpack(each[-_ARGUMENT_BYTES:])]), sender

    def _keep_step(self, parameter: Parameter, layout: str, datagram: bytes, sender: UdpAddress) -> bool:
        (number,) = struct.unpack_from(layout, datagram, len(datagram) - _ARGUMENT_BYTES)
        if parameter.kind == "int" and number % 1:  # each is rounded by itself
            return False
        if not self._are_steps.setdefault(parameter.address, True):
            return False
        steps = self._kept.get((parameter.address, sender))
        if isinstance(steps, StepSum):
            steps.add(number)
            self.superseded += 1
        else:
            self._kept[parameter.address, sender] = StepSum(parameter, number, *_limits(parameter))
        return True


def _has_limits(parameter: Parameter) -> bool:
    return parameter.minimum is not None and parameter.maximum is not None


def _limits(parameter: Parameter) -> tuple[float, float]:
    """Return the limits of a parameter that has them."""
    return float(parameter.minimum or 0), float(parameter.maximum or 0)


class FloodLimiter:
    """Decides on a short pause between two reads of a flooded socket, like the interrupt moderation of network cards.

    Waking up for a datagram costs more than the datagram. In a flood, a pause collects several, and most of them are
    outdated fader values. Without a flood nothing waits.
    """

    def __init__(self) -> None:
        self._began = -math.inf
        self._count = 0
        self._previous = 0

    def pause_until(self, began: float, count: int) -> float:
        """Count the datagrams of one drain and return when to read again, in `time.monotonic` seconds.

        `began` is when the drain began. A time that is not later than that means no pause.
        """
        end = self._began + INTERVAL
        if began >= end:
            self._previous = self._count if began < end + INTERVAL else 0
            self._began, self._count = began, 0
        self._count += count
        flooded = min(self._previous, self._count) > FLOOD and max(self._previous, self._count) < TORRENT
        return self._began + INTERVAL if flooded else began
