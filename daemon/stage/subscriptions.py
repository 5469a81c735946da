"""Change subscriptions. Each subscriber gets the newest value of each changed address."""

import threading
from collections.abc import Callable, Mapping

from presets.parameter_table import Value

Wake = Callable[[], None]


class ChangeQueue:
    """One subscription (see `io_bridges.show_control.Subscription`). The store's lock guards it."""

    def __init__(self, subscriptions: "Subscriptions", surface: str, wake: Wake) -> None:
        self.surface = surface
        self.wake = wake
        self._subscriptions = subscriptions
        self._pending: dict[str, Value] = {}

    def take(self) -> dict[str, Value]:
        """Return all changes since the last call, oldest first; empty if there are none."""
        with self._subscriptions.lock:
            taken, self._pending = self._pending, {}
            return taken

    def close(self) -> None:
        """End the subscription. May be called twice."""
        self._subscriptions.remove(self)

    def add(self, changes: Mapping[str, Value], sender: str, sent: str) -> bool:
        """Queue the changes. Return True if the subscriber must be woken. The caller holds the lock.

        A surface never gets back the address that it `sent` itself, or its fader would fight the hand. It does get what
        changed along with it, such as the values of a preset it loaded, or its other faders would be wrong.
        """
        own = sender.startswith(self.surface)
        waiting = bool(self._pending)
        for address, value in changes.items():
            # A queued value is older. Sent after the surface's own change, it would move the fader back.
            self._pending.pop(address, None)
            if not (own and address == sent):
                self._pending[address] = value  # at the end: the dict keeps the order of the changes
        return bool(self._pending) and not waiting


class Subscriptions:
    """All subscriptions to one store, guarded by the store's lock."""

    def __init__(self, lock: threading.Lock) -> None:
        self.lock = lock
        self._queues: tuple[ChangeQueue, ...] = ()

    def add(self, surface: str, wake: Wake) -> ChangeQueue:
        """Return a new subscription to what others than `surface` change from now on."""
        queue = ChangeQueue(self, surface, wake)
        with self.lock:
            self._queues = (*self._queues, queue)
        return queue

    def remove(self, queue: ChangeQueue) -> None:
        """End a subscription."""
        with self.lock:
            self._queues = tuple(other for other in self._queues if other is not queue)

    def publish(self, changes: Mapping[str, Value], sender: str, sent: str) -> list[ChangeQueue]:
        """Queue the changes for every subscriber. Return those to wake once the caller has released the lock."""
        return [queue for queue in self._queues if queue.add(changes, sender, sent)]

    def wake(self, queues: list[ChangeQueue]) -> None:
        """Wake these subscribers. The caller does not hold the lock."""
        for queue in queues:
            try:
                queue.wake()
            except RuntimeError:
                # Its event loop has just closed, so nobody reads it. The sender of the change must not fail for that.
                self.remove(queue)
