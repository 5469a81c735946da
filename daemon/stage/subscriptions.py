"""Who hears changes: each listener keeps the newest value of each address until it takes them."""

import threading
from collections.abc import Callable, Mapping

from presets.parameter_table import Value

Wake = Callable[[], None]


class ChangeQueue:
    """One subscription (see `io_bridges.show_control.Subscription`). The lock is the store's."""

    def __init__(self, listeners: "Subscriptions", surface: str, wake: Wake) -> None:
        self.surface = surface
        self.wake = wake
        self._listeners = listeners
        self._pending: dict[str, Value] = {}

    def take(self) -> dict[str, Value]:
        """All changes since the last call, oldest first; empty if none."""
        with self._listeners.lock:
            taken, self._pending = self._pending, {}
            return taken

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self._listeners.remove(self)

    def tell(self, changes: Mapping[str, Value], sender: str, sent: str) -> bool:
        """Under the lock: note the changes; True if the listener must be woken.

        A surface never hears back the address that it `sent` itself, or its fader would fight the hand. What changed
        along with it (the values of a look it loaded) it does hear, or its other faders would lie.
        """
        own = sender.startswith(self.surface)
        waiting = bool(self._pending)
        for address, value in changes.items():
            # What waits for it is older: told after its own change, it would move the fader back.
            self._pending.pop(address, None)
            if not (own and address == sent):
                self._pending[address] = value  # the newest change goes to the end
        return bool(self._pending) and not waiting


class Subscriptions:
    """Every listener of a store, guarded by the store's lock."""

    def __init__(self, lock: threading.Lock) -> None:
        self.lock = lock
        self._all: tuple[ChangeQueue, ...] = ()

    def add(self, surface: str, wake: Wake) -> ChangeQueue:
        """A listener that hears what others than `surface` do from now on."""
        listener = ChangeQueue(self, surface, wake)
        with self.lock:
            self._all = (*self._all, listener)
        return listener

    def remove(self, listener: ChangeQueue) -> None:
        """Tell it nothing more."""
        with self.lock:
            self._all = tuple(other for other in self._all if other is not listener)

    def tell(self, changes: Mapping[str, Value], sender: str, sent: str) -> list[ChangeQueue]:
        """Under the lock: note the changes; whom to wake once the lock is free."""
        return [listener for listener in self._all if listener.tell(changes, sender, sent)]

    def wake(self, listeners: list[ChangeQueue]) -> None:
        """Without the lock: wake them."""
        for listener in listeners:
            try:
                listener.wake()
            except RuntimeError:
                # Its event loop closed a moment ago: nobody is there to hear. The sender must not pay for that.
                self.remove(listener)
