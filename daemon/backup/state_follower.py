"""`StateFollower`: applies the state of another show to this one's store, on a thread that may wait for a disk."""

import logging
import threading
from collections.abc import Callable, Collection

from daemon.backup.show_state import Pulse, ShowState
from daemon.shared.clock import NS, Clock
from daemon.shared.mailbox import Mailbox
from daemon.shared.threads import restart_on_crash
from daemon.stage.opened_places import FILES, named_place
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.preset_saver import LoadedPreset
from daemon.stage.source_addresses import SOURCES
from presets.errors import SettingsError
from presets.parameter_table import Value
from presets.taken_message import RESTART, TempoMark

log = logging.getLogger("stage.backup")

SENDER = "backup"
"""Name of the sender of all that is applied, so that each surface hears of it."""

NEAR = 0.02
"""Seconds by which the beats of two shows may differ."""


class CuePlace:
    """Place of the last cue in the set list, from 0. The show with the set list replaces the functions."""

    def __init__(self) -> None:
        self.read: Callable[[], int] = lambda: -1
        self.set: Callable[[int], None] = lambda place: None
        self.resume: Callable[[], None] = lambda: None
        """Has the next cue follow by itself, if the one at the place says so."""
        self.pause: Callable[[], None] = lambda: None
        """Stops what changes the show by itself: the next cue, and recorded controls."""


class StateFollower:
    """Keeps a store in step with another show. `put` and `keep_time` return at once."""

    def __init__(
        self,
        store: ParameterStore,
        clock: Clock,
        own: Collection[str] = (),
        cues: CuePlace | None = None,
    ) -> None:
        """`own` are addresses that keep their own values: the sources of the command line."""
        self._store = store
        self._clock = clock
        self._own = frozenset(own)
        self._cues = cues or CuePlace()
        self._news: Mailbox[ShowState] = Mailbox()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._before: ShowState | None = None
        self.mark = ""
        """Mark of the newest state; empty for none."""
        self._refused: dict[str, str] = {}

    def put(self, mark: str, state: ShowState) -> None:
        """Apply a state with a mark, unless a newer one comes first. One thread at a time may call it."""
        if mark.partition(".")[0] != self.mark.partition(".")[0]:  # another run, whose revisions say nothing here
            self._before = None
        self.mark = mark
        self._news.put(state)
        if self._thread is None:
            work = restart_on_crash("the follower of a show", self._work, self._stopping.is_set)
            self._thread = threading.Thread(target=work, name="backup-state", daemon=True)
            self._thread.start()

    def forget(self) -> None:
        """Apply all of the next state, for a show that has had its own meanwhile."""
        self.mark, self._before = "", None

    def stop(self) -> None:
        """End the thread after what it applies now."""
        self._stopping.set()

    def differing(self) -> dict[str, str]:
        """Return the addresses at which this show could not follow, with the other's value and the reason."""
        before = self._before
        if before is None:
            return {}
        values = before.values
        return {
            address: f"{values[address]!s:.80}{f': {self._refused[address]}' if address in self._refused else ''}"
            for address in (*FILES, *SOURCES)
            if address in values and address not in self._own and self._store.value(address) != values[address]
        }

    def keep_time(self, pulse: Pulse, at: int) -> None:
        """Follow the beats, seconds and envelopes that another show had at an instant, in ns."""
        tempo, now = self._store.tempo, self._clock.now()
        own, since = tempo.time(pulse.bpm), (now - at) / NS
        beats = pulse.beats + since * pulse.bpm / 60.0
        if abs(own.beats - beats) * 60.0 / pulse.bpm > NEAR or abs(own.seconds - pulse.seconds - since) > NEAR:
            tempo.place(TempoMark(at, pulse.beats, pulse.bpm), at - round(pulse.seconds * NS))
        for place, age in enumerate(pulse.triggers):
            if age < 1e6 and abs(tempo.triggered_at(place) - (started := at - round(age * NS))) > NEAR * NS:
                tempo.trigger(place, started)

    def apply(self, state: ShowState) -> None:
        """Apply a state. It may wait for a disk."""
        former = self._before
        known = {} if former is None else former.values
        # A value that this show could not take, such as a model that it lacks, is not tried again with every fader.
        wanted = {address: value for address, value in state.values.items() if known.get(address) != value}
        sources = {address: str(wanted.pop(address)) for address in SOURCES if address in wanted}
        self._drop_closed(wanted)
        is_panic = former is not None and state.panic > former.panic
        is_cut = former is None or state.cut > former.cut
        self._store.change(
            wanted,
            SENDER,
            "/panic" if is_panic else RESTART if is_cut else "",
            LoadedPreset(state.preset, state.preset_values),
            panic=is_panic,
            is_new_look=former is not None and state.look > former.look,
            is_message=False,
        )
        self._before = state
        for address, uri in sources.items():
            if address not in self._own and self._store.value(address) != uri:
                self._refused.pop(address, None)
                if named_place(address, uri) is None:  # the command line names the show whose network sources these are
                    self._store.opened.trust({address: uri})
                reply = self._store.apply(address, [uri], SENDER)
                if not reply.accepted:
                    self._refused[address] = reply.note
        if state.cue >= 0:
            self._cues.set(state.cue)

    def _drop_closed(self, wanted: dict[str, Value]) -> None:
        """Leave out the files that this machine does not open to a peer."""
        for address in FILES & wanted.keys():
            self._refused.pop(address, None)
            try:
                self._store.opened.check(address, str(wanted[address]))
                self._store.opened.check_on_disk(address, str(wanted[address]))
            except SettingsError as error:
                self._refused[address] = str(error)
                log.error("%s: this show can't follow: %s", address, error)
                del wanted[address]

    def _work(self) -> None:
        serial = 0
        while not self._stopping.is_set():
            state, newest = self._news.wait_newer(serial, 0.5)
            if state is not None and newest != serial:
                self.apply(state)
            serial = newest
