"""`TakeoverShow`: a show whose faders pick up a value before they move it, so that a recalled look does not jump.

After a preset, a cue or another surface has changed a value, a fader without a motor stands somewhere else. With
``/takeover`` at ``pickup`` its messages are ignored until it comes near the present value or passes it. From then on
it moves the value as always, until someone else changes it.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from daemon.stage.message_reading import read_message
from daemon.stage.show_wrapper import ShowWrapper
from io_bridges.show_control import ControlReply, Later, ShowControl
from presets.coercion import as_number
from presets.declaration import NORM, Effect
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, Parameter, Value

NEAR = 0.02
"""Distance, as a share of the range, at which a fader picks up a value: two and a half steps of a MIDI controller."""
MOST_FADERS = 4096
"""Faders that are remembered. The one that was moved longest ago is forgotten first."""

_SURFACES = ("osc:", "midi:", "dmx:")
"""Beginnings of the names of senders whose faders may stand elsewhere. The page's always show the present value."""
_LARGEST = 10_000
"""Largest range of whole numbers that is a fader's. Seeds and sizes are typed or drawn."""
_NUMBERS = {
    parameter
    for parameter in PARAMETERS.values()
    if parameter.minimum is not None
    and parameter.maximum is not None
    and (parameter.kind == "float" or (parameter.kind == "int" and parameter.maximum <= _LARGEST))
    and parameter.effect is not Effect.REBUILD
}
_FADERS: Mapping[str, Parameter] = MappingProxyType(
    {parameter.address + end: parameter for parameter in _NUMBERS for end in ("", NORM)}
)
"""Parameters with a range, by their address and by that of their share of it."""


class FaderState(NamedTuple):
    """Place of a fader, and the value that it set last."""

    share: float
    """Place of the fader in the range, 0 to 1."""
    value: Value | None
    """Value that it set; None while it waits to pick one up."""


class TakeoverShow(ShowWrapper):
    """Implements `io_bridges.show_control.ShowControl` around a show. Every method may be called from any thread."""

    def __init__(self, show: ShowControl, value: Callable[[str], Value]) -> None:
        """Wrap a show. `value` returns the wanted value of a parameter by its address."""
        super().__init__(show)
        self._value = value
        self._lock = threading.Lock()
        self._faders: OrderedDict[tuple[str, str], FaderState] = OrderedDict()

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        """Apply a message, unless it comes from a fader that has to pick up the present value first."""
        parameter = _FADERS.get(address)
        if parameter is None or not sender.startswith(_SURFACES) or self._value("/takeover") == "jump":
            return self._show.apply(address, arguments, sender, later)
        share = _share(parameter, address, arguments)
        if share is None:
            return self._show.apply(address, arguments, sender, later)
        # A surface may send from another port each time, and a MIDI device by another control, but it is one surface.
        fader = sender.rpartition(":")[0], parameter.address
        present = self._value(parameter.address)
        with self._lock:
            if not self._picks_up(fader, parameter, share, present):
                self._remember(fader, FaderState(share, None))
                return ControlReply(
                    address, True, None, f"waits until the fader passes the present value, {present:.4g}"
                )
        reply = self._show.apply(address, arguments, sender, later)
        with self._lock:
            self._remember(fader, FaderState(share, reply.value))
        return reply

    def _picks_up(self, fader: tuple[str, str], parameter: Parameter, share: float, present: Value) -> bool:
        before = self._faders.get(fader)
        if before is not None and before.value == present:
            return True
        wanted = _place(parameter, present)
        return abs(share - wanted) <= NEAR or (before is not None and (before.share < wanted) != (share < wanted))

    def _remember(self, fader: tuple[str, str], state: FaderState) -> None:
        self._faders[fader] = state
        self._faders.move_to_end(fader)
        if len(self._faders) > MOST_FADERS:
            self._faders.popitem(last=False)


def _share(parameter: Parameter, address: str, arguments: Sequence[object]) -> float | None:
    """Return the place in the range that a message asks for; None if it is no fader's."""
    if len(arguments) != 1 or type(arguments[0]) not in (int, float):
        return _read_share(parameter, address, arguments)
    number = float(arguments[0])  # type: ignore[arg-type]
    if not math.isfinite(number):
        return None
    share = min(max(number, 0.0), 1.0) if address.endswith(NORM) else _place(parameter, number)
    if parameter.kind == "float":
        return share
    # A whole number is where its step is: a fader between two of them stands at one.
    low, high = parameter.minimum or 0.0, parameter.maximum or 0.0
    return _place(parameter, parameter.coerce(low + share * (high - low)))


def _read_share(parameter: Parameter, address: str, arguments: Sequence[object]) -> float | None:
    """Return the place of a number that comes in an array or with others, as from a pad with two axes."""
    if any(isinstance(argument, str) for argument in arguments):  # a number that was typed
        return None
    try:
        read = read_message(address, arguments, {}, tuple).arguments
        if len(read) != 1 or isinstance(read[0], bool):
            return None
        return _place(parameter, parameter.coerce(as_number(read[0])))
    except ParameterRefused:
        return None


def _place(parameter: Parameter, value: object) -> float:
    """Return the place of a value in the range of its parameter, 0 to 1."""
    low, high = parameter.minimum or 0.0, parameter.maximum or 0.0
    return min(max((float(value) - low) / (high - low), 0.0), 1.0)  # type: ignore[arg-type]
