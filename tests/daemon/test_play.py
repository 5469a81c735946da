"""The player on a real link with the shipped model, turned by hand: which pictures are drawn, when, and from what."""

import json
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from daemon.clock import SystemClock
from daemon.link import StageConnection
from daemon.play import Player
from daemon.stage_link import Peer, StageLink
from io_bridges.frames import Frame, RenderedFrame
from pipeline.image_stream import Build, ImageStream
from presets.live import flatten
from presets.parameters import Parameters

SIDE, SLOTS = 64, 4
STEPS = 3
PLAIN = {"strength": 0.9, "steps": STEPS}
"""Three rows a picture, so three in flight."""


def card(index: int) -> NDArray[np.uint8]:
    return np.random.default_rng(index).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def stream() -> ImageStream:
    torch.set_num_threads(1)
    return ImageStream.build(Build("shipped", SIDE, SIDE, "eager", slots=SLOTS, threads=1), lambda text, fraction: None)


class Rig:
    """What the stage is to a renderer, and the player of one, all in reach."""

    def __init__(self, stream: ImageStream) -> None:
        stream.clear()
        self.clock = SystemClock()
        self.stream = stream
        self.look: dict[str, object] = dict(PLAIN)
        self.revision = 1
        self.frame: Frame | None = None
        self.serial = 0
        self.drawn: list[RenderedFrame] = []
        self.places: list[tuple[int, int]] = []
        self.link = StageLink(self, self.clock, self._on_picture)
        self.link.start()
        self.peer = self.link.expect()
        self.connection = StageConnection(self.link.endpoint, self.peer.token)
        self.player = Player(self.connection, stream)

    def close(self) -> None:
        self.connection.close()
        self.link.close()

    # What the link asks for.

    def parameters_message(self) -> tuple[int, bytes]:
        return self.revision, json.dumps(flatten(Parameters.model_validate(self.look))).encode()

    def picture_for(self, width: int, height: int) -> tuple[Frame | None, int]:
        return self.frame, self.serial

    def draws_from_text(self) -> bool:
        return self.look.get("mode") == "text" or self.serial == 0

    def _on_picture(self, peer: Peer, frame: RenderedFrame, place: int, of: int) -> None:
        self.drawn.append(frame)
        self.places.append((place, of))

    # What a test does.

    def show(self, pixels: NDArray[np.uint8]) -> None:
        """The source has a new picture; its index is the number of pictures before it."""
        self.frame = Frame(pixels, self.serial, self.clock.now())
        self.serial += 1
        self.link.ring()

    def turn(self, *values: int | NDArray[np.uint8]) -> int:
        """One turn for each source picture, by card number or as it is; how many were admitted in all."""
        before = self.admitted
        for value in values:
            self.show(card(value) if isinstance(value, int) else value)
            self.player.turn()
        return self.admitted - before

    @property
    def admitted(self) -> int:
        return len(self._admitted)

    def rest(self) -> list[RenderedFrame]:
        """Everything in flight finished and come to the stage, which is then let go of."""
        while self.stream.in_flight:
            self.player._step()
        self.connection.progress("playing", "the end", 1.0)
        deadline = time.monotonic() + 10
        while self.peer.text != "the end":
            assert time.monotonic() < deadline
            time.sleep(0.005)
        self.connection.progress("playing", "", 1.0)
        drawn, self.drawn = self.drawn, []
        return drawn

    def count(self) -> None:
        """Admissions are counted from here on."""
        self._admitted: list[object] = []
        admit: Callable[..., None] = self.stream.admit

        def counted(*arguments: object) -> None:
            admit(*arguments)
            self._admitted.append(arguments)

        self.stream.admit = counted  # type: ignore[method-assign]


@pytest.fixture
def rig(stream: ImageStream) -> Iterator[Rig]:
    rig = Rig(stream)
    rig.count()
    yield rig
    del stream.admit
    rig.close()


def indices(frames: list[RenderedFrame]) -> list[int]:
    return [frame.source_index for frame in frames]


def test_as_a_stream_a_picture_begins_before_each_call(rig: Rig) -> None:
    flights = []
    for number in range(5):
        rig.turn(number)
        flights.append(rig.stream.in_flight)
    assert flights == [1, 2, 2, 2, 2], "the third call finishes the first picture"
    drawn = rig.rest()
    assert indices(drawn) == [0, 1, 2, 3, 4]
    assert all(frame.captured_at for frame in drawn)
    assert (rig.peer.pacing, rig.peer.in_flight) == ("stream", 1)
