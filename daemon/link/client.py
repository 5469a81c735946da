"""The renderer link, as both ends speak it: what its messages are, and the renderer's end.

ZeroMQ multipart, pixels inside the message. The renderer (DEALER) says ``hello`` with its one-run token, reports
``progress`` while it loads, then asks. Each ``ask`` gets exactly one answer: a header, the moment that the picture is
to be drawn with, and the newest picture or none. Finished pictures go back as ``picture``. The renderer echoes stamps,
never makes them.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import zmq
from numpy.typing import NDArray

from presets.errors import RendererError
from presets.frame_parameters import FrameParameters, NoiseWeight, TextWeight, without_morph
from presets.parameter_table import flatten, snapshot
from presets.parameters import Parameters

Phase = Literal["starting", "loading", "building", "playing"]

FailureKind = Literal["accelerator", "look", "memory", "other"]
"""What would mend a failure: another accelerator; another look (its model or size can't be played by any); memory."""

TOKEN_VARIABLE = "STREAMFLOW_LINK_TOKEN"
"""The environment variable that carries the token: a command line can be read by every user of a machine."""


@dataclass(frozen=True, slots=True)
class FrameStamps:
    """What travels with a picture through the renderer, untouched."""

    source_index: int
    captured_at: int
    """Nanoseconds on the stage's monotonic clock; 0 for a picture drawn from text alone."""
    revision: int
    """Of the parameters that the picture honours in full."""
    number: int
    """Which picture of its renderer's it is, from 1, in the order they were admitted."""


@dataclass(frozen=True, slots=True)
class NetworkCall:
    """The network call that finished a picture."""

    seconds: float
    in_flight: int
    """Pictures that took part."""
    finished: int
    """Of them those that came out."""
    pacing: str
    """stream or low latency"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The stage's answer to one ask."""

    revision: int
    moment: FrameParameters
    number: int
    """Of the moment: another one has another number."""
    moving: bool
    """Whether a morph or the drift goes on: the next moment will be another one with nothing turned."""
    pixels: NDArray[np.uint8] | None
    """uint8 [H, W, 3], or None where no picture is newer than the last one that was given."""
    source_index: int
    captured_at: int


def image_header(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """The keys that tell a receiver how to read the pixel part."""
    return {"shape": list(pixels.shape)}


def read_pixels(part: zmq.Frame, shape: object) -> NDArray[np.uint8]:
    """A read-only view [H, W, 3] into a received message; raises `RendererError` where it does not fit its header."""
    if not (isinstance(shape, list) and len(shape) == 3 and all(isinstance(side, int) and side > 0 for side in shape)):
        raise RendererError(f"the renderer link carried a picture of shape {shape!r}")
    pixels = np.frombuffer(part.buffer, dtype=np.uint8)
    if pixels.size != shape[0] * shape[1] * shape[2]:
        raise RendererError(f"the renderer link carried {pixels.size} bytes for a picture of shape {shape!r}")
    pixels.flags.writeable = False
    return pixels.reshape(shape)


def moment_message(moment: FrameParameters, moving: bool) -> bytes:
    """A moment as JSON: plain values by address, what they are resolved to, and whether the next one is another."""
    resolved = {"prompt": moment.prompt, "negative": moment.negative, "noise": moment.noise, "moving": moving}
    return json.dumps(flatten(moment.parameters) | resolved).encode()


def read_moment(message: bytes) -> tuple[FrameParameters, bool]:
    """What `moment_message` was given."""
    values = json.loads(message)
    moment = FrameParameters(
        snapshot(values),
        tuple(TextWeight(*share) for share in values["prompt"]),
        tuple(TextWeight(*share) for share in values["negative"]),
        tuple(NoiseWeight(*share) for share in values["noise"]),
    )
    return moment, bool(values["moving"])


class LinkClient:
    """The renderer's end of the link. One thread only."""

    def __init__(self, endpoint: str, token: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 200)
        self._socket.connect(endpoint)
        self._message = b""
        self._moment = without_morph(Parameters())
        self._number = 0
        self._moving = False
        self._send({"type": "hello", "token": token})

    def progress(self, phase: Phase, text: str, fraction: float) -> None:
        """Tell how far the work is: the only sign of life the stage believes."""
        self._send({"type": "progress", "phase": phase, "text": text, "fraction": round(fraction, 3)})

    def describe(self, description: dict[str, str]) -> None:
        """Tell which model, accelerator and device play."""
        self._send({"type": "description", "description": description})

    def takes_long(self, accelerator: str, stand_in: str) -> None:
        """Tell that making this accelerator ready takes long, and which one can play until then."""
        self._send({"type": "takes-long", "accelerator": accelerator, "stand_in": stand_in})

    def failed(self, sentence: str, kind: FailureKind = "other") -> None:
        """Tell why this renderer can't go on, in words for a person, and what would mend it."""
        self._send({"type": "failed", "text": sentence, "kind": kind})

    def ask(self, width: int, height: int, patience: float) -> Answer:
        """The newest picture and the moment; the stage may hold the answer for `patience` seconds for a new one."""
        self._send({"type": "ask", "width": width, "height": height, "patience": patience})
        parts = self._socket.recv_multipart(copy=False)
        header = json.loads(parts[0].bytes)
        message = parts[1].bytes
        if message != self._message:
            self._message, self._number = message, self._number + 1
            self._moment, self._moving = read_moment(message)
        pixels = read_pixels(parts[2], header["shape"]) if len(parts) > 2 else None
        return Answer(
            header["revision"],
            self._moment,
            self._number,
            self._moving,
            pixels,
            header["source_index"],
            header["captured_at"],
        )

    def deliver(self, pixels: NDArray[np.uint8], stamps: FrameStamps, call: NetworkCall, place: int) -> None:
        """Send a finished picture, uint8 [H, W, 3], the one in `place`, from 0, of those that `call` finished."""
        header = {
            "type": "picture",
            "source_index": stamps.source_index,
            "captured_at": stamps.captured_at,
            "revision": stamps.revision,
            "number": stamps.number,
            "seconds": round(call.seconds, 6),
            "in_flight": call.in_flight,
            "pacing": call.pacing,
            "place": place,
            "of": call.finished,
            **image_header(pixels),
        }
        self._socket.send(json.dumps(header).encode(), zmq.SNDMORE)
        self._socket.send(pixels.data, copy=False)

    def close(self) -> None:
        """Send what is left, then go."""
        self._context.destroy(linger=200)

    def _send(self, header: dict[str, Any]) -> None:
        self._socket.send(json.dumps(header).encode())
