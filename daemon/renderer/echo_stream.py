"""A renderer without a network: gives each picture back with the time it came written into its first pixels.

It is what the link, the supervisor and the stage's own delay are measured and tested with (``model: echo``).
"""

import struct
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from presets.frame_parameters import FrameParameters, PromptMixture

ECHO_MODEL = "echo"
_STAMP = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class EchoPicture:
    """A picture as it came, and its ticket."""

    pixels: NDArray[np.uint8]
    ticket: object


class EchoStream:
    """Stands where an `ImageStream` stands; a picture of text is the seed as a grey."""

    slots: ClassVar[int] = 1
    description: ClassVar[dict[str, str]] = {
        "model": ECHO_MODEL,
        "accelerator": "none",
        "device": "cpu",
        "precision": "uint8",
        "why": "asked for",
        "forward": "no call",
    }

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._waiting: list[EchoPicture] = []

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    @property
    def free(self) -> int:
        return self.slots - len(self._waiting)

    def encode(self, wording: PromptMixture) -> object:
        """There are no words here."""
        return wording

    def recall(self, wording: PromptMixture) -> object:
        """Nor is there anything to encode."""
        return wording

    def admit(
        self, pixels: NDArray[np.uint8] | None, moment: FrameParameters, conditioning: object, ticket: object
    ) -> None:
        """Copy the picture and stamp it."""
        if pixels is None or moment.parameters.mode == "text":
            picture = np.full((self.height, self.width, 3), moment.parameters.seed % 256, dtype=np.uint8)
        else:
            picture = pixels.copy()
        stamp(picture)
        self._waiting.append(EchoPicture(picture, ticket))

    def step(self) -> list[EchoPicture]:
        """All that waits."""
        finished, self._waiting = self._waiting, []
        return finished


def stamp(pixels: NDArray[np.uint8]) -> None:
    """Write the time into the first pixels of a picture: nanoseconds on the machine's monotonic clock."""
    written = np.frombuffer(_STAMP.pack(time.monotonic_ns()), dtype=np.uint8)
    pixels.reshape(-1)[: written.size] = written


def arrival_stamp(pixels: NDArray[np.uint8]) -> int:
    """When an echoed picture had come to the renderer: nanoseconds on the machine's monotonic clock."""
    (moment,) = _STAMP.unpack(pixels.reshape(-1)[: _STAMP.size].tobytes())
    return int(moment)
