"""`Lineup`: the renderers that run, each in its part, as an immutable value with a named state.

    DOWN ─────► STARTING ──────► BRIDGING       STARTING: nothing is on air, the candidate has given no picture yet.
                   │                │           BRIDGING: a stand-in starts beside it, to be on air until it delivers.
                   ▼                ▼
                PLAYING ◄─────► SWITCHING       SWITCHING: one is on air, and the candidate of another build starts.
                   ▲                │
                   └── YIELDING ◄───┘           YIELDING: memory is short for two, and the candidate has it to itself.

A renderer goes on air with its first picture. One that is lost leaves the others in their parts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from presets.build import Build

if TYPE_CHECKING:
    from daemon.supervision.renderer_process import RendererProcess


class LineupState(StrEnum):
    """State of a line-up."""

    DOWN = "down"
    STARTING = "starting"
    BRIDGING = "bridging"
    YIELDING = "yielding"
    PLAYING = "playing"
    SWITCHING = "switching"


@dataclass(frozen=True, slots=True)
class Lineup:
    """At most four renderers, and the peers of the one on air."""

    on_air: "RendererProcess | None" = None
    """Renderer whose pictures are shown."""
    candidate: "RendererProcess | None" = None
    """Renderer of the wanted build. It goes on air with its first picture."""
    stand_in: "RendererProcess | None" = None
    """Renderer that goes on air with its first picture if the candidate has given none by then."""
    understudy: "RendererProcess | None" = None
    """Renderer of the build on air that is loaded and waits. It has no part in the state."""
    peers: "tuple[RendererProcess, ...]" = ()
    """Renderers of the build on air that draw beside it. They have no part in the state."""
    alone: Build | None = None
    """Build that runs with no renderer beside it: memory is too short for two, or its stand-in failed."""

    @property
    def state(self) -> LineupState:
        """Name of the state."""
        if self.on_air is not None:
            return LineupState.PLAYING if self.candidate is None else LineupState.SWITCHING
        if self.stand_in is not None:
            return LineupState.BRIDGING
        if self.candidate is None:
            return LineupState.DOWN
        return LineupState.YIELDING if self.candidate.build == self.alone else LineupState.STARTING

    def __iter__(self) -> "Iterator[RendererProcess]":
        """Iterate over the renderers that run."""
        renderers = self.candidate, self.stand_in, self.on_air, self.understudy, *self.peers
        return (each for each in renderers if each is not None)

    # Transitions. The supervisor ends every renderer that the next line-up leaves out.

    def candidate_starts(self, renderer: "RendererProcess | None") -> "Lineup":
        """Return the line-up with another candidate."""
        return replace(self, candidate=renderer)

    def stand_in_starts(self, renderer: "RendererProcess | None") -> "Lineup":
        """Return the line-up with another stand-in."""
        return replace(self, stand_in=renderer)

    def candidate_delivers(self) -> "Lineup":
        """Return the line-up with the candidate on air in place of what was."""
        return replace(self, on_air=self.candidate, candidate=None)

    def stand_in_delivers(self) -> "Lineup":
        """Return the line-up with the stand-in on air."""
        return replace(self, on_air=self.stand_in, stand_in=None)

    def candidate_stands_in(self) -> "Lineup":
        """Return the line-up with the candidate as stand-in, and room for another candidate."""
        return replace(self, stand_in=self.candidate, candidate=None)

    def stand_in_is_wanted(self) -> "Lineup":
        """Return the line-up with the stand-in as candidate."""
        return replace(self, candidate=self.stand_in, stand_in=None)

    def understudy_starts(self, renderer: "RendererProcess | None") -> "Lineup":
        """Return the line-up with another understudy."""
        return replace(self, understudy=renderer)

    def understudy_is_candidate(self) -> "Lineup":
        """Return the line-up with the understudy as candidate."""
        return replace(self, candidate=self.understudy, understudy=None)

    def understudy_stands_in(self) -> "Lineup":
        """Return the line-up with the understudy as stand-in."""
        return replace(self, stand_in=self.understudy, understudy=None)

    def loses_understudy(self) -> "Lineup":
        """Return the line-up without its understudy."""
        return replace(self, understudy=None)

    def peer_starts(self, renderer: "RendererProcess") -> "Lineup":
        """Return the line-up with another peer."""
        return replace(self, peers=(*self.peers, renderer))

    def peer_leads(self, renderer: "RendererProcess") -> "Lineup":
        """Return the line-up with a peer as the one on air."""
        return replace(self.loses_peer(renderer), on_air=renderer)

    def peer_is_candidate(self, renderer: "RendererProcess") -> "Lineup":
        """Return the line-up with a peer as candidate."""
        return replace(self.loses_peer(renderer), candidate=renderer)

    def loses_peer(self, renderer: "RendererProcess") -> "Lineup":
        """Return the line-up without one of its peers."""
        return replace(self, peers=tuple(peer for peer in self.peers if peer is not renderer))

    def loses_peers(self) -> "Lineup":
        """Return the line-up without peers."""
        return replace(self, peers=())

    def loses_on_air(self) -> "Lineup":
        """Return the line-up with nothing on air."""
        return replace(self, on_air=None)

    def loses_candidate(self) -> "Lineup":
        """Return the line-up without its candidate."""
        return replace(self, candidate=None)

    def loses_stand_in(self, alone: Build | None = None) -> "Lineup":
        """Return the line-up without its stand-in; `alone` is the build that gets no other one."""
        return replace(self, stand_in=None, alone=alone or self.alone)

    def yields_to(self, build: Build) -> "Lineup":
        """Return the line-up that leaves all memory to this build."""
        return replace(self, on_air=None, stand_in=None, understudy=None, peers=(), alone=build)
