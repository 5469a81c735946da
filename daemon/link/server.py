"""The stage's end of the renderer link: one thread that answers asks and takes pictures in."""

import hmac
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, get_args

import zmq

from daemon.link.client import FailureKind, Phase, image_header, read_pixels
from daemon.link.endpoint import bind
from daemon.shared.clock import NS, Clock
from daemon.shared.crash_loop import restart_on_crash
from daemon.shared.refusals import Refusals
from io_bridges.frames import LONGEST_SIDE, Frame, Pixels, RenderedFrame
from io_bridges.wakeup_socket import WakeupSocket
from presets.errors import RendererError

_PHASES = frozenset(get_args(Phase))
_KINDS = frozenset(get_args(FailureKind))


class Show(Protocol):
    """What the link needs of the stage."""

    @property
    def revision(self) -> int:
        """The newest revision of the parameters."""

    def moment_message(self) -> tuple[int, bytes]:
        """The revision that a picture which begins now is drawn with, and its moment; called once a picture."""

    def picture_for(self, width: int, height: int) -> tuple[Frame | None, int]:
        """The newest source picture at this size with its serial number; (None, 0) while there is none."""

    def draws_from_text(self) -> bool:
        """True where the parameters or the lack of any source picture mean text-to-image: no ask waits then."""


@dataclass(slots=True)
class Peer:
    """One renderer as the link knows it. Written by the link's thread, read by the supervisor's."""

    token: str
    seen_at: int
    """When it last said anything: nanoseconds."""
    phase: Phase = "starting"
    text: str = ""
    fraction: float = 0.0
    failure: str = ""
    failure_kind: FailureKind = "other"
    slow: str = ""
    """The accelerator that it makes ready, once it said that this takes long."""
    slow_since: int = 0
    """When it said so: nanoseconds."""
    stand_in: str = ""
    """The accelerator that can play until then."""
    description: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    """Width and height of its last picture, px."""
    delivered: int = 0
    misplaced: int = 0
    """Pictures that did not come right after the one admitted before them: lost, or out of order. There are none."""
    seconds: float = 0.0
    """Of the network call that finished its last picture."""
    in_flight: int = 0
    """Pictures in that call."""
    pacing: str = ""
    """stream or low latency"""
    _given_serial: int = 0
    _given_revision: int = -1
    _last_number: int = 0


@dataclass(slots=True)
class _Ask:
    width: int
    height: int
    until: int


OnPicture = Callable[[Peer, RenderedFrame, int, int], None]
"""Told of a picture: by whom, and its place, from 0, among so many that one network call finished."""


class LinkServer:
    """Answers each ask once, with the newest picture and what the parameters come to at that moment."""

    def __init__(self, show: Show, clock: Clock, on_picture: OnPicture) -> None:
        self._show = show
        self._clock = clock
        self._on_picture = on_picture
        self._wake = WakeupSocket()
        self._peers: dict[str, Peer] = {}
        self._by_identity: dict[bytes, Peer] = {}
        self._asks: dict[bytes, _Ask] = {}
        self._stopping = False
        self._rendered = 0
        self.refused = 0
        self._refusals = Refusals()
        self._folder: Path | None = None
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self.endpoint = ""
        """Where renderers connect; known once started."""
        listen = restart_on_crash("the renderer link", self._run, lambda: self._stopping)
        self._thread = threading.Thread(target=listen, name="renderer-link", daemon=True)

    def start(self) -> None:
        """Bind and listen."""
        self.endpoint, self._folder = bind(self._socket)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and remove the socket's folder."""
        self._stopping = True
        self._wake.call()
        if self._thread.is_alive():
            self._thread.join(2.0)
        self._context.destroy(linger=0)
        self._wake.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def expect(self) -> Peer:
        """Make the token of a renderer that is about to be started; any thread."""
        peer = Peer(token=os.urandom(16).hex(), seen_at=self._clock.now())
        self._peers[peer.token] = peer
        return peer

    def forget(self, peer: Peer) -> None:
        """Hear no more of a renderer that is gone or unwanted; any thread."""
        self._peers.pop(peer.token, None)

    def ring(self) -> None:
        """There is a new picture or a new revision; any thread, returns at once."""
        # Without an ask there is nobody to answer: under a flood of messages each wake-up would cost more than the
        # message. An ask that comes meanwhile is looked at after it has come in, and so finds what is new.
        if not self._asks:
            return
        self._wake.call()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._wake.fileno(), zmq.POLLIN)
        while not self._stopping:
            now = self._clock.now()
            soonest = min((ask.until for ask in self._asks.values()), default=now + NS)
            # Rounded up, or the last millisecond of a wait would be spent spinning.
            poller.poll(max(0, -(-(soonest - now) // 1_000_000)))
            self._wake.clear()
            self._receive()
            self._answer_what_can_be()

    def _receive(self) -> None:
        while True:
            try:
                identity, *parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            try:
                self._take(identity.bytes, parts)
            except (RendererError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
                # A renderer is our own program, but it may be another version, or memory may be damaged.
                self.refused += 1
                self._refusals.count("the renderer link", type(error).__name__, str(error))

    def _take(self, identity: bytes, parts: list[zmq.Frame]) -> None:
        header = _mapping(json.loads(parts[0].bytes) if parts else {})
        kind = header.get("type")
        if kind == "hello":
            self._greet(identity, str(header.get("token", "")))
            return
        peer = self._by_identity.get(identity)
        if peer is None or peer.token not in self._peers:
            self._by_identity.pop(identity, None)
            self._asks.pop(identity, None)
            return
        peer.seen_at = self._clock.now()
        if kind == "ask":
            patience = min(max(float(header["patience"]), 0.0), 1.0)
            until = peer.seen_at + round(patience * NS)
            width, height = int(header["width"]), int(header["height"])
            if not (1 <= width <= LONGEST_SIDE and 1 <= height <= LONGEST_SIDE):
                raise RendererError(f"a picture of {width}x{height} was asked for")
            self._asks[identity] = _Ask(width, height, until)
        elif kind == "picture" and len(parts) == 2:
            frame = RenderedFrame(
                pixels=read_pixels(parts[1], header["shape"]),
                index=self._rendered + 1,
                source_index=int(header["source_index"]),
                captured_at=int(header["captured_at"]),
                revision=int(header["revision"]),
            )
            place, of = int(header["place"]), int(header["of"])
            if not 0 <= place < of:
                raise RendererError(f"a picture is said to be number {place} of {of}, counted from 0")
            peer.seconds, peer.in_flight = float(header["seconds"]), int(header["in_flight"])
            peer.pacing = str(header["pacing"])
            peer.size = int(header["shape"][1]), int(header["shape"][0])
            peer.delivered += 1
            peer.misplaced += int(header["number"]) != peer._last_number + 1
            peer._last_number = int(header["number"])
            self._rendered += 1
            self._on_picture(peer, frame, place, of)
        elif kind == "progress" and header["phase"] in _PHASES:
            peer.phase, peer.text, peer.fraction = header["phase"], str(header["text"]), float(header["fraction"])
        elif kind == "description":
            peer.description = {str(key): str(value) for key, value in _mapping(header["description"]).items()}
        elif kind == "takes-long":
            peer.slow, peer.stand_in, peer.slow_since = (
                str(header["accelerator"]),
                str(header["stand_in"]),
                peer.seen_at,
            )
        elif kind == "failed" and header["kind"] in _KINDS:
            peer.failure_kind, peer.failure = header["kind"], str(header["text"])
        else:
            raise RendererError(f"a message of type {kind!r} is not known")

    def _greet(self, identity: bytes, token: str) -> None:
        for known, peer in list(self._peers.items()):
            if hmac.compare_digest(known.encode(), token.encode()):
                # Those that are gone leave no word: they are forgotten when another one comes.
                for gone in [name for name, other in self._by_identity.items() if other.token not in self._peers]:
                    del self._by_identity[gone]
                    self._asks.pop(gone, None)
                peer.seen_at = self._clock.now()
                self._by_identity[identity] = peer
                return
        raise RendererError("a stranger without the token of this run said hello")

    def _answer_what_can_be(self) -> None:
        now = self._clock.now()
        for identity, ask in list(self._asks.items()):
            peer = self._by_identity[identity]
            frame, serial = self._show.picture_for(ask.width, ask.height)
            fresh = frame is not None and serial != peer._given_serial
            changed = self._show.revision != peer._given_revision
            if not (fresh or changed or now >= ask.until or self._show.draws_from_text()):
                continue
            del self._asks[identity]
            revision, message = self._show.moment_message()
            self._answer(identity, revision, message, frame if fresh else None)
            peer._given_revision = revision
            if fresh:
                peer._given_serial = serial

    def _answer(self, identity: bytes, revision: int, message: bytes, frame: Frame | None) -> None:
        pixels: Pixels | None = None if frame is None else frame.pixels
        header: dict[str, Any] = {
            "revision": revision,
            "source_index": -1 if frame is None else frame.index,
            "captured_at": 0 if frame is None else frame.captured_at,
        }
        if pixels is not None:
            header |= image_header(pixels)
        more = zmq.SNDMORE | zmq.NOBLOCK
        self._socket.send(identity, more)
        self._socket.send(json.dumps(header).encode(), more)
        self._socket.send(message, zmq.NOBLOCK if pixels is None else more)
        if pixels is not None:
            self._socket.send(pixels.data, zmq.NOBLOCK, copy=False)


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RendererError(f"keys and values are expected, a {type(value).__name__} came")
    return value
