"""A small show over the real declaration, and moving pictures, for the tests of the web page."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from io_bridges.frames import Pixels, RenderedFrame, Tick
from io_bridges.show_control import ControlReply, FoundSources, Later
from io_bridges.web.preview import WebPreview
from io_bridges.web.server import WebControl
from io_bridges.web.small_pictures import LookPicture
from presets.declaration import ACTIONS, Action
from presets.errors import ParameterRefused
from presets.parameter_table import PARAMETERS, Parameter, Value

PRESETS: dict[str, dict[str, Value]] = {
    "neon-tunnel": {"/prompt/1/text": "neon tunnel", "/strength": 0.6},
    "deep-sea": {"/prompt/1/text": "bioluminescent plankton", "/strength": 0.85, "/steps": 6},
    "embers": {"/prompt/1/text": "embers in the wind", "/strength": 0.4},
    "white_noise": {"/prompt/1/text": "starfield", "/strength": 1.0},
}


class WebSubscription:
    """The changes that one page has not taken yet."""

    def __init__(self, show: "WebShow", surface: str, wake: Callable[[], None]) -> None:
        self.show, self.surface, self.wake = show, surface, wake
        self.changes: dict[str, Value] = {}

    def take(self) -> dict[str, Value]:
        with self.show.lock:
            changes, self.changes = self.changes, {}
        return changes

    def close(self) -> None:
        with self.show.lock:
            self.show.subscriptions.remove(self)


class WebShow:
    """Coerces by the declaration, keeps values and wakes subscribers. Presets and panic change their values."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.subscriptions: list[WebSubscription] = []
        self._values: dict[str, Value] = {}
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new show; subscriptions stay."""
        with self.lock:
            self.calls: list[tuple[str, tuple[object, ...], str]] = []
            self.refusals: list[tuple[str, str]] = []
            self.state: dict[str, object] = {"fps": 24.3, "latency_ms": float("nan")}
            self.names = list(PRESETS)
            self.meters: dict[str, float] = {}
            self.words: dict[str, list[str]] = {}
            self.looks: dict[str, LookPicture] = {}
            self.found: tuple[str, ...] = ()
            self.osc_messages: list[dict[str, object]] = []
            self.log_lines: list[dict[str, object]] = []
            self.input_pixels: Pixels | None = None
            self._change({address: entry.default for address, entry in PARAMETERS.items()}, "test")

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return PARAMETERS

    @property
    def actions(self) -> Mapping[str, Action]:
        return {action.address: action for action in ACTIONS}

    def apply(self, address: str, arguments: Sequence[object], sender: str, later: Later | None = None) -> ControlReply:
        with self.lock:
            self.calls.append((address, tuple(arguments), sender))
            if address in self.actions:
                return self._act(address, arguments, sender)
            if address not in PARAMETERS:
                return ControlReply(address, False, None, f"there is no parameter {address[:60]!r}")
            try:
                value = PARAMETERS[address].coerce(arguments[0])
            except ParameterRefused as error:
                return ControlReply(address, False, None, str(error))
            if address == "/preset" and value not in PRESETS:
                return ControlReply(address, False, None, f"there is no preset {value!r}")
            self._change({address: value, **(PRESETS[str(value)] if address == "/preset" else {})}, sender)
        return ControlReply(address, True, value, "" if value == arguments[0] else f"taken as {value}")

    def _act(self, address: str, arguments: Sequence[object], sender: str) -> ControlReply:
        if address == "/panic":
            self._change({"/freeze": False, "/blackout": False}, sender)
        elif address == "/prompt":
            self._change({"/prompt/1/text": str(arguments[0])}, sender)
        return ControlReply(address, True, None)

    def _change(self, changes: dict[str, Value], sender: str) -> None:
        self._values.update(changes)
        for subscription in self.subscriptions:
            if not sender.startswith(subscription.surface):
                waiting = bool(subscription.changes)
                subscription.changes.update(changes)
                if not waiting:  # as the store does
                    subscription.wake()

    def find_sources(self, found: Callable[[FoundSources], None]) -> None:
        threading.Thread(target=found, args=[FoundSources(self.found, {"syphon": "It runs on macOS only."})]).start()

    def values(self) -> dict[str, Value]:
        with self.lock:
            return dict(self._values)

    def preset_names(self) -> list[str]:
        return list(self.names)

    def status(self) -> dict[str, object]:
        return self.state

    def refused(self, sender: str, reason: str) -> None:
        self.refusals.append((sender, reason))

    def subscribe(self, surface: str, wake: Callable[[], None]) -> WebSubscription:
        subscription = WebSubscription(self, surface, wake)
        with self.lock:
            self.subscriptions.append(subscription)
        return subscription


def flat(index: int, level: int, size: int = 32) -> tuple[RenderedFrame, Tick]:
    """Return a picture of one grey level, which JPEG keeps."""
    pixels = np.full((size, size, 3), level, np.uint8)
    return RenderedFrame(pixels, index, -1, 0, 0), Tick(index, time.monotonic_ns(), False)


def plasma(height: int, width: int, phase: float) -> np.ndarray:
    """Return moving colour without symmetry, uint8 [height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height * 6
    wave = np.sin(x + phase) + np.sin(1.7 * y - 1.3 * phase) + np.sin(np.hypot(x - 3.7, y - 2.2) * 2.1 - 2 * phase)
    channels = [0.5 + 0.5 * np.cos(wave * 1.4 + shift) for shift in (0.0, 1.9, 3.6)]
    return (np.stack(channels, axis=-1) ** 1.6 * 255).astype(np.uint8)


@contextmanager
def serving(control: WebControl, show: WebShow) -> Iterator[WebControl]:
    """Open the control and serve it on a thread of its own."""
    control.open(show)
    thread = threading.Thread(target=control.serve, name="web")
    thread.start()
    try:
        yield control
    finally:
        control.stop()
        thread.join(15)
        control.close()
        assert not thread.is_alive(), "serve did not return after stop"


@contextmanager
def pumping(preview: WebPreview, show: WebShow, size: tuple[int, int] = (144, 256)) -> Iterator[None]:
    """Write moving pictures at about 12 a second. `/freeze` holds them and `/blackout` makes them black."""
    loop = [plasma(*size, 2 * np.pi * step / 50) for step in range(50)]
    black = np.zeros_like(loop[0])
    ended = threading.Event()

    def pump() -> None:
        index = step = 0
        while not ended.wait(0.08):
            values = show.values()
            index, step = index + 1, step + (not values["/freeze"])
            pixels = black if values["/blackout"] else loop[step % 50]
            preview.write(RenderedFrame(pixels, step, -1, 0, 0), Tick(index, time.monotonic_ns(), False))

    preview.open(size[1], size[0], 25)
    thread = threading.Thread(target=pump, name="pump")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        preview.close()
