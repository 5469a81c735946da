"""`OscDispatcher`: what each OSC message does on the desk, and what its sender is told."""

import time
from collections.abc import Callable

from io_bridges.osc.coalescer import Coalescer
from io_bridges.osc.packets import Impulse, MalformedPacket, Message, walk
from io_bridges.osc.patterns import AddressBook, MalformedPattern, is_pattern
from io_bridges.osc.surfaces import MOST_SUBSCRIBERS, Endpoint, Surfaces
from io_bridges.show_control import ShowControl
from presets.coercion import as_number
from presets.errors import ParameterRefused
from presets.parameter_table import Value

MOST_COSTLY = 64
"""Patterns, polls, actions and unknown addresses taken from one datagram; of plain values, any number is."""

Send = Callable[[str, Value, Endpoint], None]


class OscDispatcher:
    """Takes datagrams apart and does what they say. Used on the control's thread only.

    A fader's value waits until `flush`, or until something comes that is none; a newer one of the same sender takes its
    place. So everything else finds the desk as if each datagram had been done when it came.
    """

    def __init__(
        self, desk: ShowControl, surfaces: Surfaces, send: Send, lease: float, is_own: Callable[[Endpoint], bool]
    ) -> None:
        """`send` answers a poll; `lease` is seconds of a subscription; `is_own` knows where we listen."""
        self._desk = desk
        self._surfaces = surfaces
        self._send = send
        self._lease = lease
        self._is_own = is_own
        self._book = AddressBook(desk.parameters, outside_patterns=desk.actions)
        self._newest = Coalescer(desk)
        self._counts = dict.fromkeys(("datagrams", "messages", "accepted", "refused", "malformed"), 0)

    @property
    def counts(self) -> dict[str, int]:
        """What came and what became of it; `superseded` are values in whose place a newer one was taken."""
        superseded = self._newest.superseded
        counts = {**self._counts, "superseded": superseded}
        counts["datagrams"] += superseded
        counts["messages"] += superseded
        return counts

    def datagram(self, datagram: bytes, sender: Endpoint) -> None:
        """Do everything in it, a fader's value with the next `flush`; whatever came, nothing is raised."""
        if not self._newest.keep(datagram, sender):
            self.flush()
            self._do(datagram, sender)

    def flush(self) -> None:
        """Do what waits: nothing more is to be read just now."""
        for datagram, sender in self._newest.take():
            self._do(datagram, sender)

    def _do(self, datagram: bytes, sender: Endpoint) -> None:
        self._counts["datagrams"] += 1
        surface = f"osc:{sender[0]}:{sender[1]}"
        try:
            messages = walk(datagram)
        except MalformedPacket as error:
            self._counts["malformed"] += 1
            self._refuse(sender, surface, f"malformed OSC: {error}")
            return
        self._counts["messages"] += len(messages)
        parameters = self._desk.parameters
        costly = 0
        for message in messages:
            poll = message.arguments == ["?"]
            if poll or message.address not in parameters:
                costly += 1
                if costly > MOST_COSTLY:
                    continue
            self._message(message, poll, sender, surface)
        if costly > MOST_COSTLY:
            self._refuse(sender, surface, f"more than {MOST_COSTLY} messages that are no plain value in one datagram")

    def _message(self, message: Message, poll: bool, sender: Endpoint, surface: str) -> None:
        address, arguments = message
        if address.startswith("/streamflow/"):
            # What another show tells of itself. To refuse it would be told to that show, refused there, told here…
            return
        if address in ("/subscribe", "/unsubscribe"):
            self._subscription(address, arguments, sender, surface)
            return
        try:
            found = self._book.find(address)
        except MalformedPattern as error:
            self._refuse(sender, surface, f"{address[:60]}: {error}")
            return
        if not found and is_pattern(address):
            self._refuse(sender, surface, f"{address[:60]} matches no parameter")
            return
        # The desk knows best what to say of an address that it does not know.
        for known in found or (address,):
            if poll:
                self._answer_poll(known, sender, surface)
            else:
                self._apply(known, arguments, sender, surface)

    def _apply(self, address: str, arguments: list[object], sender: Endpoint, surface: str) -> None:
        # A bang is how some surfaces press a button: for an action, it is no argument.
        is_bang = arguments == [Impulse.IMPULSE] and address in self._desk.actions
        answer = self._desk.apply(address, [] if is_bang else arguments, surface)
        if not answer.accepted:
            self._counts["refused"] += 1
            self._tell_refusal(sender, f"{address[:60]}: {answer.note}")
            return
        self._counts["accepted"] += 1
        if answer.value is not None:
            self._surfaces.relay(sender, answer.address)

    def _answer_poll(self, address: str, sender: Endpoint, surface: str) -> None:
        values = self._desk.values()
        if address not in values:
            self._refuse(sender, surface, f"{address[:60]} has no value to ask for")
            return
        for endpoint in [target.endpoint for target in self._surfaces.known(sender)] or [sender]:
            self._send(address, values[address], endpoint)

    def _subscription(self, address: str, arguments: list[object], sender: Endpoint, surface: str) -> None:
        try:
            number = as_number(arguments[0]) if arguments and arguments != [Impulse.IMPULSE] else float(sender[1])
        except ParameterRefused as error:
            self._refuse(sender, surface, f"{address} takes the port to send feedback to: {error}")
            return
        endpoint = (sender[0], round(number))
        if not 1024 <= number <= 65_535 or self._is_own(endpoint):
            # Below 1024 it is a button's 1, or somebody else's service.
            self._refuse(sender, surface, f"{address}: no feedback can be sent to port {number:.10g}")
        elif address == "/unsubscribe":
            self._surfaces.unsubscribe(sender, endpoint)
        elif not self._surfaces.subscribe(sender, endpoint, time.monotonic() + self._lease):
            self._refuse(sender, surface, f"{address}: {MOST_SUBSCRIBERS} surfaces are subscribed already")

    def _refuse(self, sender: Endpoint, surface: str, reason: str) -> None:
        self._counts["refused"] += 1
        self._desk.refused(surface, reason)
        self._tell_refusal(sender, reason)

    def _tell_refusal(self, sender: Endpoint, reason: str) -> None:
        # Only to surfaces that asked for feedback, and only the newest: a refusal must not become a flood of its own.
        for target in self._surfaces.known(sender):
            target.note("/streamflow/refused", reason)
