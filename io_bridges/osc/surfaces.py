"""Targets of OSC feedback: the configured ones, those that subscribed, and the messages that wait for each.

A change is sent to every target except the one that made it. UDP has no connections, and a surface often sends from one
port and listens on another. So the rule is: **everything that comes from a target's host counts as made by that
target**, unless it comes from a port that belongs to another surface, one that it subscribed from or listens on. A
tablet that sends from a random port never gets an echo. Two programs on one machine get each other's changes once both
subscribe, or send from the port that they listen on. A TCP connection is one surface, and nothing else is made by it.
"""

import math
import time
from collections.abc import Callable, Sequence

from io_bridges.osc.feedback_target import FeedbackTarget, UdpAddress
from io_bridges.osc.packets import Impulse, Message
from io_bridges.show_control import ShowControl
from presets.coercion import as_number
from presets.errors import ParameterRefused

__all__ = ["MAX_SUBSCRIBERS", "SUBSCRIPTIONS", "Surfaces", "UdpAddress"]

MAX_SUBSCRIBERS = 16
SUBSCRIPTIONS = ("/subscribe", "/subscribe/norm", "/unsubscribe")
"""Addresses of the messages that begin, renew and end a subscription."""
_AS_NORM = "norm"


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

        Its argument is the port for feedback; without one it is the sender's own. The word ``norm`` beside it, or at
        the end of the address, asks for shares of the ranges. A subscription lasts `lease` seconds.

        Raises:
            ParameterRefused: for anything but a port that feedback can go to.
        """
        address, arguments = message
        wanted = [each for each in arguments if not (isinstance(each, str) and each.strip().lower() == _AS_NORM)]
        is_norm = address.endswith(_AS_NORM) or len(wanted) < len(arguments)
        try:
            number = as_number(wanted[0]) if wanted and wanted != [Impulse.IMPULSE] else float(sender[1])
        except ParameterRefused as error:
            raise ParameterRefused(f"{address} takes the port for feedback: {error}") from error
        target = (sender[0], round(number))
        if not 1024 <= number <= 65_535 or is_own(target):
            # A number below 1024 is a button's 1, or the port of some other service.
            raise ParameterRefused(f"{address}: cannot send feedback to port {number:.10g}")
        if address == "/unsubscribe":
            self.unsubscribe(sender, target)
            return f"no more feedback to port {target[1]}"
        gone = self.subscribe(sender, target, time.monotonic() + lease, is_norm)
        note = f"feedback to port {target[1]}" + (", from 0 to 1" if is_norm else "")
        if gone is None:
            return note
        sentence = f"{gone[0]}:{gone[1]} gets no more feedback: it was the most silent of {MAX_SUBSCRIBERS} surfaces"
        self._show.refused(f"osc:{gone[0]}:{gone[1]}", sentence)
        return f"{note}; {sentence}"

    def subscribe(
        self, sender: UdpAddress, address: UdpAddress, expires: float, is_norm: bool = False
    ) -> UdpAddress | None:
        """Add a subscriber or renew its subscription; it gets every value. Return the address of one that has to go.

        With `MAX_SUBSCRIBERS` one that never sent a message goes, or else the one that was silent for longest.
        A sender that asks for another port than before moves its subscription there. With `is_norm` it gets shares.
        """
        former = self._senders.get(sender)
        if former is not None and former.address != address:
            self._remove(former)
        target, gone = self._targets.get(address), None
        if target is None:
            leased = [target for target in self._targets.values() if target.expires < math.inf]
            if len(leased) >= MAX_SUBSCRIBERS:
                silent = min(leased, key=lambda each: (each.has_sent, each.heard))
                self._remove(silent)
                gone = silent.address
            target = self._add(address, expires)
        elif target.expires < math.inf:
            target.expires = expires
            self._forget_senders(target)
        target.heard = time.monotonic()
        target.is_norm = is_norm
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

    def drop_unreachable(self, address: UdpAddress, now: float) -> bool:
        """Take a report that nobody listens at `address`. Return True if a subscriber is dropped for it.

        A configured target stays: its program may start later.
        """
        target = self._targets.get(address)
        if target is None or target.expires == math.inf or not target.is_closed(now):
            return False
        self._remove(target)
        self._show.refused(f"osc:{address[0]}:{address[1]}", f"no more feedback: port {address[1]} is closed")
        return True

    def hear(self, sender: UdpAddress, messages: Sequence[Message]) -> None:
        """Note that a sender has sent messages. Those that subscribe don't count."""
        if self._targets and (target := self._target_from(sender)) is not None:
            target.hear(any(message.address not in SUBSCRIPTIONS for message in messages))

    def is_stranger(self, sender: UdpAddress) -> bool:
        """Return True for a sender without feedback and without a connection."""
        return self._target_from(sender) is None and not self.is_connected(sender)

    def relay(self, sender: UdpAddress, address: str) -> None:
        """Send a parameter that a known surface set to the other surfaces on its host.

        The show's subscriptions send it to all other hosts. A connection is known: no surface has a second port there.
        """
        if not self._targets:
            return
        owner = self._target_from(sender)
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
