"""`BuildAttempts`: what became of the build that is wanted, and what may play in its place where it can't be had.

A build that fails may do so once more before it is given up; one whose own words say that it can't be had is given up
at once. Then the look decides: with `fallback` another accelerator plays in its place, without it none does.
"""

from daemon.link.messages import FailureKind
from presets.build import Build

PATIENCE = 2
"""Deaths before a first picture after which a build is given up."""
HOPELESS: frozenset[FailureKind] = frozenset({"accelerator", "look"})
"""What the same again would come to again."""
IN_ITS_PLACE = ("auto", "eager")
"""What plays where the accelerator asked for can't and the look allows another: the first that is not given up."""


class BuildAttempts:
    """Of one wanted build at a time. The supervisor's thread writes; any may read."""

    def __init__(self) -> None:
        self.wanted: Build | None = None
        self._failures = 0
        self._given_up: dict[str, str] = {}
        """Why, by accelerator."""
        self._beyond_accelerators = ""
        self.reason = ""
        """Why the last try failed; empty while none has."""

    def want(self, build: Build) -> bool:
        """Take over what is wanted; whether it is another build, which is then tried from the beginning."""
        another = build != self.wanted
        self.wanted = build  # also where it is the same: `fallback` may have been turned
        if another:
            self.succeeded()
        return another

    def succeeded(self, build: Build | None = None) -> None:
        """A picture of `build` came: what had been given up before it stays so. Without one, all is forgotten."""
        self._failures = 0
        self.reason = ""
        if build is None or build == self.wanted:
            self._given_up = {}
            self._beyond_accelerators = ""

    def failed(self, build: Build, reason: str, kind: FailureKind, disturbs: bool = False) -> bool:
        """`build` gave no picture; whether it is now given up: at once where trying again `disturbs` what is on air."""
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
        """What is to be started: the wanted build, or the one that the look allows in its place."""
        wanted = self.wanted
        if wanted is None or not wanted.fallback or self._beyond_accelerators:
            return wanted
        names = (wanted.accelerator, *IN_ITS_PLACE)
        name = next((name for name in names if name not in self._given_up), wanted.accelerator)
        return wanted.with_accelerator(name)

    @property
    def hopeless(self) -> bool:
        """Whether everything that might be started was given up."""
        return self.target is not None and self.target.accelerator in self._given_up

    def in_place_of(self, build: Build) -> str:
        """Why `build` plays where another accelerator is wanted, as a part of a sentence; empty where none is."""
        wanted = self.wanted
        if wanted is None or build == wanted or build != wanted.with_accelerator(build.accelerator):
            return ""
        reason = self._given_up.get(wanted.accelerator)
        return f"in place of {wanted.accelerator}, as the look allows: {reason}" if reason else ""
