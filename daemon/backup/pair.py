"""`Pair`: a show and the other one that it shares its outputs with. This is the half that both have."""

import logging
import secrets
import socket
import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from daemon.backup.air import TickWatch
from daemon.backup.outputs import Outputs
from daemon.backup.pair_messages import LONGEST_NAME
from daemon.backup.show_state import ShowState, state_of
from daemon.backup.state_follower import CuePlace, StateFollower
from daemon.shared.clock import Clock
from daemon.shared.threads import restart_on_crash
from daemon.stage.notices import Notice
from daemon.stage.opened_places import ADD_SINK
from daemon.stage.output_clock import OutputClock
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.settings import Settings

log = logging.getLogger("stage.backup")

TAKE, RELEASE = "/backup/take", "/backup/release"
"""Addresses of the actions by which the outputs pass from one show to the other."""
PERIOD = 0.05
"""Seconds between two looks at the other show."""
STALL = 0.5
"""Seconds without a tick after which an output counts as dead, and without a word after which a show is not heard."""


def run_name() -> str:
    """Return a name for a run of a show that no other has."""
    return secrets.token_hex(8)


def show_name(control: str | None) -> str:
    """Return a name for a show: its machine, and the port of its ZeroMQ control endpoint."""
    machine = "".join(filter(str.isprintable, socket.gethostname()))[: LONGEST_NAME - 6] or "unnamed"
    return machine if control is None else f"{machine}:{control.rpartition(':')[2]}"


class Pair(ABC):
    """Opens and closes the outputs of one of two shows. Any thread may call it."""

    role: str

    def __init__(
        self, settings: Settings, store: ParameterStore, clock: Clock, output: Callable[[], OutputClock]
    ) -> None:
        """`output` returns the output clock."""
        self.run, self.name = run_name(), show_name(settings.control)
        self.cues = CuePlace()
        """Place in the set list."""
        self.uris: Callable[[], list[str]] = list
        """Returns the sinks of the show; the stage sets it."""
        self.settings, self.store, self.clock = settings, store, clock
        self.outputs = Outputs(lambda: store.change_sinks, self.sinks)
        self.outputs.wanted = settings.held_sinks
        self.trust(settings.held_sinks)
        given = {"/source": settings.source_must_open, "/source2": settings.source2_must_open}
        own = [address for address, is_given in given.items() if is_given]
        self.follower = StateFollower(store, clock, own, self.cues)
        self.watch = TickWatch(STALL)
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.unheard = 0
        """Messages of surfaces that came while this show was off air."""
        self.ends = False
        """True once this show ends, so that the other one takes over at once."""
        self._output = output
        self._thread: threading.Thread | None = None

    @property
    @abstractmethod
    def is_on_air(self) -> bool:
        """True while the outputs of this show are open."""

    @property
    @abstractmethod
    def partner(self) -> str:
        """Name of the other machine; empty without one."""

    @abstractmethod
    def start(self) -> None:
        """Begin once the show plays."""

    def end(self) -> None:
        """Have the other show take over, and end the threads."""
        self.ends = True
        self.stopping.set()
        self.follower.stop()
        if self._thread is not None:
            self._thread.join(2.0)

    @abstractmethod
    def keep(self) -> None:
        """Note on the disk what the next start must know. For a thread that may wait for it."""

    @abstractmethod
    def follow(self, request: Mapping[str, object]) -> dict[str, object]:
        """Return the report to a message of a backup. Raises `BridgeError`."""

    @abstractmethod
    def take(self) -> str:
        """Have the backup go on air. Return a note, also if it is. Raises `ParameterRefused`."""

    @abstractmethod
    def release(self) -> str:
        """Have the first show go on air again. Return a note, also if it is. Raises `ParameterRefused`."""

    @abstractmethod
    def refusal(self) -> str:
        """Return why messages are refused now; empty if they are taken."""

    @abstractmethod
    def notices(self) -> list[Notice]:
        """Return what the performer must know about the pair."""

    @abstractmethod
    def silence(self) -> float:
        """Return the seconds since the other show was heard."""

    @abstractmethod
    def serve(self) -> None:
        """Look at the other show until stopped. For the pair's own thread."""

    def status(self) -> dict[str, object]:
        """Return the state of the pair for the status; empty without one."""
        if not self.partner and self.is_on_air:
            return {}
        return {
            "role": self.role,
            "partner": self.partner,
            "on_air": self.is_on_air,
            "heard_s": round(self.silence(), 2),
            "outputs": list(self.outputs.wanted),
            "unheard": self.unheard,
            "differs": self.follower.differing(),
        }

    def begin(self) -> None:
        """Start the pair's thread, once."""
        if self._thread is None:
            work = restart_on_crash("the pair of shows", self.serve, self.stopping.is_set)
            self._thread = threading.Thread(target=work, name="backup-pair", daemon=True)
            self._thread.start()

    def sinks(self) -> list[str]:
        """Return the sinks of this show, those included that are being opened or closed."""
        return self.uris()

    def look_at_output(self, now: int) -> None:
        """Notice if the output of this show stands."""
        output = self._output()
        self.watch.look(now, output.ticks, float(output.rate))

    def mark(self) -> str:
        """Return a text that changes with the state of this show."""
        extra = (self.uris(), self.cues.read(), self.store.value("/preset"))
        return f"{self.run}.{self.store.wanted}.{zlib.crc32(repr(extra).encode()):x}"

    def state(self) -> ShowState:
        """Return the state of this show."""
        return state_of(self.store, self.uris(), self.cues.read())

    def turn(self, why: str) -> None:
        """Open or close the outputs for a reason; an empty one is no turn. The caller holds the lock."""
        if not why or self.ends:
            return
        now = self.clock.now()
        if self.is_on_air:
            log.error("ON AIR: %s. Opening %s", why, ", ".join(self.outputs.wanted) or "no sink, since none is known")
            self.outputs.open(now)
            self.cues.resume()
        else:
            log.error("OFF AIR: %s. The outputs are closed.", why)
            self.cues.pause()
            self.follower.forget()
            self.leave(now)

    def leave(self, now: int) -> None:
        """Close the outputs."""
        self.outputs.close(now)

    def trust(self, sinks: tuple[str, ...]) -> None:
        """Let sinks that the user opened be opened again."""
        for uri in sinks:
            self.store.opened.trust({ADD_SINK: uri})
