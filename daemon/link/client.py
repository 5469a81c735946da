"""`LinkClient`: the renderer's end of the link.

It says hello with its one-run token, reports progress while it loads, then asks. Each ask gets exactly one answer, and
finished pictures go back with the stamps that came with their source.
"""

import numpy as np
import zmq
from numpy.typing import NDArray

from daemon.link.answers import Answer, Wait, decode_answer
from daemon.link.header import Part
from daemon.link.link_lock import present_keys
from daemon.link.messages import (
    Ask,
    Delivery,
    Description,
    Failed,
    FailureKind,
    FrameStamps,
    Hello,
    NetworkCall,
    Phase,
    Progress,
    TakesLong,
)
from daemon.link.resolved_frame import NextFrame, ResolvedFrame
from presets.errors import RendererError
from presets.frame_parameters import without_morph
from presets.parameters import Parameters
from presets.vocabulary import Vocabulary

TOKEN_VARIABLE = "STREAMFLOW_LINK_TOKEN"
"""Environment variable of the token. Every user of a machine can read a command line."""
KEY_VARIABLE, SERVER_KEY_VARIABLE = "STREAMFLOW_LINK_KEYS", "STREAMFLOW_LINK_SERVER_KEY"
"""Environment variables of the keys of a renderer on another machine: its own pair, and the public one of the stage."""
PATIENCE = 60.0
"""Seconds without an answer after which a renderer on another machine ends: nobody else may be there to end it."""


class LinkClient:
    """Connects one renderer to its stage. One thread only."""

    def __init__(self, endpoint: str, token: str, server_key: str = "", keys: str = "") -> None:
        """Connect and say hello.

        Args:
            endpoint: Address of the stage's end.
            token: Secret of this renderer.
            server_key: Public key of the stage, in Z85; empty on its own machine.
            keys: Public and secret key of this renderer, in Z85.
        """
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 200)
        if server_key:
            present_keys(self._socket, server_key, keys)
            self._socket.setsockopt(zmq.RCVTIMEO, round(PATIENCE * 1000))
        self._socket.connect(endpoint)
        self._encoded = b""
        self._frame = ResolvedFrame(without_morph(Parameters()), False)
        self._number = 0
        self._send(Hello(token).encode())

    def progress(self, phase: Phase, text: str, fraction: float) -> None:
        """Report progress, the only sign of life that the stage accepts."""
        self._send(Progress(phase, text, min(max(fraction, 0.0), 1.0)).encode())

    def describe(self, description: dict[str, str], vocabulary: Vocabulary | None = None) -> None:
        """Report model, accelerator and device, and the words that the model knows if it does not take any text."""
        self._send(Description(description, vocabulary).encode())

    def takes_long(self, accelerator: str, stand_in: str) -> None:
        """Report that an accelerator takes long to build, and which one can play until then."""
        self._send(TakesLong(accelerator, stand_in).encode())

    def failed(self, sentence: str, kind: FailureKind = "other") -> None:
        """Report why this renderer can't go on, and the remedy."""
        self._send(Failed(sentence, kind).encode())

    def ask(self, width: int, height: int, patience: float) -> NextFrame:
        """Return the next frame. The stage may hold it for `patience` seconds until there is a newer picture.

        An understudy gets none until it is needed.
        """
        answer: Answer | Wait = Wait()
        while isinstance(answer, Wait):
            self._send(Ask(width, height, min(max(patience, 0.0), 1.0)).encode())
            try:
                parts = self._socket.recv_multipart(copy=False)
            except zmq.Again as error:
                raise RendererError(f"The stage has said nothing for {PATIENCE:.0f} s.") from error
            answer = decode_answer([part.buffer for part in parts])
        encoded = bytes(answer.frame)
        if encoded != self._encoded:
            self._encoded, self._number = encoded, self._number + 1
            self._frame = ResolvedFrame.decode(encoded)
        return NextFrame(
            answer.revision,
            self._frame.parameters,
            self._number,
            self._frame.is_moving,
            answer.pixels,
            answer.source_index,
            answer.captured_at,
            answer.given_at,
            answer.turn,
            answer.is_new,
        )

    def deliver(self, pixels: NDArray[np.uint8], stamps: FrameStamps, call: NetworkCall, place: int) -> None:
        """Send a finished picture, uint8 [H, W, 3]; `place` counts from 0 among those that `call` finished."""
        self._send(Delivery(pixels, stamps, call, place).encode())

    def close(self) -> None:
        """Send what is queued, within 0.2 s, and close the socket."""
        self._context.destroy(linger=200)

    def _send(self, parts: list[Part]) -> None:
        # Parts below 64 kB are copied all the same; pixels are not.
        self._socket.send_multipart(parts, copy=False)
