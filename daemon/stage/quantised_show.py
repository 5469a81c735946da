"""`QuantisedShow`: a show whose looks change on the beat. Every other message passes through at once.

With ``/quantise`` at ``beat`` or ``bar``, a preset or a prompt that a surface asks for waits. It is applied so early
that its first picture is on air at the next beat, or at the next first beat of a bar.
"""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from daemon.stage.parameter_store import ParameterStore
from daemon.stage.show_wrapper import ShowWrapper, StartTimer, start_timer
from io_bridges.show_control import ControlReply, Later
from presets.lfo_parameters import BEATS_IN_A_BAR
from presets.parameter_table import PARAMETERS, Value

MOST_HELD = 32
"""Messages that wait for one beat. The oldest of more is dropped."""
NOT_MISSED = 0.002
"""Seconds before a beat in which a message still counts as on it."""

_LOOKS = ("/next", "/previous", "/prompt", "/preset")
_AT_ONCE = PARAMETERS.keys() - {*_LOOKS}
"""Faders and switches, which are most of all messages."""


class HeldMessage(NamedTuple):
    """A message that waits for its beat."""

    beat: int
    """Beat at which it is to be on air."""
    address: str
    """Address as it was sent, such as ``/preset/fire``."""
    apply: Callable[[], ControlReply]
    later: Later | None


class QuantisedShow(ShowWrapper):
    """Implements `daemon.stage.show_wrapper.LookControl` around a store. Every method may be called from any thread."""

    def __init__(self, store: ParameterStore, timer: StartTimer = start_timer) -> None:
        super().__init__(store)
        self._store = store
        self._timer = timer
        self._lock = threading.Lock()
        self._held: list[HeldMessage] = []
        self._due: set[int] = set()
        """Beats with a timer, one each, so that no flood of messages starts more."""

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        """Apply a message, or hold it until its beat.

        The reply to a held message is pending and says how long it waits; its outcome goes to `later`. A panic drops
        what waits.
        """
        if address in _AT_ONCE:
            return self._store.apply(address, arguments, sender, later)
        written = address.lower().rstrip("/")
        if written == "/panic":
            return self._panic(address, arguments, sender, later)
        apply = partial(self._store.apply, address, tuple(arguments), sender, later)
        is_look = written in _LOOKS or written.rpartition("/")[0] in ("/preset", "/prompt")
        return self._on_its_beat(address, apply, later) if is_look else apply()

    def recall(self, name: str, instead: Mapping[str, Value], sender: str, later: Later | None = None) -> ControlReply:
        """Load a preset with the values `instead` in place of its own, or hold it like a ``/preset``."""
        return self._on_its_beat("/preset", partial(self._store.recall, name, instead, sender, later), later)

    def _on_its_beat(self, address: str, apply: Callable[[], ControlReply], later: Later | None) -> ControlReply:
        quantise = str(self._store.value("/quantise"))
        if quantise == "off":
            return apply()
        beat, seconds = self._next(BEATS_IN_A_BAR if quantise == "bar" else 1)
        with self._lock:
            self._held.append(HeldMessage(beat, address, apply, later))
            oldest, self._held = self._held[:-MOST_HELD], self._held[-MOST_HELD:]
            is_new = beat not in self._due
            self._due.add(beat)
        _refuse(oldest, "dropped: too many looks wait for one beat")
        if is_new:
            self._timer(seconds, partial(self._release, beat))
        note = f"waits {seconds:.1f} s for the {quantise}"
        return ControlReply(address, True, None, note, pending=later is not None)

    def status(self) -> dict[str, object]:
        """Return the state of the show, with the number of messages that wait for a beat."""
        return {**self._store.status(), "held": len(self._held)}

    def _panic(self, address: str, arguments: Sequence[object], sender: str, later: Later | None) -> ControlReply:
        """Drop what waits, unless the message is the release of a button."""
        before = self._store.standing().panic_revision
        reply = self._store.apply(address, arguments, sender, later)
        if self._store.standing().panic_revision != before:
            _refuse(self._take(lambda message: True), "dropped by /panic")
        return reply

    def _next(self, beats: int) -> tuple[int, float]:
        """Return the next multiple of `beats`, and the seconds until a message has to be applied to be on air at it."""
        bpm = float(self._store.value("/bpm"))
        at = self._store.tempo.time_on_air(bpm).beats
        boundary = math.ceil((at - NOT_MISSED * bpm / 60.0) / beats) * beats
        return boundary, max((boundary - at) * 60.0 / bpm, 0.0)

    def _release(self, beat: int) -> None:
        """Apply the messages of a beat, in their order."""
        with self._lock:
            self._due.discard(beat)
        for message in self._take(lambda held: held.beat == beat):
            reply = message.apply()
            if message.later is not None:
                # Who waits knows the message by the address that was sent.
                message.later(reply._replace(address=message.address))

    def _take(self, chosen: Callable[[HeldMessage], bool]) -> list[HeldMessage]:
        """Remove the chosen messages and return them."""
        taken: list[HeldMessage] = []
        with self._lock:
            held, self._held = self._held, []
            for message in held:
                (taken if chosen(message) else self._held).append(message)
        return taken


def _refuse(messages: Sequence[HeldMessage], reason: str) -> None:
    for message in messages:
        if message.later is not None:
            message.later(ControlReply(message.address, False, None, reason))
