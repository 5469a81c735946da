"""`SurfaceRequests` answers what surfaces ask OSC control itself for: values, feedback, sources, a sign of life."""

from collections.abc import Callable, Sequence

from io_bridges.osc.norm_values import norm_value
from io_bridges.osc.packets import Message
from io_bridges.osc.patterns import is_pattern
from io_bridges.osc.source_search import SourceSearch
from io_bridges.osc.surfaces import SUBSCRIPTIONS, Surfaces, UdpAddress
from io_bridges.show_control import ShowControl
from presets.declaration import NORM
from presets.errors import ParameterRefused
from presets.parameter_table import Value

PING, PONG = "/ping", "/pong"
"""A message that asks for a sign of life, and the answer. It differs, so that two shows can't answer each other."""

PINGS = frozenset(f"/{word}{end}" for word in ("ping", "Ping", "PING") for end in ("", "/"))
"""Spellings of a ping that are taken."""
REQUESTS = frozenset(("/sources", *SUBSCRIPTIONS))
"""Addresses of the other requests that `SurfaceRequests` takes."""

_MOST_ECHOED = 8

Send = Callable[[str, Sequence[Value], UdpAddress], None]


class SurfaceRequests:
    """Answers requests. Used on the control's thread only."""

    def __init__(
        self,
        show: ShowControl,
        surfaces: Surfaces,
        send: Send,
        lease: float,
        is_own: Callable[[UdpAddress], bool],
        wake: Callable[[], None],
    ) -> None:
        """Take the show and the feedback targets. The other arguments are those of `OscDispatcher`."""
        self._show = show
        self._surfaces = surfaces
        self._send = send
        self._lease = lease
        self._is_own = is_own
        self._search = SourceSearch(show, wake)

    def take(self, message: Message, sender: UdpAddress) -> str:
        """Do what a message to one of the `REQUESTS` asks for, and return a note. Raises `ParameterRefused`."""
        if message.address in SUBSCRIPTIONS:
            return self._surfaces.change_subscription(message, sender, self._lease, self._is_own)
        self._search.ask(sender)
        return "searching"

    def is_polled_alone(self, address: str) -> bool:
        """Return True if a message without an argument polls: a switch is turned by it, and an action done."""
        parameter = self._show.parameters.get(address)
        return is_pattern(address) or address.endswith(NORM) if parameter is None else parameter.kind != "bool"

    def answer_poll(self, address: str, sender: UdpAddress) -> None:
        """Send the value of a parameter, or its share of its range. Raises `ParameterRefused` if it has none."""
        values = self._show.values()
        of = address.removesuffix(NORM)
        parameter = self._show.parameters.get(of)
        if parameter is None or (of != address and parameter.kind == "text"):
            raise ParameterRefused(f"{address[:60]} has no value to poll")
        value = values[of] if of == address else norm_value(parameter, values[of])
        for target in self._surfaces.answered_at(sender):
            self._send(address, (value,), target)

    def answer_ping(self, message: Message, sender: UdpAddress) -> None:
        """Send the numbers and texts of a ping back to the port that it came from."""
        self._send(PONG, echoed(message), sender)

    def answer_late(self) -> None:
        """Tell the surfaces that wait for it which sources were found."""
        uris, searchers = self._search.take()
        for sender in searchers:
            for target in self._surfaces.answered_at(sender):
                self._send("/streamflow/sources", uris, target)


def echoed(message: Message) -> list[Value]:
    """Return the numbers and texts of a ping, which its answer repeats."""
    return [each for each in message.arguments[:_MOST_ECHOED] if isinstance(each, str | int | float)]
