"""`ShowControl`: the interface between the show and every control surface.

The stage's parameter store implements it. `apply_values` applies many values of one request.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from presets.declaration import Action
from presets.parameter_table import TWINS, Parameter, Value

MAX_UNKNOWN = 8
"""Unknown addresses of one request that get a reply with a suggestion. Any more are only counted."""
MAX_ADDRESS = 255
"""Characters of the longest unknown address that is repeated in a reply."""


class ControlReply(NamedTuple):
    """The outcome of one live message."""

    address: str
    accepted: bool
    value: Value | None
    """The value after coercion and clamping; None for an action or a refusal."""
    note: str = ""
    """Empty if the value was taken as it came, otherwise a sentence: how it was changed, or why it was refused."""
    confirm: bool = False
    """True if the message was refused until the surface confirms it by sending the same again."""
    pending: bool = False
    """True if the outcome is not known yet. Another reply for the same address follows: see `ShowControl.apply`."""


Later = Callable[[ControlReply], None]
"""Takes a reply that comes later. It is called from any thread and returns at once."""


class FoundSources(NamedTuple):
    """Outcome of a search for sources."""

    uris: tuple[str, ...] = ()
    """Sources that can be opened now, as ``/source`` takes them."""
    failures: Mapping[str, str] = MappingProxyType({})
    """Reason by scheme for those that could not be searched."""


class Subscription(Protocol):
    """Changes made by others. Only the newest value of each address is kept, so that a slow reader costs nothing."""

    def take(self) -> dict[str, Value]:
        """Return all changes since the last call, oldest first."""

    def close(self) -> None:
        """End the subscription."""


class ShowControl(Protocol):
    """The live parameters and the state of the show. Every method returns at once and may be called from any thread."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Every parameter by address (``/strength``, ``/prompt/1/text``)."""

    @property
    def actions(self) -> Mapping[str, Action]:
        """Every action by address (``/panic``)."""

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        """Set a parameter or perform an action. Coerces, clamps, or refuses with a reason; never raises.

        `sender` names the surface (``osc:127.0.0.1:50123``). Changes are sent to every other surface, never back to it.
        A source and a sink take time to open. `later` gets the reply with the outcome, possibly before `apply` returns:
        also for a preset that names a source, whose own reply is not ``pending``.
        """

    def find_sources(self, found: Callable[[FoundSources], None]) -> None:
        """Search for the sources that can be opened now. `found` gets them within half a minute, on another thread."""

    def values(self) -> dict[str, Value]:
        """Return the wanted value of every parameter by address."""

    def preset_names(self) -> list[str]:
        """Return the names of the presets that can be loaded, in order."""

    def status(self) -> dict[str, object]:
        """Return the state of the show as JSON values: fps, latency, renderer, sources, sinks, refusals."""

    def refused(self, sender: str, reason: str) -> None:
        """Count a message that could not be understood, and log it at a bounded rate."""

    def subscribe(self, surface: str, wake: Callable[[], None]) -> Subscription:
        """Subscribe to the changes made by senders whose name does not start with `surface`.

        A sender whose name starts with `surface` gets back only what changed besides the address that it sent: the
        values of a preset that it loaded, so that its other faders follow.

        `wake` is called from any thread when there are changes to take. It must return at once.
        """


Complete = Callable[[Mapping[str, ControlReply]], None]
"""Takes the late replies to one request, by address."""


class LateReplies:
    """The late replies to one request. Any thread may add one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._replies: dict[str, ControlReply] = {}
        self._missing: set[str] = set()
        self._complete: Complete | None = None

    def add(self, reply: ControlReply) -> None:
        """Take a late reply. It is a `Later`."""
        with self._lock:
            self._replies[reply.address] = reply
            complete = self._taken()
        if complete is not None:
            complete(self._replies)

    def when_complete(self, replies: Collection[ControlReply], call: Complete) -> bool:
        """Have `call` called with the late replies by address, once there is one for each pending one of `replies`.

        It is called from any thread. Return False, and never call it, if none is pending.
        """
        pending = {reply.address for reply in replies if reply.pending}
        if not pending:
            return False
        with self._lock:
            self._missing, self._complete = pending, call
            complete = self._taken()
        if complete is not None:
            complete(self._replies)
        return True

    def _taken(self) -> Complete | None:
        """Return the function to call, once, when nothing is missing."""
        if self._complete is None or self._missing - self._replies.keys():
            return None
        complete, self._complete = self._complete, None
        return complete


def with_outcome(replies: Mapping[str, ControlReply], outcome: Mapping[str, ControlReply]) -> dict[str, ControlReply]:
    """Return the replies of `apply_values` with the late ones in place of those that were pending."""
    return {key: outcome[reply.address] if reply.pending else reply for key, reply in replies.items()}


def is_known(show: ShowControl, address: str) -> bool:
    """Return True for the address of a parameter, of its twins (``/strength/norm``), and of an action."""
    return address in show.parameters or address in show.actions or address in TWINS


def apply_values(
    show: ShowControl, values: Mapping[str, object], sender: str, later: Later | None = None
) -> tuple[dict[str, ControlReply], int]:
    """Apply the values of one request. Return the replies by address, and the number of addresses without a reply.

    The slash at the start of an address may be missing. An unknown address gets a reply with a suggestion, which is
    slow to find. So only the first `MAX_UNKNOWN` get one, and the rest are counted as one refusal.
    """
    replies: dict[str, ControlReply] = {}
    unknown = omitted = 0
    for written, value in values.items():
        address = written if written.startswith("/") else f"/{written}"
        if not is_known(show, address):
            unknown += 1
            if unknown > MAX_UNKNOWN or len(address) > MAX_ADDRESS:
                omitted += 1
                continue
        replies[written] = show.apply(address, [value], sender, later)
    if omitted:
        show.refused(sender, f"{omitted} more unknown addresses in one request")
    return replies, omitted
