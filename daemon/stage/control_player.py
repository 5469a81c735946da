"""`ControlPlayer`: plays recorded controls into a show. Surfaces stay in charge: their messages are taken beside it."""

import threading
from typing import NamedTuple

from daemon.shared.clock import NS, Clock
from daemon.shared.threads import restart_on_crash
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.preset_saver import LoadedPreset
from daemon.stage.prompt_reading import prompt_values
from daemon.stage.quantised_show import QuantisedShow
from daemon.stage.source_addresses import SOURCES
from io_bridges.scheme import without_password
from presets.coercion import as_number
from presets.control_file import RecordedControls
from presets.declaration import LOCK, TRIGGERS
from presets.parameter_table import Value
from presets.taken_message import RESTART, SINKS, ShowStart, TakenMessage

SENDER = "recorded controls"
"""Name of the sender of every message that is played, so that each surface hears of it."""

SHORTEST_LOOP = 0.1
"""Seconds of the shortest recording that is played in a loop."""


class PlayingState(NamedTuple):
    """State of what is played."""

    path: str = ""
    """Path of the recording; empty if none is played."""
    seconds: float = 0.0
    length: float = 0.0
    loop: bool = False


class ControlPlayer:
    """Plays one recording at a time into a store. Any thread may call it."""

    def __init__(self, store: ParameterStore, clock: Clock, quantised: QuantisedShow | None = None) -> None:
        """`quantised` holds looks for their beat, and hears of each change of the tempo."""
        self._store = store
        self._clock = clock
        self._quantised = quantised
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._controls: RecordedControls | None = None
        self._is_loop = False
        self._began = 0
        self._next = 0

    def start(self) -> None:
        """Play on a thread from now on, each message at its time."""
        run = restart_on_crash("the player of controls", self._run, self._stopping.is_set)
        self._thread = threading.Thread(target=run, name="play-controls", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and end the thread."""
        self.stop()
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(2.0)

    @property
    def state(self) -> PlayingState:
        """State of what is played."""
        controls = self._controls
        if controls is None:
            return PlayingState()
        seconds = min(self._clock.now() - self._began, controls.length) / NS
        return PlayingState(str(controls.path), seconds, controls.length / NS, self._is_loop)

    def play(self, controls: RecordedControls, loop: bool = False) -> None:
        """Set the show to the start of a recording and play it, in place of any other one."""
        self._controls = None  # ends a round that is being played
        with self._lock:
            self._controls = controls
            self._is_loop = loop and not is_too_short(controls)
            self._begin(controls, self._clock.now())
        self._wake.set()

    def stop(self) -> bool:
        """Play no further message. The show stays as it is. Return False if nothing was played."""
        # A recording with more messages than the machine plays in time holds the lock. It sees this between two.
        was_playing, self._controls = self._controls is not None, None
        with self._lock:  # until the message that is being played is in the show
            return was_playing

    def catch_up(self) -> int | None:
        """Play what is due. Return when the next message is, None if nothing is played any more."""
        with self._lock:
            while (controls := self._controls) is not None:
                now, messages = self._clock.now(), controls.messages
                if self._next < len(messages):
                    if (due := self._began + messages[self._next].at) > now:
                        return due
                    self._next += 1
                    self._apply(messages[self._next - 1], controls)
                    continue
                if (end := self._began + controls.length) > now:
                    return end
                if not self._is_loop:
                    self._controls = None
                else:
                    # After a time in which the machine slept, whole rounds are left out.
                    self._begin(controls, end + (now - end) // controls.length * controls.length)
            return None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            due = self.catch_up()
            self._wake.wait(None if due is None else max(due - self._clock.now(), 0) / NS)

    def _begin(self, controls: RecordedControls, at: int) -> None:
        self._began, self._next = at, 0
        self._restart(controls.start, controls.opening(controls.start))

    def _restart(self, start: ShowStart, values: dict[str, Value]) -> None:
        """Set the whole show to a start, at once."""
        store, mark = self._store, start.tempo
        store.tempo.place(mark._replace(at=self._began + mark.at), self._began + start.began)
        sources = {address: str(values.pop(address)) for address in SOURCES if address in values}
        store.change(values, SENDER, RESTART, LoadedPreset(start.preset, start.preset_values))
        for address, uri in sources.items():
            self._open(address, uri)
        self._follow_tempo()

    def _known(self, address: str, value: Value) -> Value:
        """Return a value, with its password if it is the source on air."""
        if address not in SOURCES:
            return value
        on_air = self._store.source_uri(address)
        return on_air if without_password(on_air) == value else value

    def _open(self, address: str, uri: str) -> None:
        """Open a source unless it is on air already. Its password is not in the file."""
        if without_password(self._store.source_uri(address)) != without_password(uri):
            self._store.apply(address, [uri], SENDER)

    def _apply(self, message: TakenMessage, controls: RecordedControls) -> None:
        """Apply one message as it was taken. Nothing of it is read or coerced again."""
        store, address, arguments = self._store, message.address, message.arguments
        if message.start is not None:
            self._restart(message.start, controls.opening(message.start))
        elif (mark := message.tempo) is not None:
            store.tempo.place(mark._replace(at=self._began + mark.at))
            store.change({"/bpm": mark.bpm}, SENDER, address)
            self._follow_tempo()
        elif address == "/preset":
            name = str(arguments[0])
            values = {key: self._known(key, value) for key, value in message.values.items()}
            store.load(address, name, {**values, address: name}, SENDER, None)
        elif address in ("/save", "/undo_save"):  # nothing is written: the look is the preset from now on
            loaded = LoadedPreset(str(arguments[0]), message.values)
            store.change({"/preset": loaded.name}, SENDER, address, loaded)
        elif address == "/panic":
            store.change(message.values, SENDER, address, panic=True)
        elif address == "/prompt":
            pairs = zip(arguments[0::2], arguments[1::2], strict=True)
            store.change(prompt_values([(str(text), as_number(weight)) for text, weight in pairs]), SENDER, address)
        elif address in SOURCES:
            self._open(address, str(arguments[0]))
        elif address in SINKS:
            store.apply(address, arguments, SENDER)
        elif address == LOCK:
            pass  # only a hand locks and unlocks a show
        elif address in TRIGGERS:
            store.tempo.trigger(TRIGGERS.index(address), self._began + message.at)
            store.change({}, SENDER, address)
        else:
            store.change({address: arguments[0]}, SENDER, address)

    def _follow_tempo(self) -> None:
        if self._quantised is not None:
            self._quantised.follow_tempo()


def is_too_short(controls: RecordedControls) -> bool:
    """Return True for a recording that can't be played in a loop."""
    return controls.length < SHORTEST_LOOP * NS
