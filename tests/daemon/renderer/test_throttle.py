"""Pacing of a player by a manual clock: when frames begin, and how long the device works."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
import zmq
from hand_clock import HandClock

from daemon.link.answers import Answer
from daemon.link.client import LinkClient
from daemon.link.resolved_frame import ResolvedFrame
from daemon.renderer.echo_stream import EchoFrame, EchoStream
from daemon.renderer.player import Player
from daemon.renderer.throttle import LONGEST_REST, Throttle
from daemon.shared.clock import NS
from presets.frame_parameters import without_morph
from presets.parameters import Parameters

MS = 1_000_000


class Working(EchoStream):
    """An echo with a slow network."""

    def __init__(self, clock: HandClock, milliseconds: int) -> None:
        super().__init__(64, 32)
        self.clock = clock
        self.milliseconds = milliseconds
        self.begun: list[int] = []
        self.worked = 0

    def step(self) -> list[EchoFrame]:
        self.begun.append(self.clock.now())
        self.clock.time += self.milliseconds * MS
        self.worked += self.milliseconds * MS
        return super().step()


@contextmanager
def answering(parameters: Parameters) -> Iterator[LinkClient]:
    """A stage that answers every ask at once with parameters only, so that frames are drawn from text."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as stage:
        stage.linger = 0
        stage.rcvtimeo = 50
        port = stage.bind_to_random_port("tcp://127.0.0.1")
        over = threading.Event()
        parts = Answer(1, ResolvedFrame(without_morph(parameters), False).encode()).encode()

        def answer() -> None:
            while not over.is_set():
                try:
                    identity, said, *_ = stage.recv_multipart()
                except zmq.Again:
                    continue
                if json.loads(said)["type"] == "ask":
                    stage.send_multipart([identity, *parts])

        thread = threading.Thread(target=answer)
        thread.start()
        connection = LinkClient(f"tcp://127.0.0.1:{port}", "")
        try:
            yield connection
        finally:
            connection.close()
            over.set()
            thread.join()


def played(turns: int, share: float = 1.0, milliseconds: int = 20, **values: object) -> Working:
    clock = HandClock()
    stream = Working(clock, milliseconds)
    with answering(Parameters.model_validate({"mode": "text"} | values)) as connection:
        player = Player(connection, stream, share, clock)
        for _ in range(turns):
            player.turn()
    return stream


def intervals(stream: Working) -> list[float]:
    return [(after - before) / MS for before, after in pairwise(stream.begun)]


def test_no_cap_no_rest() -> None:
    assert intervals(played(5)) == [20.0] * 4


@pytest.mark.parametrize(("most", "apart"), [(10, 100.0), (25, 40.0), (240, 20.0)])
def test_cap_spaces_frames_evenly(most: int, apart: float) -> None:
    assert intervals(played(6, max_rate=most)) == [apart] * 5


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_share_limits_busy_time(share: float) -> None:
    stream = played(8, share)
    assert intervals(stream) == [20.0 / share] * 7
    worked = stream.worked - 20 * MS
    assert worked / (stream.begun[-1] - stream.begun[0]) == pytest.approx(share)


def test_larger_rest_counts() -> None:
    assert intervals(played(5, 0.5, max_rate=10)) == [100.0] * 4
    assert intervals(played(5, 0.1, max_rate=10)) == [200.0] * 4


def test_unused_cap_is_lost() -> None:
    clock = HandClock()
    pace = Throttle(clock)
    pace.begins(10)
    clock.time += NS
    began = []
    for _ in range(3):
        pace.rest(True, lambda: None)
        began.append(clock.now())
        pace.begins(10)
    assert [(at - began[0]) / MS for at in began] == [0, 100, 200]


def test_waiting_counts_as_rest() -> None:
    clock = HandClock()
    pace = Throttle(clock, 0.5)
    pace.busy()
    clock.time += 40 * MS
    pace.idle()
    clock.time += 30 * MS
    before = clock.now()
    pace.rest(False, lambda: None)
    assert clock.now() - before == 10 * MS


def test_lifted_cap_ends_rest() -> None:
    clock = HandClock()
    pace = Throttle(clock)
    pace.begins(1)
    before = clock.now()
    pace.rest(False, lambda: None)
    assert clock.now() == before


def test_long_rest_reports_alive() -> None:
    clock = HandClock()
    pace = Throttle(clock, 0.1)
    pace.busy()
    clock.time += NS
    pace.idle()
    said: list[int] = []
    pace.rest(False, lambda: said.append(clock.now()))
    assert len(said) == 44, "nine seconds of rest"
    assert all(after - before <= LONGEST_REST for before, after in pairwise(said))
