"""Faders in a flood: only the newest value is taken, and nothing else can tell that this was so."""

import math
import socket
import struct
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import build_msg
from show_control_fake import RecordingDesk

from io_bridges.osc import server
from io_bridges.osc.coalescer import Coalescer
from io_bridges.osc.dispatcher import OscDispatcher
from io_bridges.osc.flood_limiter import FloodLimiter
from io_bridges.osc.packets import encode
from io_bridges.osc.server import OscControl
from io_bridges.osc.surfaces import Endpoint, Surfaces
from presets.parameter_table import Value

LONG = 20.0
A, B = ("10.0.0.1", 50_001), ("10.0.0.1", 50_002)


def name(sender: Endpoint) -> str:
    return f"osc:{sender[0]}:{sender[1]}"


class Drain:
    """A `OscDispatcher` that is handed datagrams as one drain of the socket."""

    def __init__(self) -> None:
        self.desk = RecordingDesk()
        self.surfaces = Surfaces(self.desk, lambda: None)
        self.dispatch = OscDispatcher(self.desk, self.surfaces, lambda *_: None, 60.0, lambda _: False)

    def take(self, *datagrams: bytes | tuple[bytes, Endpoint]) -> list[tuple[str, object, str]]:
        """What the desk was told, in its order: address, argument, sender."""
        before = len(self.desk.applied)
        for datagram in datagrams:
            self.dispatch.datagram(*(datagram if isinstance(datagram, tuple) else (datagram, A)))
        self.dispatch.flush()
        return [(address, *arguments, sender) for address, arguments, sender in self.desk.applied[before:]]


@pytest.fixture
def drain() -> Drain:
    return Drain()


def test_the_last_value_of_a_fader_wins(drain: Drain) -> None:
    assert drain.take(*(encode("/strength", step / 8) for step in range(8))) == [("/strength", 7 / 8, name(A))]
    assert drain.take(encode("/strength", 0.5)) == [("/strength", 0.5, name(A))]
    assert drain.dispatch.counts == {
        "datagrams": 9, "messages": 9, "accepted": 2, "refused": 0, "malformed": 0, "superseded": 7,
    }  # fmt: skip


def test_a_fader_is_the_same_whether_it_sends_floats_or_ints(drain: Drain) -> None:
    assert drain.take(encode("/steps", 2.0), encode("/steps", 3)) == [("/steps", 3, name(A))]
    assert drain.take(encode("/steps", 3), encode("/steps", 2.0)) == [("/steps", 2.0, name(A))]


def test_faders_come_in_the_order_of_their_newest_values(drain: Drain) -> None:
    moves = [encode("/strength", 0.25), encode("/steps", 1), encode("/guidance", 2.0), encode("/strength", 0.5)]
    assert [address for address, _, _ in drain.take(*moves)] == ["/steps", "/guidance", "/strength"]


def test_of_two_senders_each_is_taken_and_the_later_wins(drain: Drain) -> None:
    first = drain.take((encode("/seed", 1), A), (encode("/seed", 2), B), (encode("/seed", 3), A))
    assert first == [("/seed", 2, name(B)), ("/seed", 3, name(A))]
    assert drain.desk.values()["/seed"] == 3


def test_no_surface_is_told_what_it_did_itself(drain: Drain) -> None:
    for endpoint in (A, B):
        drain.surfaces.subscribe(endpoint, endpoint, math.inf)
    for target in drain.surfaces.targets():
        target.take(drain.desk.values)
    drain.take(
        *((encode("/seed", seed), A) for seed in range(1, 5)), *((encode("/steps", steps), B) for steps in range(1, 5))
    )
    told = {target.endpoint: target.take(drain.desk.values) for target in drain.surfaces.targets()}
    assert told == {A: {"/steps": 4}, B: {"/seed": 4}}


ORDERED = [
    build_msg("/preset", "aurora").dgram,
    build_msg("/preset", 1).dgram,
    build_msg("/panic", []).dgram,
    build_msg("/panic", 1).dgram,
    build_msg("/prompt", "ice").dgram,
    build_msg("/prompt/1/text", "ice").dgram,
    build_msg("/prompt/1/text", 7).dgram,
    build_msg("/strength", "0.75").dgram,
    build_msg("/mode", 0).dgram,
    build_msg("/Strength/", 0.75).dgram,
    build_msg("/strengt?", 0.75).dgram,
    b"/strength\0\0\0,d\0\0" + struct.pack(">d", 0.75),
    b"/freeze\0,T\0\0",
]


@pytest.mark.parametrize("other", ORDERED)
def test_what_is_no_fader_stands_between_the_values_before_and_after_it(drain: Drain, other: bytes) -> None:
    fader = [encode("/strength", step / 8) for step in range(4)]
    told = drain.take(fader[0], fader[1], other, other, fader[2], fader[3])
    assert len(told) == 4, "what is no fader is taken each time"
    assert told[0] == ("/strength", 1 / 8, name(A))
    assert told[1] == told[2]
    assert told[3] == ("/strength", 3 / 8, name(A))


def test_a_bundle_stands_between_the_values_before_and_after_it(drain: Drain) -> None:
    bundle = OscBundleBuilder(0)
    for seed in (1, 2):
        bundle.add_content(build_msg("/seed", seed))
    told = drain.take(encode("/seed", 0), bundle.build().dgram, encode("/seed", 3))
    assert [seed for _, seed, _ in told] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "bad", [b"\x7f\xc0\0\0", b"\x7f\x80\0\0", b"\xff\x80\0\0", b"\xff\xff\xff\xff", b"", b"\0" * 8]
)
def test_what_is_no_number_costs_no_value_and_is_counted(drain: Drain, bad: bytes) -> None:
    drain.take(encode("/strength", 0.25), b"/strength\0\0\0,f\0\0" + bad)
    assert drain.desk.values()["/strength"] == 0.25
    assert drain.dispatch.counts["refused"] == 1
    assert drain.dispatch.counts["malformed"] == (len(bad) != 4)


def test_a_question_is_answered_with_the_value_before_it(drain: Drain) -> None:
    asked: list[Value] = []
    drain.dispatch = OscDispatcher(
        drain.desk, drain.surfaces, lambda _, value, __: asked.append(value), 60.0, lambda _: False
    )
    drain.take(encode("/steps", 3), build_msg("/steps", "?").dgram, encode("/steps", 4))
    assert asked == [3]


DATAGRAMS = st.sampled_from(
    [
        *(
            build_msg(address, value).dgram
            for address in ("/strength", "/steps", "/freeze")
            for value in (0, 1, 0.5, -1)
        ),
        *ORDERED,
        b"/strength\0\0\0,f\0\0\x7f\xc0\0\0",
        b"/strength",
    ]
)


@given(st.lists(st.tuples(DATAGRAMS, st.sampled_from([A, B])), max_size=40))
def test_the_desk_ends_and_each_other_message_finds_it_as_if_every_value_had_been_taken(
    datagrams: list[tuple[bytes, Endpoint]],
) -> None:
    at_once, one_by_one = Drain(), Drain()
    seen: dict[Drain, list[dict[str, Value]]] = {at_once: [], one_by_one: []}
    faders = Coalescer(at_once.desk)
    for drain in seen:
        for datagram, sender in datagrams:
            drain.dispatch.datagram(datagram, sender)
            if not faders.keep(datagram, sender):
                seen[drain].append(drain.desk.values())
            if drain is one_by_one:
                drain.dispatch.flush()
        drain.dispatch.flush()
        seen[drain].append(drain.desk.values())
    assert seen[at_once] == seen[one_by_one]
    counts, all_counts = at_once.dispatch.counts, one_by_one.dispatch.counts
    assert counts["accepted"] + counts["superseded"] == all_counts["accepted"]
    assert all(counts[key] == all_counts[key] for key in ("datagrams", "messages", "refused", "malformed"))


def test_what_waits_in_the_socket_is_one_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BATCH_TIME", LONG)
    desk, control = RecordingDesk(), OscControl(port=0)
    control.open(desk)
    serving = threading.Thread(target=control.serve)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as surface:
            for datagram in (*(encode("/seed", seed) for seed in range(50)), encode("/steps", 7)):
                surface.sendto(datagram, control.address)
            serving.start()
            deadline = time.monotonic() + LONG
            while len(desk.applied) < 2 and time.monotonic() < deadline:
                time.sleep(0.005)
    finally:
        control.stop()
        serving.join(LONG)
        control.close()
    assert [(address, *arguments) for address, arguments, _ in desk.applied] == [("/seed", 49), ("/steps", 7)]


def test_a_rest_holds_up_datagrams_but_neither_feedback_nor_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    class LongRest(FloodLimiter):
        def rest(self, began: float, found: int) -> float:
            return began + 10 * LONG

    monkeypatch.setattr(server, "FloodLimiter", LongRest)
    desk = RecordingDesk()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as surface:
        surface.bind(("127.0.0.1", 0))
        surface.settimeout(LONG)
        control = OscControl(port=0, feedback=[surface.getsockname()])
        control.open(desk)
        serving = threading.Thread(target=control.serve)
        serving.start()
        try:
            surface.sendto(encode("/seed", 1), control.address)
            deadline = time.monotonic() + LONG
            while not desk.applied and time.monotonic() < deadline:
                time.sleep(0.005)
            surface.sendto(encode("/seed", 2), control.address)
            desk.apply("/steps", [7], "web:1")
            while surface.recv(65_535) != encode("/steps", 7):
                pass
        finally:
            control.stop()
            serving.join(LONG)
            control.close()
    assert not serving.is_alive()
    assert desk.values()["/seed"] == 1


def test_the_last_value_of_a_flood_arrives() -> None:
    desk, control = RecordingDesk(), OscControl(port=0)
    control.open(desk)
    serving = threading.Thread(target=control.serve)
    serving.start()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as surface:
            for burst in range(50):
                for seed in range(20 * burst, 20 * burst + 20):
                    surface.sendto(encode("/seed", seed), control.address)
                time.sleep(0.002)
        deadline = time.monotonic() + LONG
        while desk.values()["/seed"] != 999 and time.monotonic() < deadline:
            time.sleep(0.005)
    finally:
        control.stop()
        serving.join(LONG)
        control.close()
    seeds = [arguments[0] for _, arguments, _ in desk.applied]
    assert seeds[-1] == 999
    assert seeds == sorted(seeds), "no older value after a newer one"
    counts = control.status()
    assert counts["messages"] == 1000
    assert counts["superseded"] == 1000 - len(seeds) > 0
