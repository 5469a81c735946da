"""Where OSC feedback goes: the configured targets, the surfaces that subscribed, and what waits to be sent to each.

Who made a change decides who hears of it. UDP has no connections, and a surface usually sends from one port and listens
on another, so the rule is: **everything that comes from a target's host counts as that target's own doing**, and is not
sent to it, unless it comes from a port that is known to be another surface's (it subscribed from there, or listens
there). A tablet that sends from a random port is never echoed; two programs on one machine hear each other as soon as
both subscribe, or send from the port that they listen on.
"""

import math
from collections.abc import Callable, Iterable, Mapping

from io_bridges.show_control import ShowControl, Subscription
from presets.parameter_table import Value

MOST_SUBSCRIBERS = 16

Endpoint = tuple[str, int]
"""A host's IPv4 address and a UDP port."""


class FeedbackTarget:
    """One listener: its endpoint, the changes that others made, and what else it is still to be sent."""

    def __init__(self, endpoint: Endpoint, expires: float, changes: Subscription) -> None:
        self.endpoint = endpoint
        self.expires = expires
        """`time.monotonic` seconds; infinite for a configured target."""
        self._changes = changes
        self._owed: dict[str, None] = {}
        self._notes: dict[str, Value] = {}

    def owe(self, addresses: Iterable[str]) -> None:
        """Send these parameters with the next feedback, with the value that they have then."""
        self._owed.update(dict.fromkeys(addresses))

    def note(self, address: str, value: Value) -> None:
        """Send something that is no parameter with the next feedback; the newest takes the place of an older one."""
        self._notes[address] = value

    def owes(self) -> bool:
        """Whether something is to be sent, besides what the desk tells."""
        return bool(self._owed or self._notes)

    def take(self, current: Callable[[], Mapping[str, Value]]) -> dict[str, Value]:
        """Everything to be sent now; `current` tells the parameters' values."""
        values = self._changes.take()
        if self._owed:
            now = current()  # read after the changes were taken: what is sent last is never an older value
            values.update((address, now[address]) for address in self._owed)
            self._owed.clear()
        values.update(self._notes)
        self._notes.clear()
        return values

    def close(self) -> None:
        """Stop listening to the desk."""
        self._changes.close()


class Surfaces:
    """All targets. Used on the control's thread only."""

    def __init__(self, desk: ShowControl, wake: Callable[[], None]) -> None:
        self._desk = desk
        self._wake = wake
        self._targets: dict[Endpoint, FeedbackTarget] = {}
        self._senders: dict[Endpoint, FeedbackTarget] = {}
        """The endpoint that each subscriber asked from."""

    def __len__(self) -> int:
        return len(self._targets)

    def targets(self) -> list[FeedbackTarget]:
        """Every target, as it stands now."""
        return list(self._targets.values())

    def owe_something(self) -> bool:
        """Whether any target is to be sent something, besides what the desk tells."""
        return any(target.owes() for target in self._targets.values())

    def add(self, endpoint: Endpoint) -> None:
        """A configured target; it is sent every value."""
        self._add(endpoint, math.inf)

    def subscribe(self, sender: Endpoint, endpoint: Endpoint, expires: float) -> bool:
        """A subscriber, or a longer life for one; it is sent every value. False if there are too many already.

        A sender that asks for another port than before has moved there.
        """
        former = self._senders.get(sender)
        if former is not None and former.endpoint != endpoint:
            self._drop(former)
        target = self._targets.get(endpoint)
        if target is None:
            if sum(target.expires < math.inf for target in self._targets.values()) >= MOST_SUBSCRIBERS:
                return False
            target = self._add(endpoint, expires)
        elif target.expires < math.inf:
            target.expires = expires
            self._forget_senders(target)
        target.owe(self._desk.parameters)
        self._senders[sender] = target
        return True

    def unsubscribe(self, sender: Endpoint, endpoint: Endpoint) -> bool:
        """Forget a subscriber by the endpoint it asked from or listens on. False if there is none.

        A configured target stays.
        """
        target = self._senders.get(sender) or self._targets.get(endpoint)
        if target is None or target.expires == math.inf:
            return False
        self._drop(target)
        return True

    def expire(self, now: float) -> None:
        """Forget the subscribers that were not renewed in time."""
        for target in self.targets():
            if target.expires <= now:
                self._drop(target)

    def relay(self, sender: Endpoint, address: str) -> None:
        """Tell the other surfaces of the sender's own host what a known surface set; the desk tells all other hosts."""
        owner = self._owner(sender)
        if owner is not None:
            for target in self._targets.values():
                if target is not owner and target.endpoint[0] == sender[0]:
                    target.owe((address,))

    def known(self, sender: Endpoint) -> list[FeedbackTarget]:
        """The targets that a sender is heard by: its own, or else those of its host; empty for a stranger."""
        owner = self._owner(sender)
        if owner is not None:
            return [owner]
        return [target for target in self._targets.values() if target.endpoint[0] == sender[0]]

    def close(self) -> None:
        """Forget every target."""
        for target in self.targets():
            self._drop(target)

    def _owner(self, sender: Endpoint) -> FeedbackTarget | None:
        return self._senders.get(sender) or self._targets.get(sender)

    def _add(self, endpoint: Endpoint, expires: float) -> FeedbackTarget:
        target = FeedbackTarget(endpoint, expires, self._desk.subscribe(f"osc:{endpoint[0]}:", self._wake))
        target.owe(self._desk.parameters)
        self._targets[endpoint] = target
        return target

    def _drop(self, target: FeedbackTarget) -> None:
        target.close()
        del self._targets[target.endpoint]
        self._forget_senders(target)

    def _forget_senders(self, target: FeedbackTarget) -> None:
        self._senders = {sender: owner for sender, owner in self._senders.items() if owner is not target}
