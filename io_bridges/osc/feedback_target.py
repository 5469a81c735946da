"""`FeedbackTarget`: one receiver of OSC feedback, and what waits to be sent to it."""

import time
from collections.abc import Callable, Iterable, Mapping

from io_bridges.osc.norm_values import norm_values
from io_bridges.show_control import Subscription
from presets.parameter_table import Parameter, Value

UdpAddress = tuple[str, int]
"""IPv4 address of a host, and a UDP port."""

MOST_SENTENCES = 16
"""Sentences that wait for one target. The oldest of more is dropped."""
UNREACHABLE_FOR = 2.0
"""Seconds over which a port has to refuse feedback to count as closed: a program may be starting again."""
_ANOTHER_SILENCE = 5.0
"""Seconds without a refusal after which the next one is the first again."""


class FeedbackTarget:
    """One receiver of feedback."""

    def __init__(self, address: UdpAddress, expires: float, changes: Subscription) -> None:
        self.address = address
        self.expires = expires
        """End of the subscription in `time.monotonic` seconds; infinite for a configured target."""
        self.heard = time.monotonic()
        """Time of its last message in `time.monotonic` seconds."""
        self.has_sent = False
        """True once it has sent a message besides those that subscribe."""
        self.is_norm = False
        """True if it gets the share of the range of each parameter, 0 to 1, at the address of its ``/norm``."""
        self._changes = changes
        self._parameters: dict[str, None] = {}
        self._messages: dict[str, Value] = {}
        self._sentences: dict[tuple[str, str], str] = {}
        self._refused_since = self._refused_at = -_ANOTHER_SILENCE

    def queue_parameters(self, addresses: Iterable[str]) -> None:
        """Send the values of these parameters with the next feedback."""
        self._parameters.update(dict.fromkeys(addresses))

    def queue_message(self, address: str, value: Value) -> None:
        """Send a message with the next feedback. It replaces an older one with the same address."""
        self._messages[address] = value

    def queue_sentence(self, address: str, about: str, sentence: str) -> None:
        """Send a sentence with the next feedback. It replaces an older one to the address `address` about the same."""
        self._sentences.pop((address, about), None)
        self._sentences[address, about] = sentence
        if len(self._sentences) > MOST_SENTENCES:
            del self._sentences[next(iter(self._sentences))]

    def has_queued(self) -> bool:
        """Return True if anything is queued, besides the changes of the subscription."""
        return bool(self._parameters or self._messages or self._sentences)

    def take(
        self, read_values: Callable[[], Mapping[str, Value]], parameters: Mapping[str, Parameter]
    ) -> list[tuple[str, Value]]:
        """Return and forget everything to be sent. `read_values` returns the values of all `parameters`."""
        values = self._changes.take()
        if self._parameters:
            current = read_values()  # Read after the changes are taken, so that no older value is sent last.
            values.update((address, current[address]) for address in self._parameters)
            self._parameters.clear()
        if self.is_norm:
            values = norm_values(values, parameters)
        sentences = [(address, sentence) for (address, _), sentence in self._sentences.items()]
        taken = [*values.items(), *self._messages.items(), *sentences]
        self._messages.clear()
        self._sentences.clear()
        return taken

    def hear(self, is_message: bool) -> None:
        """Note that it has sent a message, or has renewed its subscription."""
        self.heard = time.monotonic()
        self.has_sent = self.has_sent or is_message

    def is_closed(self, now: float) -> bool:
        """Take a refusal of its port at `now`, in `time.monotonic` seconds. Return True if it has refused for long."""
        if now - self._refused_at > _ANOTHER_SILENCE:
            self._refused_since = now
        self._refused_at = now
        return now - self._refused_since >= UNREACHABLE_FOR

    def close(self) -> None:
        """End the subscription to changes."""
        self._changes.close()
