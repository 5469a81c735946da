"""Messages of the renderer link. Each is a frozen dataclass with `encode` and `decode`.

A message is a list of ZeroMQ parts. The first is a JSON header. Pixels follow in a part of their own, so that neither
end copies them. `decode` raises `RendererError` for every malformed message: a renderer is this program too, but it may
be another version, or its memory may be damaged.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from daemon.link.header import Header, Part, choice, decode_header, encode_header, model, number, pixels, text, whole
from presets.errors import RendererError
from presets.vocabulary import Vocabulary

Phase = Literal["starting", "loading", "building", "verifying", "playing"]
"""Phase of a renderer. ``verifying`` is the first call of a foreign engine, which may hang."""

FailureKind = Literal["accelerator", "look", "memory", "other"]
"""Kind of a failure, by its remedy: another accelerator, another model or size, more memory, or unknown."""

LONGEST_SIDE = 8192
"""Most pixels of a side that a renderer may ask for. No bridge takes a larger picture."""


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of a renderer."""

    token: str
    """Secret that the stage put into the environment of this renderer."""

    def encode(self) -> list[Part]:
        return [encode_header("hello", token=self.token)]

    @classmethod
    def decode(cls, header: Header, parts: Sequence[Part]) -> "Hello":
        return cls(text(header, "token"))


@dataclass(frozen=True, slots=True)
class Progress:
    """Sign of life of a renderer, with its phase."""

    phase: Phase
    text: str
    """Work in hand, for a person."""
    fraction: float
    """Share of the work that is done, 0 to 1."""

    def encode(self) -> list[Part]:
        return [encode_header("progress", phase=self.phase, text=self.text, fraction=self.fraction)]

    @classmethod
    def decode(cls, header: Header, parts: Sequence[Part]) -> "Progress":
        phase: Phase = choice(header, "phase", get_args(Phase))
        return cls(phase, text(header, "text"), number(header, "fraction", 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Description:
    """Model, accelerator, precision and device of a renderer that is ready to play."""

    values: Mapping[str, str]
    vocabulary: Vocabulary | None = None
    """Words that the model knows, None if it takes any text."""

    def encode(self) -> list[Part]:
        vocabulary = self.vocabulary and self.vocabulary.as_json()
        return [encode_header("description", values=dict(self.values), vocabulary=vocabulary)]

    @classmethod
    def decode(cls, header: Header, parts: Sequence[Part]) -> "Description":
        values, vocabulary = model(header)
        return cls(MappingProxyType(values), vocabulary)


@dataclass(frozen=True, slots=True)
class TakesLong:
    """Announcement that an accelerator has to be built first, which takes minutes."""

    accelerator: str
    stand_in: str
    """Accelerator that can play until then."""

    def encode(self) -> list[Part]:
        return [encode_header("takes-long", accelerator=self.accelerator, stand_in=self.stand_in)]

    @classmethod
    def decode(cls, header: Header, parts: Sequence[Part]) -> "TakesLong":
        return cls(text(header, "accelerator"), text(header, "stand_in"))


@dataclass(frozen=True, slots=True)
class Failed:
    """Last message of a renderer that can't go on."""

    text: str
    """Reason, for a person."""
    kind: FailureKind

    def encode(self) -> list[Part]:
        return [encode_header("failed", text=self.text, kind=self.kind)]

    @classmethod
    def decode(cls, header: Header, parts: Sequence[Part]) -> "Failed":
        kind: FailureKind = choice(header, "kind", get_args(FailureKind))
        return cls(text(header, "text"), kind)


@dataclass(frozen=True, slots=True)
class Ask:
    """Request of a renderer that can take a picture. It gets exactly one `Answer` or `Wait`."""

    width: int
    """px"""
    height: int
    """px"""
    patience: float
    """Seconds, up to 1, that the stage may hold the answer for a newer picture."""

    def encode(self) -> list[Part]:
        return [encode_header("ask", width=self.width, height=self.height, patience=self.patience)]

    @classmethod
    def decode(cls, header: Header, parts: Sequence[Part]) -> "Ask":
        width, height = (whole(header, side, 1, LONGEST_SIDE) for side in ("width", "height"))
        return cls(width, height, number(header, "patience", 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class FrameStamps:
    """Stamps of a picture, which the renderer sends back unchanged."""

    source_index: int
    """Index of the source frame; -1 for a picture drawn from text alone."""
    captured_at: int
    """Nanoseconds on the stage's monotonic clock; 0 for a picture without a capture time."""
    revision: int
    """Revision of the parameters that the picture honours in full."""
    number: int
    """Number of the picture within its renderer, from 1, in the order of admission."""
    given_at: int = 0
    """`Answer.given_at` of the answer that the picture is drawn with; 0 for a picture that is drawn again."""
    turn: int = 0
    """`Answer.turn` of that answer."""


@dataclass(frozen=True, slots=True)
class NetworkCall:
    """The network call that finished a picture."""

    seconds: float
    in_flight: int
    """Pictures that took part."""
    finished: int
    """Pictures that the call finished."""
    pacing: str
    """stream or low latency"""


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """A finished picture."""

    pixels: NDArray[np.uint8]
    """uint8 [H, W, 3]"""
    stamps: FrameStamps
    call: NetworkCall
    place: int
    """Place among the pictures that the call finished, from 0."""

    def encode(self) -> list[Part]:
        stamps, call = asdict(self.stamps), asdict(self.call)
        header = encode_header("delivery", **stamps, **call, place=self.place, shape=self.pixels.shape)
        return [header, self.pixels.data]

    @classmethod
    def decode(cls, header: Header, parts: Sequence[Part]) -> "Delivery":
        if len(parts) != 2:
            raise RendererError(f"A delivery has 2 parts, {len(parts)} came.")
        limits = ("source_index", -1), ("captured_at", 0), ("revision", -1), ("number", 1), ("given_at", 0), ("turn", 0)
        stamps = FrameStamps(*(whole(header, key, least) for key, least in limits))
        call = NetworkCall(
            number(header, "seconds", 0.0, sys.float_info.max),
            whole(header, "in_flight", 0),
            whole(header, "finished", 1),
            text(header, "pacing"),
        )
        return cls(pixels(header, parts[1]), stamps, call, whole(header, "place", 0, call.finished - 1))


RendererMessage: TypeAlias = Hello | Progress | Description | TakesLong | Failed | Ask | Delivery
"""Everything that a renderer says."""

_DECODERS: Mapping[str, Callable[[Header, Sequence[Part]], RendererMessage]] = {
    "hello": Hello.decode,
    "progress": Progress.decode,
    "description": Description.decode,
    "takes-long": TakesLong.decode,
    "failed": Failed.decode,
    "ask": Ask.decode,
    "delivery": Delivery.decode,
}


def decode_message(parts: Sequence[Part]) -> RendererMessage:
    """Read any message of a renderer. Raises `RendererError` for anything else."""
    header = decode_header(parts)
    return _DECODERS[choice(header, "type", tuple(_DECODERS))](header, parts)
