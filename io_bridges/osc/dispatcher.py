"""`OscDispatcher` applies OSC messages to the show and tells the sender what was refused."""

from collections import deque
from collections.abc import Callable
from functools import partial

from io_bridges.osc.flood_control import Coalescer
from io_bridges.osc.monitor import OscMonitor
from io_bridges.osc.packets import Fault, Message, decode_packet
from io_bridges.osc.patterns import AddressTable, MalformedPattern, is_pattern
from io_bridges.osc.sender_notes import NOTE, REFUSED, SenderNotes
from io_bridges.osc.surface_requests import PINGS, PONG, REQUESTS, Send, SurfaceRequests
from io_bridges.osc.surfaces import Surfaces, UdpAddress
from io_bridges.show_control import MAX_UNKNOWN, ControlReply, ShowControl
from presets.address_aliases import Alias, AliasTable
from presets.errors import ParameterRefused
from presets.parameter_table import TWINS

MAX_COSTLY = 64
"""Texts, patterns, polls, actions and unknown addresses taken from one datagram. Other values are not limited."""
MAX_LATE = 256
"""Replies that come later and wait to be sent. The oldest of more is dropped."""

NO_MESSAGE = Message("", [])
"""Stands for a datagram of which no message can be told."""


class OscDispatcher:
    """Decodes datagrams and applies their messages. Used on the control's thread only.

    A fader's value waits until `flush` or until any other message, and a newer one of the same sender replaces it. So
    every other message finds the show as if each datagram had been applied when it came.
    """

    def __init__(
        self,
        show: ShowControl,
        surfaces: Surfaces,
        send: Send,
        lease: float,
        is_own: Callable[[UdpAddress], bool],
        wake: Callable[[], None] = lambda: None,
        monitor: OscMonitor | None = None,
        aliases: AliasTable | None = None,
        tell: Send | None = None,
    ) -> None:
        """Take the show and the feedback targets.

        `send` answers a poll, `lease` is the length of a subscription in seconds, and `is_own` recognises the address
        that this control is bound to. `wake` is called from any thread when `answer_late` has something to do.
        `monitor` is told every message. `aliases` are addresses of other programs that are understood too. `tell` sends
        sentences to senders without feedback; by default it is `send`.
        """
        self._show = show
        self._surfaces = surfaces
        self._wake = wake
        self._monitor = monitor or OscMonitor()
        self._aliases = aliases or AliasTable()
        self._requests = SurfaceRequests(show, surfaces, send, lease, is_own, wake)
        self._notes = SenderNotes(surfaces, tell or send)
        self._late: deque[Callable[[], None]] = deque(maxlen=MAX_LATE)
        self._parameters = show.parameters
        self._addresses = AddressTable(self._parameters, without_patterns=[*show.actions, *TWINS])
        self._coalescer = Coalescer(show)
        self._unknown = 0
        self._counts = dict.fromkeys(("datagrams", "messages", "accepted", "refused", "malformed", "ignored"), 0)

    @property
    def counts(self) -> dict[str, int]:
        """Counters of what came and what became of it. ``superseded`` counts values replaced by a newer one."""
        superseded = self._coalescer.superseded
        counts = {**self._counts, "superseded": superseded}
        counts["datagrams"] += superseded
        counts["messages"] += superseded
        return counts

    def receive(self, datagram: bytes, sender: UdpAddress) -> None:
        """Apply a datagram, or keep a fader's value for the next `flush`. No datagram makes it raise."""
        if not self._coalescer.keep(datagram, sender):
            self.flush()
            self._apply_datagram(datagram, sender)

    def flush(self) -> None:
        """Apply the fader values that were kept. Called when no more datagrams are waiting."""
        for message, sender in self._coalescer.take():
            self._apply_number(message, sender)

    def answer_late(self) -> None:
        """Tell surfaces the outcome of what took time."""
        while self._late:
            self._late.popleft()()
        self._requests.answer_late()

    def _apply_number(self, message: Message, sender: UdpAddress) -> None:
        """Apply a number to a parameter by its exact name: what `_apply_datagram` does, without the other readings."""
        self._surfaces.hear(sender, (message,))
        self._counts["datagrams"] += 1
        self._counts["messages"] += 1
        address, arguments = message
        surface = f"osc:{sender[0]}:{sender[1]}"
        if (alias := self._aliases.find(address)) is not None:
            self._apply_alias(alias, message, False, sender, surface)
            return
        reply = self._show.apply(address, arguments, surface)
        self._monitor.note(sender, address, arguments, reply.accepted, reply.note)
        self._take_reply(sender, reply)

    def _apply_datagram(self, datagram: bytes, sender: UdpAddress) -> None:
        surface = f"osc:{sender[0]}:{sender[1]}"
        faults: list[Fault] = []
        messages = decode_packet(datagram, faults)
        self._surfaces.hear(sender, messages)
        if pings := [message for message in messages if message.address in PINGS]:
            for message in pings[:MAX_COSTLY]:
                self._requests.answer_ping(message, sender)
            messages = [message for message in messages if message.address not in PINGS]
            if not messages and not faults:
                return  # a sign of life counts for nothing
        self._counts["datagrams"] += 1
        self._counts["messages"] += len(messages)
        costly = self._unknown = 0
        for message in messages:
            address, arguments = message
            poll = arguments == ["?"] or (not arguments and self._requests.is_polled_alone(address))
            if poll or self._is_costly(address):
                costly += 1
                if costly > MAX_COSTLY:
                    continue
            self._apply_message(message, poll, sender, surface)
        self._refuse_malformed(faults, sender, surface)
        if self._unknown > MAX_UNKNOWN:
            self._refuse(sender, surface, f"{self._unknown - MAX_UNKNOWN} more unknown addresses in one datagram")
        if costly > MAX_COSTLY:
            self._refuse(sender, surface, f"more than {MAX_COSTLY} messages without a plain number in one datagram")

    def _refuse_malformed(self, faults: list[Fault], sender: UdpAddress, surface: str) -> None:
        """Count and tell what could not be read; the first of many one by one."""
        self._counts["malformed"] += len(faults)
        for address, reason in faults[:MAX_UNKNOWN]:
            what = f"{address[:60]}: malformed OSC: {reason}" if address else f"malformed OSC: {reason}"
            self._refuse(sender, surface, what, Message(address, []))
        if len(faults) > MAX_UNKNOWN:
            self._refuse(sender, surface, f"{len(faults) - MAX_UNKNOWN} more malformed messages in one datagram")

    def _is_costly(self, address: str) -> bool:
        parameter = self._parameters.get(address)
        if parameter is None and (alias := self._aliases.find(address)) is not None:
            parameter = self._parameters.get(alias.to)
        return parameter is None or parameter.kind == "text"  # A text may load a preset.

    def _apply_message(self, message: Message, poll: bool, sender: UdpAddress, surface: str) -> None:
        address, arguments = message
        if address.startswith("/streamflow/") or address == PONG:
            # Feedback of another show. Refusing it would send feedback there, which would be refused there, and so on.
            self._monitor.note(sender, address, arguments, False, "feedback of another show is not read")
            return
        if address in REQUESTS:
            self._apply_request(message, sender, surface)
            return
        if (alias := self._aliases.find(address)) is not None:
            self._apply_alias(alias, message, poll, sender, surface)
            return
        try:
            found = self._addresses.find(address)
        except MalformedPattern as error:
            self._refuse(sender, surface, f"{address[:60]}: {error}", message)
            return
        if not found and is_pattern(address):
            self._refuse(sender, surface, f"{address[:60]} matches no parameter", message)
            return
        if not found:
            self._unknown += 1
            if self._unknown > MAX_UNKNOWN:
                return
        # The show refuses an unknown address with a suggestion.
        for known in found or (address,):
            if poll:
                self._answer_poll(known, message, sender, surface)
            else:
                self._apply(known, arguments, sender, surface)

    def _apply_request(self, message: Message, sender: UdpAddress, surface: str) -> None:
        try:
            note = self._requests.take(message, sender)
        except ParameterRefused as refusal:
            self._refuse(sender, surface, str(refusal), message)
        else:
            self._monitor.note(sender, *message, True, note)

    def _apply_alias(self, alias: Alias, message: Message, poll: bool, sender: UdpAddress, surface: str) -> None:
        """Apply what a message of another program means here."""
        if poll and alias.to:
            self._answer_poll(alias.to, message, sender, surface)
            return
        try:
            calls = alias.calls(*message)
        except ParameterRefused as refusal:
            self._refuse(sender, surface, str(refusal), message)
            return
        if not calls:
            self._counts["ignored"] += 1
            self._monitor.note(sender, *message, True, "nothing to do here")
        for address, arguments in calls:
            self._apply(address, arguments, sender, surface, message)

    def _apply(
        self, address: str, arguments: list[object], sender: UdpAddress, surface: str, alias: Message | None = None
    ) -> None:
        later = partial(self._put_late, sender)
        reply = self._show.apply(address, arguments, surface, later)
        if alias is None:
            self._monitor.note(sender, address, arguments, reply.accepted, reply.note)
        else:
            read = " ".join([address, *map(str, arguments)])
            self._monitor.note(sender, *alias, reply.accepted, f"{read}; {reply.note}" if reply.note else read)
        self._take_reply(sender, reply)

    def _take_reply(self, sender: UdpAddress, reply: ControlReply) -> None:
        if not reply.accepted:
            self._counts["refused"] += 1
            self._notes.tell(sender, REFUSED, reply.address, f"{reply.address[:60]}: {reply.note}")
            return
        self._counts["accepted"] += not reply.pending
        if reply.note and not reply.pending:
            self._notes.tell(sender, NOTE, reply.address, f"{reply.address[:60]}: {reply.note}")
        if reply.value is not None:
            self._surfaces.relay(sender, reply.address)

    def _put_late(self, sender: UdpAddress, reply: ControlReply) -> None:
        """Keep a reply for `answer_late`. Any thread may call it."""
        self._late.append(partial(self._take_late_reply, sender, reply))
        self._wake()

    def _take_late_reply(self, sender: UdpAddress, reply: ControlReply) -> None:
        self._monitor.note(sender, reply.address, (), reply.accepted, reply.note or "done")
        self._take_reply(sender, reply)

    def _answer_poll(self, address: str, message: Message, sender: UdpAddress, surface: str) -> None:
        try:
            self._requests.answer_poll(address, sender)
        except ParameterRefused as refusal:
            self._refuse(sender, surface, str(refusal), message)
        else:
            self._monitor.note(sender, address, message.arguments, True, "polled")

    def _refuse(self, sender: UdpAddress, surface: str, reason: str, message: Message = NO_MESSAGE) -> None:
        self._counts["refused"] += 1
        self._monitor.note(sender, message.address, message.arguments, False, reason)
        self._show.refused(surface, reason)
        self._notes.tell(sender, REFUSED, message.address, reason)
