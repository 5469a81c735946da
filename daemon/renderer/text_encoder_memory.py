"""`TextEncoderMemory`: the rule by which a renderer gives back the memory of a text encoder that nobody needs."""

from collections.abc import Callable
from typing import Protocol

from daemon.shared.clock import NS, Clock
from presets.build import TextEncoderRule
from presets.free_memory import free_main_memory

IDLE = 30.0
"""Seconds without a text to encode after which ``auto`` looks at the memory."""

ROOM = 2
"""Times its own size that must be free beside a text encoder that ``auto`` keeps. The next renderer starts beside this
one, and may load one too."""


class TextEncoderUse(Protocol):
    """The part of `pipeline.conditioning.TextEncoderState` that the rule needs."""

    @property
    def encoded(self) -> int: ...
    @property
    def held(self) -> int: ...


class TextEncoderMemory:
    """Decision when a text encoder is freed: one thread only.

    ``keep`` never frees it. ``free`` frees it as soon as the texts are encoded. ``auto`` frees it after `IDLE` seconds
    without a text to encode, if less than `ROOM` times its size is free beside it.
    """

    def __init__(self, rule: TextEncoderRule, clock: Clock, available: Callable[[], int] | None = None) -> None:
        """
        Args:
            rule: The rule.
            clock: Clock of the idle time.
            available: Returns the bytes of main memory that programs can have; None asks the system.
        """
        self._rule, self._clock = rule, clock
        self._available = available or free_main_memory
        self._encoded = 0
        self._since = clock.now()

    def is_due(self, state: TextEncoderUse) -> bool:
        """Return True if the text encoder is to be freed now. Called often; it asks the system once in `IDLE`."""
        if not state.held or self._rule == "keep":
            return False
        now = self._clock.now()
        if state.encoded != self._encoded:
            self._encoded, self._since = state.encoded, now
        if self._rule == "free":
            return True
        if now - self._since < IDLE * NS:
            return False
        self._since = now
        return self._available() < ROOM * state.held
