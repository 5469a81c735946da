"""`QuantisedShow`: a show whose looks change on the beat. Every other message passes through at once.

With ``/quantise`` at ``beat`` or ``bar``, a preset or the text of a prompt that a surface asks for waits. It is applied
so early that its first picture is the nearest one to the next beat, or to the next first beat of a bar. It keeps to
that beat when the tempo changes meanwhile.
"""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from daemon.stage.message_reading import read_message
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.prompt_reading import PLACES
from daemon.stage.show_wrapper import Cancel, ShowWrapper, StartTimer, start_timer
from io_bridges.show_control import ControlReply, Later
from presets.errors import StreamflowError
from presets.lfo_parameters import BEATS_IN_A_BAR
from presets.parameter_table import PARAMETERS, TWINS, Value

MOST_HELD = 32
"""Messages that wait for one beat. The oldest of more is dropped."""
NOT_MISSED = 0.002
"""Seconds before a beat in which a message still counts as on it."""

_LOOKS = ("/next", "/previous", "/prompt", "/preset", *PLACES.values())
_TEMPO = ("/bpm", "/tap", "/beat", "/resync")
"""Beginnings of the addresses that change when a beat comes: ``/bpm/norm`` too."""
_AT_ONCE = {address for address in (*PARAMETERS, *TWINS) if address not in _LOOKS and not address.startswith(_TEMPO)}
"""Faders and switches, which are most of all messages."""


class HeldMessage(NamedTuple):
    """A message that waits for its beat."""

    beat: int
    """Beat at which it is to be on air."""
    every: int
    """Number that the beat is a multiple of."""
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
        self._due: dict[int, Cancel] = {}
        """Cancels the timer of a beat. Each has one, so that no flood of messages starts more."""
        self.beside: Callable[[Callable[[], None]], None] = _on_a_thread
        """Does what may wait for a disk, beside the caller."""
        self._finding = threading.Lock()

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
        if written.startswith(_TEMPO):
            return self._set_tempo(apply)
        is_look = written in _LOOKS or written.rpartition("/")[0] in ("/preset", "/prompt")
        if not is_look:
            return apply()
        return self._on_its_beat(address, apply, later, partial(self._texts, written, tuple(arguments)))

    def recall(self, name: str, instead: Mapping[str, Value], sender: str, later: Later | None = None) -> ControlReply:
        """Load a preset with the values `instead` in place of its own, or hold it like a ``/preset``."""
        apply = partial(self._store.recall, name, instead, sender, later)
        return self._on_its_beat("/preset", apply, later, partial(self._store.files.texts, name))

    def _on_its_beat(
        self, address: str, apply: Callable[[], ControlReply], later: Later | None, texts: Callable[[], Sequence[str]]
    ) -> ControlReply:
        quantise = str(self._store.value("/quantise"))
        if quantise == "off":
            return apply()
        every = BEATS_IN_A_BAR if quantise == "bar" else 1
        with self._lock:
            beat = self._next(every)
            self._held.append(HeldMessage(beat, every, address, apply, later))
            oldest, self._held = self._held[:-MOST_HELD], self._held[-MOST_HELD:]
            if beat not in self._due:
                self._start_timer(beat)
        _refuse(oldest, "dropped: too many looks wait for one beat")
        if self._finding.acquire(blocking=False):  # one at a time, whatever the disk does
            self.beside(partial(self._announce, texts))
        note = f"waits {self._seconds_until(beat):.1f} s for the {quantise}"
        return ControlReply(address, True, None, note, pending=later is not None)

    def _announce(self, texts: Callable[[], Sequence[str]]) -> None:
        """Have the texts of a look encoded before its beat. One that can't be loaded is refused on its beat."""
        try:
            found = texts()
            with self._lock:
                waits = bool(self._held)
            self._store.announce(found if waits else ())
        except StreamflowError:
            pass
        finally:
            self._finding.release()

    def _texts(self, written: str, arguments: Sequence[object]) -> Sequence[str]:
        """Return the texts that a message brings. Raises `StreamflowError`."""
        if written in ("/next", "/previous"):
            return self._store.files.texts(1 if written == "/next" else -1)
        address, plain, _, prompts = read_message(written, arguments, self._store.values(), self._store.preset_names)
        if prompts or not plain or not isinstance(plain[0], str):
            return [text for text, _ in prompts]
        return self._store.files.texts(plain[0]) if address == "/preset" else [plain[0]]

    def status(self) -> dict[str, object]:
        """Return the state of the show, with the number of messages that wait for a beat."""
        return {**self._store.status(), "held": len(self._held)}

    def _panic(self, address: str, arguments: Sequence[object], sender: str, later: Later | None) -> ControlReply:
        """Drop what waits, unless the message is the release of a button."""
        before = self._store.standing().panic_revision
        reply = self._store.apply(address, arguments, sender, later)
        if self._store.standing().panic_revision != before:
            _refuse(self._take(lambda message: True), "dropped by /panic")
            self._store.tempo.keep_quiet(0.0)
            self._end_announcement()
        return reply

    def _set_tempo(self, apply: Callable[[], ControlReply]) -> ControlReply:
        """Pass a message on, and start the timers anew."""
        reply = apply()
        self.follow_tempo()
        return reply

    def follow_tempo(self) -> None:
        """Start the timers anew, after a change of the tempo."""
        _, now = self._tempo()
        with self._lock:
            self._held = [
                # Its beat is far away when the beats are counted anew.
                message._replace(beat=self._next(message.every)) if message.beat - now > message.every else message
                for message in self._held
            ]
            for cancel in self._due.values():
                cancel()
            self._due = {}
            for beat in {message.beat for message in self._held}:
                self._start_timer(beat)

    def _start_timer(self, beat: int) -> None:
        """Have what waits for a beat applied in time. The caller holds the lock."""
        self._due[beat] = self._timer(self._seconds_until(beat), partial(self._release, beat))

    def _tempo(self) -> tuple[float, float]:
        """Return the tempo, and the beat at which a picture that is begun now is on air."""
        bpm = float(self._store.value("/bpm"))
        return bpm, self._store.tempo.time_on_air(bpm).beats

    def _next(self, every: int) -> int:
        """Return the next multiple of `every` at which a picture that is begun now can be on air."""
        bpm, now = self._tempo()
        return math.ceil((now - NOT_MISSED * bpm / 60.0) / every) * every

    def _seconds_until(self, beat: int) -> float:
        """Return the seconds until a message has to be applied for its first picture to be the nearest to a beat."""
        return self._until(beat)[0]

    def _until(self, beat: int) -> tuple[float, float]:
        """Return the seconds until a message is applied, and until a renderer that waits for a frame is woken."""
        return self._store.tempo.until_change(beat, float(self._store.value("/bpm")))

    def _release(self, beat: int) -> None:
        """Apply the messages of a beat, in their order."""
        with self._lock:
            self._due.pop(beat, None)
        _, woken = self._until(beat)
        self._store.tempo.keep_quiet(woken)
        if woken:
            self._timer(woken, self._store.wake)
        for message in self._take(lambda held: held.beat == beat):
            reply = message.apply()
            if message.later is not None:
                # The sender knows the message by the address that was sent.
                message.later(reply._replace(address=message.address))
        self._end_announcement()

    def _take(self, chosen: Callable[[HeldMessage], bool]) -> list[HeldMessage]:
        """Remove the chosen messages and return them."""
        taken: list[HeldMessage] = []
        with self._lock:
            held, self._held = self._held, []
            for message in held:
                (taken if chosen(message) else self._held).append(message)
        return taken

    def _end_announcement(self) -> None:
        """Announce nothing any more, once nothing waits."""
        with self._lock:
            waits = bool(self._held)
        if not waits:
            self._store.announce(())


def _on_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="coming-look", daemon=True).start()


def _refuse(messages: Sequence[HeldMessage], reason: str) -> None:
    for message in messages:
        if message.later is not None:
            message.later(ControlReply(message.address, False, None, reason))
