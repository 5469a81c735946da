"""`BuildAttempts`: failed attempts at the wanted build, and the build to start in its place.

A build that fails is tried once more before it is given up. One that reports itself impossible is given up at once.
With `fallback` another accelerator then plays in its place; without it none does.
"""

from daemon.link.messages import FailureKind
from presets.build import Build

PATIENCE = 2
"""Failures before a first picture after which a build is given up."""
HOPELESS: frozenset[FailureKind] = frozenset({"accelerator", "look"})
"""Kinds of failure that another attempt would repeat."""
FALLBACKS = ("auto", "eager")
"""Accelerators that play in place of the one asked for. The first that is not given up is taken."""


class BuildAttempts:
    """Attempts at one wanted build at a time. The supervisor's thread writes; any thread may read."""

    def __init__(self) -> None:
        self.wanted: Build | None = None
        self._failures = 0
        self._given_up: dict[str, str] = {}
        """Reason by accelerator."""
        self._beyond_accelerators = ""
        """Reason that no accelerator can mend."""
        self.reason = ""
        """Reason of the last failure; empty while there is none."""

    def want(self, build: Build) -> bool:
        """Set the wanted build. Return True if it is another one, which is then tried from the beginning."""
        another = build != self.wanted
        self.wanted = build  # also an equal one: `fallback` may have changed
        if another:
            self.succeeded()
        return another

    def succeeded(self, build: Build | None = None) -> None:
        """Forget the failures of `build`, which delivers. Without it, or if it is the wanted one, forget all."""
        self._failures = 0
        self.reason = ""
        if build is None or build == self.wanted:
            self._given_up = {}
            self._beyond_accelerators = ""

    def failed(self, build: Build, reason: str, kind: FailureKind, disturbs: bool = False) -> bool:
        """Count a failure of `build`. Return True if it is given up. `disturbs` gives it up without a retry."""
        self._failures += 1
        self.reason = reason
        if self._failures < PATIENCE and kind not in HOPELESS and not disturbs:
            return False
        self._failures = 0
        self._given_up[build.accelerator] = reason
        if kind == "look":
            self._beyond_accelerators = reason
        return True

    @property
    def target(self) -> Build | None:
        """Build to start: the wanted one, or a fallback that it allows."""
        wanted = self.wanted
        if wanted is None or not wanted.fallback or self._beyond_accelerators:
            return wanted
        names = (wanted.accelerator, *FALLBACKS)
        name = next((name for name in names if name not in self._given_up), wanted.accelerator)
        return wanted.with_accelerator(name)

    @property
    def hopeless(self) -> bool:
        """True if every build that may be started was given up."""
        return self.target is not None and self.target.accelerator in self._given_up

    def in_place_of(self, build: Build) -> str:
        """Return why `build` plays in place of the wanted accelerator, as a clause; empty if it does not."""
        wanted = self.wanted
        if wanted is None or build == wanted or build != wanted.with_accelerator(build.accelerator):
            return ""
        reason = self._given_up.get(wanted.accelerator)
        return f"in place of {wanted.accelerator}, as the look allows: {reason}" if reason else ""
