"""`LinkControl`: the show as a peer of an Ableton Link session (extra ``link``), which shares its tempo and its beats.

The tempo goes both ways: the last change counts, whoever made it. The place in the bar is that of the session while
it has other peers, as Link asks of its programs. Alone the show's own beats are the session's.
"""

import time
from collections.abc import Callable
from typing import Any

from io_bridges.lazy_imports import import_extra
from io_bridges.show_control import ShowControl, Subscription
from io_bridges.wakeup_socket import WakeupSocket, wait_until_readable
from presets.errors import BridgeError
from presets.lfo_parameters import BEATS_IN_A_BAR

SENDER = "link:session"
LOOK_INTERVAL = 0.05
"""Seconds between two looks at the session."""
LEAST_TEMPO_CHANGE = 0.005
"""Beats a minute below which a tempo is the same: Link rounds it."""
LEAST_SHIFT = 0.01
"""Beats below which two phases are the same: 5 ms at 120 beats a minute."""

MakePeer = Callable[[float], Any]
"""Makes a `link.Link` by its first tempo."""


def make_peer(bpm: float) -> Any:
    """Return a peer that is not enabled yet. Raises `BridgeUnavailable` without LinkPython-extern."""
    return import_extra("link", "link").Link(bpm)


class LinkControl:
    """A `Control` for one session. `status` and `stop` may be called from any thread."""

    def __init__(self, beats: Callable[[], float]) -> None:
        """`beats` returns the show's beats of now."""
        self._beats = beats
        self._peer: Any = None
        self._wake: WakeupSocket | None = None
        self._stopping = False
        self._tempo = 0.0
        """Tempo of the session at the last look."""
        self._peers = 0
        self._counts = {"tempos": 0, "shifts": 0}

    def open(self, show: ShowControl) -> None:
        """Join the session. Raises `BridgeUnavailable`."""
        self._show = show
        self._stopping = False
        self._tempo = float(show.values()["/bpm"])
        peer = make_peer(self._tempo)
        self._wake = wake = WakeupSocket()
        self._changes: Subscription = show.subscribe("link", wake.call)
        self._peer = peer
        peer.enabled = True

    def serve(self) -> None:
        """Follow the session, and have it follow the show, until `stop`. Raises `BridgeError` if it is not open."""
        if self._wake is None:
            raise BridgeError("Ableton Link is not open")
        while not self._stopping:
            if (bpm := self._changes.take().get("/bpm")) is not None:
                self._set_tempo(float(bpm))
            self._look()
            if wait_until_readable([self._wake], LOOK_INTERVAL):
                self._wake.clear()
                time.sleep(LOOK_INTERVAL / 10)  # bounds the work under a flood of changes

    def stop(self) -> None:
        """Make `serve` return soon. Called from any thread."""
        self._stopping = True
        if (wake := self._wake) is not None:
            wake.call()

    def close(self) -> None:
        """Leave the session. May be called twice."""
        if (peer := self._peer) is not None:
            self._peer = None
            peer.enabled = False
        if self._wake is not None:
            self._changes.close()
            self._wake.close()
            self._wake = None
        self._peers = 0

    def status(self) -> dict[str, object]:
        """Return the tempo of the session, the number of its other peers, and the counters."""
        return {"address": "Ableton Link", "tempo": round(self._tempo, 2), "peers": self._peers, **self._counts}

    def _set_tempo(self, bpm: float) -> None:
        """Give the session the show's tempo."""
        peer = self._peer
        state = peer.captureAppSessionState()
        if abs(state.tempo() - bpm) >= LEAST_TEMPO_CHANGE:
            state.setTempo(bpm, peer.clock().micros())
            peer.commitAppSessionState(state)
        self._tempo = bpm

    def _look(self) -> None:
        """Take the session's tempo if it has changed, then bring the phases together."""
        peer = self._peer
        state, self._peers = peer.captureAppSessionState(), peer.numPeers()
        tempo = state.tempo()
        if abs(tempo - self._tempo) >= LEAST_TEMPO_CHANGE:
            self._tempo = tempo
            self._counts["tempos"] += 1
            self._show.apply("/bpm", [round(tempo, 3)], SENDER)
        if abs(float(self._show.values()["/bpm"]) - tempo) > 10 * LEAST_TEMPO_CHANGE:
            return  # faster than the show can be: its beats can't stay with the session's
        beats, micros = self._beats(), peer.clock().micros()
        shift = phase_shift(beats, state.beatAtTime(micros, BEATS_IN_A_BAR))
        if abs(shift) < LEAST_SHIFT:
            return
        self._counts["shifts"] += 1
        if self._peers:
            self._show.apply("/beat", [beats + shift], SENDER)
        else:
            state.requestBeatAtTime(beats, micros, BEATS_IN_A_BAR)
            peer.commitAppSessionState(state)


def phase_shift(beats: float, session: float) -> float:
    """Return the beats from the show's place in its bar to the session's, the shorter way: -2 to 2."""
    half = BEATS_IN_A_BAR / 2
    return (session - beats + half) % BEATS_IN_A_BAR - half
