"""A renderer without a network: returns each frame with its arrival time in its first pixels.

The delays of link, supervisor and stage are measured and tested with it (``model: echo``).
"""

import struct
import time
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from presets.frame_parameters import FrameParameters, PromptMixture
from presets.model_store import ECHO
from presets.vocabulary import Vocabulary

ECHO_MODEL = "echo"
_STAMP = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class EchoFrame:
    """A frame as it came, and its ticket."""

    pixels: NDArray[np.uint8]
    ticket: object


class NoTextEncoder(NamedTuple):
    """State of the text encoder, as that of `ImageStream`."""

    loading: str = ""
    encoded: int = 0
    held: int = 0


class EchoStream:
    """Replacement of `ImageStream`. A frame drawn from text is the seed as a grey."""

    slots: ClassVar[int] = 1
    description: ClassVar[dict[str, str]] = {
        "model": ECHO_MODEL,
        "accelerator": "none",
        "device": "cpu",
        "precision": "uint8",
        "why": "asked for",
        "forward": "no call",
    }
    vocabulary: ClassVar[Vocabulary | None] = None
    refused: ClassVar[str] = ""
    text_encoder: ClassVar[NoTextEncoder] = NoTextEncoder()

    def __init__(self, width: int, height: int, cost: float = 0.0) -> None:
        """`cost` is the time in seconds that each picture takes. It is slept, as a renderer waits for a GPU."""
        self._cost = cost
        self.width = width
        self.height = height
        self._waiting: list[EchoFrame] = []

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    @property
    def free(self) -> int:
        return self.slots - len(self._waiting)

    def encode(self, wording: PromptMixture) -> object:
        """Return the prompt itself: nothing is encoded."""
        return wording

    def recall(self, wording: PromptMixture) -> object:
        """Return the prompt itself: nothing is encoded."""
        return wording

    def free_text_encoder(self) -> None:
        """Do nothing: there is none."""

    def admit(
        self, pixels: NDArray[np.uint8] | None, moment: FrameParameters, conditioning: object, ticket: object
    ) -> None:
        """Copy the frame and stamp it."""
        if pixels is None or moment.parameters.mode == "text":
            picture = np.full((self.height, self.width, 3), moment.parameters.seed % 256, dtype=np.uint8)
        else:
            picture = pixels.copy()
        stamp(picture)
        self._waiting.append(EchoFrame(picture, ticket))

    def step(self) -> list[EchoFrame]:
        """Return all frames that wait."""
        time.sleep(self._cost * len(self._waiting))
        finished, self._waiting = self._waiting, []
        return finished


def echo_cost(model: str) -> float:
    """Return the seconds that a picture of an echo model takes."""
    named = ECHO.fullmatch(model)
    return int(named[1] or 0) / 1000 if named else 0.0


def stamp(pixels: NDArray[np.uint8]) -> None:
    """Write the time into the first pixels of a frame, in nanoseconds on the machine's monotonic clock."""
    written = np.frombuffer(_STAMP.pack(time.monotonic_ns()), dtype=np.uint8)
    pixels.reshape(-1)[: written.size] = written


def arrival_stamp(pixels: NDArray[np.uint8]) -> int:
    """Return the time when an echoed frame reached the renderer, in nanoseconds on the machine's monotonic clock."""
    (moment,) = _STAMP.unpack(pixels.reshape(-1)[: _STAMP.size].tobytes())
    return int(moment)
