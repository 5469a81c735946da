"""`RecordingShow`: a `ShowControl` with the real parameters and their coercion, which records every message."""

import threading
from collections.abc import Callable, Mapping, Sequence

from io_bridges.show_control import ControlReply, FoundSources, Later
from presets.declaration import ACTIONS, Action
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, Parameter, Value


class RecordingSubscription:
    def __init__(self, show: "RecordingShow", surface: str, wake: Callable[[], None]) -> None:
        self.show, self.surface, self.wake = show, surface, wake
        self.changes: dict[str, Value] = {}

    def take(self) -> dict[str, Value]:
        with self.show.lock:
            taken, self.changes = self.changes, {}
        return taken

    def close(self) -> None:
        with self.show.lock:
            if self in self.show.subscriptions:
                self.show.subscriptions.remove(self)


class RecordingShow:
    """A `ShowControl` without a stage."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.applied: list[tuple[str, tuple[object, ...], str]] = []
        self.refusals: list[tuple[str, str]] = []
        self.subscriptions: list[RecordingSubscription] = []
        self.state: dict[str, object] = {"fps": 24.5, "latency_ms": 83.0}
        self._values = {address: parameter.default for address, parameter in PARAMETERS.items()}

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return PARAMETERS

    @property
    def actions(self) -> Mapping[str, Action]:
        return {action.address: action for action in ACTIONS}

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        reply = self._reply(address, arguments, sender)
        with self.lock:
            self.applied.append((address, tuple(arguments), sender))
        return reply

    def _reply(self, address: str, arguments: Sequence[object], sender: str) -> ControlReply:
        if address in self.actions:
            return ControlReply(address, True, None)
        if address not in PARAMETERS:
            return ControlReply(address, False, None, f"There is no {address}.")
        if len(arguments) != 1:
            return ControlReply(address, False, None, f"One value is expected, not {len(arguments)}.")
        try:
            value = PARAMETERS[address].coerce(arguments[0])
        except ParameterRefused as error:
            return ControlReply(address, False, None, str(error))
        with self.lock:
            self._values[address] = value
            receivers = [s for s in self.subscriptions if not sender.startswith(s.surface)]
            for subscription in receivers:
                subscription.changes.pop(address, None)
                subscription.changes[address] = value
        for subscription in receivers:
            subscription.wake()
        return ControlReply(address, True, value, "" if value == arguments[0] else f"taken as {value}")

    def find_sources(self, found: Callable[[FoundSources], None]) -> None:
        threading.Thread(target=found, args=[FoundSources(("ndi:STAGE (A)", "spout:B"), {"syphon": "no Mac"})]).start()

    def values(self) -> dict[str, Value]:
        with self.lock:
            return dict(self._values)

    def preset_names(self) -> list[str]:
        return ["aurora", "neon"]

    def status(self) -> dict[str, object]:
        return dict(self.state)

    def refused(self, sender: str, reason: str) -> None:
        with self.lock:
            self.refusals.append((sender, reason))

    def subscribe(self, surface: str, wake: Callable[[], None]) -> RecordingSubscription:
        subscription = RecordingSubscription(self, surface, wake)
        with self.lock:
            self.subscriptions.append(subscription)
        return subscription
