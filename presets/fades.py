"""Fades by time or by a number of pictures, and `Glide`: numbers on their way from one preset to the next.

Every float that presets hold glides. Those of what is drawn (`DRAWN`) glide with each picture that a renderer asks for,
those of the sources and of the output (`STAGED`) with each frame that comes in or goes out, with no renderer needed.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from presets.declaration import Effect
from presets.parameter_table import NESTED, PARAMETERS
from presets.parameters import Parameters

_RESOLVED_ELSEWHERE = frozenset({"morph", "morph_beats", "seed_mix", "drift"})
"""Numbers that `presets.morph` alone reads, so they need not glide."""


def _gliding(*effects: Effect) -> tuple[str, ...]:
    """Return the keys of the numbers with one of these effects that glide from preset to preset."""
    return tuple(
        parameter.key
        for parameter in PARAMETERS.values()
        if parameter.kind == "float"
        and parameter.in_presets
        and parameter.effect in effects
        and parameter.key not in _RESOLVED_ELSEWHERE | NESTED.keys()
    )


DRAWN = _gliding(Effect.FRAME)
"""Keys of the numbers that glide with each picture that is drawn."""

STAGED = _gliding(Effect.SOURCE, Effect.OUTPUT)
"""Keys of the numbers that glide with each frame that comes in or goes out."""


class MorphTime(NamedTuple):
    """Instant at which a picture is drawn."""

    seconds: float
    """Seconds on any clock that does not run backwards."""
    pictures: int = 0
    """Number of pictures drawn before it."""


class Change(Enum):
    """Cause of new parameters."""

    CONTROL = "a control was moved"
    PRESET = "another preset was loaded"
    CUT = "the new values apply at once, whatever `morph` says"


class Fade(NamedTuple):
    """Linear fade from nothing of the new values to all of them."""

    start: MorphTime = MorphTime(0.0)
    seconds: float = 0.0
    pictures: int = 0
    """Length in pictures; above 0 it replaces the seconds. The last of so many is the first of the new values alone."""

    def share(self, at: MorphTime) -> float:
        """Return the share of the new values, 0 to 1."""
        if self.pictures > 0:
            share = (at.pictures - self.start.pictures + 1) / self.pictures
        elif self.seconds > 0:
            share = (at.seconds - self.start.seconds) / self.seconds
        else:
            return 1.0
        return min(max(share, 0.0), 1.0)


FINISHED = Fade()


class Glide(NamedTuple):
    """Numbers on their way to their wanted values."""

    origins: Mapping[str, float] = MappingProxyType({})
    """Values from which they come, by key."""
    fade: Fade = FINISHED

    def at(self, wanted: Parameters, at: MorphTime) -> Parameters:
        """Return the wanted parameters with those that glide at their place at that instant."""
        share = self.fade.share(at)
        if share >= 1.0 or not self.origins:
            return wanted
        return wanted.model_copy(
            update={key: origin + (getattr(wanted, key) - origin) * share for key, origin in self.origins.items()}
        )

    def towards(
        self, before: Parameters, wanted: Parameters, at: MorphTime, change: Change, keys: tuple[str, ...]
    ) -> "Glide":
        """Return the glide from `at` on, when `wanted` follows `before`. `keys` are those that a preset has glide."""
        fade = Fade(at, wanted.morph_seconds, wanted.morph_pictures)
        if change is Change.CUT or fade.share(at) >= 1.0:
            return Glide()
        if change is Change.PRESET:
            now = self.at(before, at)
            origins = {key: getattr(now, key) for key in keys if getattr(now, key) != getattr(wanted, key)}
            return Glide(origins, fade) if origins else Glide()
        # A fader that the performer moves stops gliding.
        kept = {key: origin for key, origin in self.origins.items() if getattr(wanted, key) == getattr(before, key)}
        return Glide(kept, self.fade)
