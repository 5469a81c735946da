"""`AudioInput`: an input of the sound card through PortAudio (sounddevice, extra ``audio``). Used in a child process.

PortAudio reads the devices once in a process, so that each look for one that was missing is a new process.
"""

import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from io_bridges.audio.analysis import Samples, block_length
from io_bridges.lazy_imports import import_extra
from presets.errors import BridgeError, BridgeUnavailable

DEFAULT = "default"
"""Name of the system's own choice."""
SILENT_SECONDS = 2.0
"""Time without a block after which an input counts as gone: some systems never tell."""
_MOST_WAITING = 32
"""Blocks that wait to be analysed. The oldest of more is dropped."""
_MOST_CHANNELS = 2
_PREFERRED = ("Windows WASAPI", "Core Audio", "ALSA")
"""Interfaces of a system that list the same device several times, the quickest first."""


class InputDevice(NamedTuple):
    """One input that PortAudio lists."""

    number: int
    name: str
    interface: str
    channels: int
    rate: float


def port_audio() -> Any:
    """Return the module `sounddevice`. Raises `BridgeUnavailable` without it or without PortAudio."""
    try:
        return import_extra("sounddevice", "audio")
    except OSError as error:  # its wheel for Linux leaves the library to the system
        raise BridgeUnavailable("The PortAudio library is missing. Run: sudo apt install libportaudio2") from error


def inputs(module: Any) -> list[InputDevice]:
    """Return the inputs, the quickest interface of the system first."""
    interfaces = [str(interface["name"]) for interface in module.query_hostapis()]
    found = [
        InputDevice(
            number,
            str(device["name"]),
            interfaces[device["hostapi"]],
            int(device["max_input_channels"]),
            float(device["default_samplerate"]),
        )
        for number, device in enumerate(module.query_devices())
        if device["max_input_channels"] > 0
    ]
    order = {name: place for place, name in enumerate(_PREFERRED)}
    return sorted(found, key=lambda device: order.get(device.interface, len(order)))


def chosen_input(module: Any, name: str) -> InputDevice:
    """Return the input that a part of a name fits, in any case. Raises `BridgeError` with those that there are."""
    found = inputs(module)
    if name.casefold() == DEFAULT:
        standard = module.default.device[0]
        fitting = [device for device in found if device.number == standard] or found
    else:
        fitting = [device for device in found if name.casefold() in device.name.casefold()]
    if fitting:
        return fitting[0]
    names = ", ".join(dict.fromkeys(device.name for device in found)) or "none"
    raise BridgeError(f"no audio input has {name!r} in its name; it is looked for (inputs: {names})")


class AudioInput:
    """An open input. PortAudio's thread puts blocks, another one takes them."""

    def __init__(self, name: str) -> None:
        """Open an input by a part of its name. Raises `BridgeError`, `BridgeUnavailable`."""
        self._module = port_audio()
        device = chosen_input(self._module, name)
        self.name = device.name
        self.rate = device.rate
        self._waiting: deque[Samples] = deque(maxlen=_MOST_WAITING)
        self._came = threading.Event()
        try:
            self._stream = self._module.InputStream(
                samplerate=device.rate,
                blocksize=block_length(device.rate),
                device=device.number,
                channels=min(device.channels, _MOST_CHANNELS),
                dtype="float32",
                latency="low",
                callback=self._put,
            )
            self._stream.start()
        except (self._module.PortAudioError, ValueError) as error:
            raise BridgeError(f"{device.name} can't be opened: {error}") from error

    def blocks(self) -> Iterator[Samples]:
        """Yield blocks of mono samples as they come. Raises `BridgeError` when the input is gone."""
        while self._came.wait(SILENT_SECONDS):
            self._came.clear()
            while self._waiting:
                yield self._waiting.popleft()
        raise BridgeError(f"{self.name} gives no more sound; it is looked for")

    def _put(self, samples: Samples, count: int, when: object, flags: object) -> None:
        self._waiting.append(np.asarray(samples.mean(axis=1), np.float32))
        self._came.set()
