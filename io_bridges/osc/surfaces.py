"""Targets of OSC feedback: the configured ones, those that subscribed, and the messages that wait for each.

A change is sent to every target except the one that made it. UDP has no connections, and a surface often sends from one
port and listens on another. So the rule is: **everything that comes from a target's host counts as made by that
target**, unless it comes from a port that belongs to another surface, one that it subscribed from or listens on. A
tablet that sends from a random port never gets an echo. Two programs on one machine get each other's changes once both
subscribe, or send from the port that they listen on. A TCP connection is one surface, and nothing else is made by it.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping

from io_bridges.osc.packets import Impulse, Message
from io_bridges.show_control import ShowControl, Subscription
from presets.coercion import as_number
from presets.errors import ParameterRefused
from presets.parameter_table import Value

MAX_SUBSCRIBERS = 16

UdpAddress = tuple[str, int]
"""IPv4 address of a host, and a UDP port."""


class FeedbackTarget:
    """One receiver of feedback, and what waits to be sent to it."""

    def __init__(self, address: UdpAddress, expires: float, changes: Subscription) -> None:
        self.address = address
        self.expires = expires
        """End of the subscription in `time.monotonic` seconds; infinite for a configured target."""
        self.heard = time.monotonic()
        """Time of its last message in `time.monotonic` seconds."""
        self._changes = changes
        self._parameters: dict[str, None] = {}
        self._messages: dict[str, Value] = {}

    def queue_parameters(self, addresses: Iterable[str]) -> None:
        """Send the values of these parameters with the next feedback."""
        self._parameters.update(dict.fromkeys(addresses))

    def queue_message(self, address: str, value: Value) -> None:
        """Send a message with the next feedback. It replaces an older one with the same address."""
        self._messages[address] = value

    def has_queued(self) -> bool:
        """Return True if anything is queued, besides the changes of the subscription."""
        return bool(self._parameters or self._messages)

    def take(self, read_values: Callable[[], Mapping[str, Value]]) -> dict[str, Value]:
        """Return and forget everything to be sent. `read_values` returns the values of all parameters."""
        values = self._changes.take()
        if self._parameters:
            current = read_values()  # Read after the changes are taken, so that no older value is sent last.
            values.update((address, current[address]) for address in self._parameters)
            self._parameters.clear()
        values.update(self._messages)
        self._messages.clear()
        return values

    def close(self) -> None:
        """End the subscription to changes."""
        self._changes.close()


class Surfaces:
    """All feedback targets. Used on the control's thread only."""

    def __init__(self, show: ShowControl, wake: Callable[[], None]) -> None:
        self._show = show
        self._wake = wake
        self._targets: dict[UdpAddress, FeedbackTarget] = {}
        self._senders: dict[UdpAddress, FeedbackTarget] = {}
        """Targets by the address that each subscriber sent from."""
        self.is_connected: Callable[[UdpAddress], bool] = lambda address: False
        """Returns True for the address of a TCP client. What it asks for is answered to itself alone."""

    def __len__(self) -> int:
        return len(self._targets)

    def targets(self) -> list[FeedbackTarget]:
        """Return a copy of the list of targets."""
        return list(self._targets.values())

    def any_queued(self) -> bool:
        """Return True if anything is queued for any target, besides changes."""
        return any(target.has_queued() for target in self._targets.values())

    def add(self, address: UdpAddress) -> None:
        """Add a configured target. It gets every value at first."""
        self._add(address, math.inf)

    def change_subscription(
        self, message: Message, sender: UdpAddress, lease: float, is_own: Callable[[UdpAddress], bool]
    ) -> str:
        """Do what a ``/subscribe`` or ``/unsubscribe`` asks for, and return a note about it.

        Its argument is the port for feedback; without one it is the sender's own. A subscription lasts `lease` seconds.

        Raises:
            ParameterRefused: for anything but a port that feedback can go to.
        """
        address, arguments = message
        try:
            number = as_number(arguments[0]) if arguments and arguments != [Impulse.IMPULSE] else float(sender[1])
        except ParameterRefused as error:
            raise ParameterRefused(f"{address} takes the port for feedback: {error}") from error
        target = (sender[0], round(number))
        if not 1024 <= number <= 65_535 or is_own(target):
            # A number below 1024 is a button's 1, or the port of some other service.
            raise ParameterRefused(f"{address}: cannot send feedback to port {number:.10g}")
        if address == "/unsubscribe":
            self.unsubscribe(sender, target)
            return f"no more feedback to port {target[1]}"
        gone = self.subscribe(sender, target, time.monotonic() + lease)
        if gone is None:
            return f"feedback to port {target[1]}"
        sentence = f"{gone[0]}:{gone[1]} gets no more feedback: it was the most silent of {MAX_SUBSCRIBERS} surfaces"
        self._show.refused(f"osc:{gone[0]}:{gone[1]}", sentence)
        return f"feedback to port {target[1]}; {sentence}"

    def subscribe(self, sender: UdpAddress, address: UdpAddress, expires: float) -> UdpAddress | None:
        """Add a subscriber or renew its subscription; it gets every value. Return the address of one that has to go.

        With `MAX_SUBSCRIBERS` the one that was silent for longest goes.
        A sender that asks for another port than before moves its subscription there.
        """
        former = self._senders.get(sender)
        if former is not None and former.address != address:
            self._remove(former)
        target, gone = self._targets.get(address), None
        if target is None:
            leased = [target for target in self._targets.values() if target.expires < math.inf]
            if len(leased) >= MAX_SUBSCRIBERS:
                silent = min(leased, key=lambda each: each.heard)
                self._remove(silent)
                gone = silent.address
            target = self._add(address, expires)
        elif target.expires < math.inf:
            target.expires = expires
            self._forget_senders(target)
        target.heard = time.monotonic()
        target.queue_parameters(self._show.parameters)
        self._senders[sender] = target
        return gone

    def unsubscribe(self, sender: UdpAddress, address: UdpAddress) -> bool:
        """Remove a subscriber by the address that it sent from or listens on. Return False if there is none.

        A configured target is never removed.
        """
        target = self._senders.get(sender) or self._targets.get(address)
        if target is None or target.expires == math.inf:
            return False
        self._remove(target)
        return True

    def expire(self, now: float) -> None:
        """Remove the subscribers that did not renew in time."""
        for target in self.targets():
            if target.expires <= now:
                self._remove(target)

    def relay(self, sender: UdpAddress, address: str) -> None:
        """Send a parameter that a known surface set to the other surfaces on its host.

        The show's subscriptions send it to all other hosts. A connection is known: no surface has a second port there.
        """
        owner = self._target_from(sender)
        if owner is not None:
            owner.heard = time.monotonic()
        is_known = owner is not None or self.is_connected(sender)
        for target in self._targets.values():
            is_other = target is not owner and (is_known or self.is_connected(target.address))
            if is_other and target.address[0] == sender[0]:
                target.queue_parameters((address,))

    def targets_of(self, sender: UdpAddress) -> list[FeedbackTarget]:
        """Return the sender's own target, or else all targets on its host. A stranger has none."""
        owner = self._target_from(sender)
        if owner is not None:
            return [owner]
        if self.is_connected(sender):
            return []
        return [target for target in self._targets.values() if target.address[0] == sender[0]]

    def answered_at(self, sender: UdpAddress) -> list[UdpAddress]:
        """Return where a question is answered: the sender's own target, or else its port and all targets on its host.

        A stranger may send from one port and listen on another, or be a program beside the one that listens there.
        """
        owner = self._target_from(sender)
        if owner is not None:
            return [owner.address]
        return [sender, *(target.address for target in self.targets_of(sender))]

    def close(self) -> None:
        """Remove all targets."""
        for target in self.targets():
            self._remove(target)

    def _target_from(self, sender: UdpAddress) -> FeedbackTarget | None:
        return self._senders.get(sender) or self._targets.get(sender)

    def _add(self, address: UdpAddress, expires: float) -> FeedbackTarget:
        target = FeedbackTarget(address, expires, self._show.subscribe(f"osc:{address[0]}:", self._wake))
        target.queue_parameters(self._show.parameters)
        self._targets[address] = target
        return target

    def _remove(self, target: FeedbackTarget) -> None:
        target.close()
        del self._targets[target.address]
        self._forget_senders(target)

    def _forget_senders(self, target: FeedbackTarget) -> None:
        self._senders = {sender: owner for sender, owner in self._senders.items() if owner is not target}
