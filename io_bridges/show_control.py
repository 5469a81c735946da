"""`ShowControl`: what a control surface may do to the show. The daemon's parameter store is one; tests hand in
another."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from presets.parameter_table import Parameter, Value
from presets.parameters import Action


class ControlReply(NamedTuple):
    """What became of one live message."""

    address: str
    accepted: bool
    value: Value | None
    """What was taken, after coercion and clamping; None for an action or a refusal."""
    note: str = ""
    """Empty when the value was taken as it came; else a sentence: what was clamped, or why it was refused."""


class Subscription(Protocol):
    """Changes made by others, the newest value of each address only, so that a slow reader costs nothing."""

    def take(self) -> dict[str, Value]:
        """All changes since the last call, oldest first; empty if none."""

    def close(self) -> None:
        """Stop listening."""


class ShowControl(Protocol):
    """The live parameters and the show's state. Every method may be called from any thread and returns at once."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Every parameter by address (``/strength``, ``/prompt/1/text``)."""

    @property
    def actions(self) -> Mapping[str, Action]:
        """Every action by address (``/panic``)."""

    def apply(self, address: str, arguments: Sequence[object], sender: str) -> ControlReply:
        """Set a parameter or do an action. Never raises for what came: it coerces, clamps, or refuses and says why.

        `sender` names the surface (``osc:127.0.0.1:50123``): changes are told to every other surface, never to it.
        """

    def values(self) -> dict[str, Value]:
        """The wanted value of every parameter, by address."""

    def looks(self) -> list[str]:
        """The names of the presets that can be loaded, in order."""

    def status(self) -> dict[str, object]:
        """The show's state as JSON-able values: fps, latency, renderer, sources, sinks, refusals."""

    def refused(self, sender: str, reason: str) -> None:
        """Count a message that could not even be understood, and log it (at a bounded rate)."""

    def subscribe(self, surface: str, wake: Callable[[], None]) -> Subscription:
        """Hear the changes that any sender whose name does not start with `surface` makes.

        Of what such a sender does itself, what changed besides the address it sent is heard too: the values of a look
        it loaded, or its faders would lie.

        `wake` is called, from any thread, when there is something to take; it must return at once.
        """
