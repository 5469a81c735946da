"""`SecondSource`: the source that lies over the first one. It may come, go and fail while the first one plays."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from daemon.shared.clock import Clock
from daemon.stage.bridge_set import BridgeSet
from daemon.stage.bridge_threads import BridgeThread
from daemon.stage.newest_frame import LossPolicy, NewestFrame
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.settings import Settings
from daemon.stage.source_switch import NO_SOURCE, SourceSwitch
from daemon.stage.source_thread import Fitting, SourceThread
from io_bridges.bridges import Source
from io_bridges.late_source import LateSource
from io_bridges.scheme import without_password
from io_bridges.show_control import ControlReply, Later
from io_bridges.uri import make_source

ADDRESS = "/source2"


class NewestLayer(NewestFrame):
    """Holds the newest frame of the second source. Once that source is lost, the first one plays alone."""

    @property
    def is_lost(self) -> bool:
        """True once no frame has come for `lost_after`."""
        return bool(self.silence(self._parameters().lost_after))

    def expect(self, nothing: bool) -> None:
        """Wait for the frames of another source. The last frame of a lost one is not shown again."""
        super().expect(nothing or self.is_lost)

    def policy(self) -> LossPolicy:
        """Return ``hold``: a lost layer changes no output beyond the mix."""
        return "hold"

    @property
    def meanwhile(self) -> str:
        """Phrase for the performer: the picture on air while the second source is silent."""
        return "the first source plays alone" if self.is_lost else "its last picture stays in the mix"


class SecondSource:
    """The thread of the second source, and the switch by which the surfaces change it."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        store: ParameterStore,
        fitting: Callable[[], Fitting],
        sinks: Callable[[], Sequence[str]],
        wake: Callable[[], None],
    ) -> None:
        """
        Args:
            settings: The settings of the show.
            clock: The clock of the show.
            store: Store whose surfaces change the source.
            fitting: Returns how the first source is fitted.
            sinks: Returns the URIs of all sinks, whose ports no source can take.
            wake: Called after each frame, on the source's thread.
        """
        self._settings = settings
        self._clock = clock
        self._store = store
        self._sinks = sinks
        self._fitting = fitting
        self.newest = NewestLayer(clock, lambda: store.snapshot()[1], wake)
        """Newest frame, of the size and framing of the first source, with alpha if the source gives any."""
        self._bridges = BridgeSet(self._first, [])
        self.switch = SourceSwitch(
            self._bridges,
            settings.source2 or NO_SOURCE,
            clock,
            self._make,
            self._check,
            lambda uri, sender: store.take_source("" if self.thread.is_empty else uri, sender, ADDRESS),
            store.refused,
            ADDRESS,
        )
        store.open_source[ADDRESS] = self._request

    @property
    def thread(self) -> SourceThread:
        """The thread of the source that is on air."""
        return self._bridges.source

    @property
    def threads(self) -> list[BridgeThread]:
        """Threads that are not done: that of the source on air, and former ones in a call."""
        return [self._bridges.source, *self._bridges.leaving()]

    @property
    def abandoned(self) -> int:
        """Number of threads that were replaced."""
        return self._bridges.abandoned

    def start(self, patience: float) -> None:
        """Start the threads. Wait so many seconds for a source that must open, and raise its `BridgeError`."""
        self.thread.start()
        if self._settings.source2_must_open:
            self.thread.wait_until_open(patience)
        self.switch.start()

    def stop(self) -> None:
        """Stop the threads."""
        self.switch.stop()
        self.thread.stop()

    def replace_stuck(self) -> None:
        """Replace the thread if its call does not return or it crashed. For the main thread."""
        self._bridges.replace_stuck()

    def status(self) -> list[dict[str, Any]]:
        """Return the status of the source, in a list that is empty while there is none."""
        return [] if self.thread.is_empty or self.thread.uri == NO_SOURCE else [self.thread.status()]

    def _first(self) -> SourceThread:
        """Return the source that the show begins with. Raises as `BridgeMaker.first_source` does."""
        uri = self._settings.source2
        if uri and self._settings.source2_must_open:
            return self._thread_of(uri, make_source(uri, keep_alpha=True), on_air=True)
        return self._make(uri or NO_SOURCE, True)

    def _make(self, uri: str, on_air: bool) -> SourceThread:
        source = LateSource(uri, True, partial(self._store.opened.check_on_disk, ADDRESS, uri))
        return self._thread_of(uri, source, on_air)

    def _check(self, uri: str) -> None:
        self._settings.check_source(uri, self._store.source_uri("/source"), self._sinks())
        self._store.opened.check(ADDRESS, uri)

    def _thread_of(self, uri: str, source: Source, on_air: bool) -> SourceThread:
        return SourceThread(without_password(uri), source, self._clock, self.newest, self._layer_fitting, on_air)

    def _layer_fitting(self) -> Fitting:
        return self._fitting()._replace(keep_alpha=True)

    def _request(self, uri: str, sender: str, later: Later | None) -> ControlReply:
        """Have another source opened; an empty text ends the present one."""

        def outcome(reply: ControlReply) -> None:
            if later is not None:
                later(reply._replace(value="") if reply.accepted and self.thread.is_empty else reply)

        return self.switch.request(uri or NO_SOURCE, sender, outcome)
