"""Coalescing of faders: only the newest value is applied, and no other message can notice."""

import math
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import build_msg
from show_control_fake import RecordingShow

from daemon.stage.parameter_store import ParameterStore
from io_bridges.osc import server
from io_bridges.osc.dispatcher import OscDispatcher
from io_bridges.osc.flood_control import Coalescer, FloodLimiter
from io_bridges.osc.monitor import OscMonitor
from io_bridges.osc.packets import encode_message
from io_bridges.osc.server import OscControl
from io_bridges.osc.surfaces import Surfaces, UdpAddress
from presets.address_aliases import Alias, AliasTable
from presets.library import Library
from presets.parameter_table import PARAMETERS, Value

LONG = 20.0
A, B = ("10.0.0.1", 50_001), ("10.0.0.1", 50_002)


def name(sender: UdpAddress) -> str:
    return f"osc:{sender[0]}:{sender[1]}"


class Drain:
    """An `OscDispatcher` that gets datagrams as one drain of the socket."""

    def __init__(self) -> None:
        self.show = RecordingShow()
        self.surfaces = Surfaces(self.show, lambda: None)
        self.dispatcher = OscDispatcher(self.show, self.surfaces, lambda *_: None, 60.0, lambda _: False)

    def take(self, *datagrams: bytes | tuple[bytes, UdpAddress]) -> list[tuple[str, object, str]]:
        """Apply datagrams. Return address, argument and sender of each message that reached the show."""
        before = len(self.show.applied)
        for datagram in datagrams:
            self.dispatcher.receive(*(datagram if isinstance(datagram, tuple) else (datagram, A)))
        self.dispatcher.flush()
        return [(address, *arguments, sender) for address, arguments, sender in self.show.applied[before:]]


@pytest.fixture
def drain() -> Drain:
    return Drain()


def test_newest_fader_value_wins(drain: Drain) -> None:
    assert drain.take(*(encode_message("/strength", step / 8) for step in range(8))) == [("/strength", 7 / 8, name(A))]
    assert drain.take(encode_message("/strength", 0.5)) == [("/strength", 0.5, name(A))]
    assert drain.dispatcher.counts == {
        "datagrams": 9, "messages": 9, "accepted": 2, "refused": 0, "malformed": 0, "ignored": 0,
        "superseded": 7,
    }  # fmt: skip


def test_floats_and_ints_coalesce(drain: Drain) -> None:
    assert drain.take(encode_message("/steps", 2.0), encode_message("/steps", 3)) == [("/steps", 3, name(A))]
    assert drain.take(encode_message("/steps", 3), encode_message("/steps", 2.0)) == [("/steps", 2.0, name(A))]


def test_faders_keep_newest_order(drain: Drain) -> None:
    moves = [
        encode_message("/strength", 0.25),
        encode_message("/steps", 1),
        encode_message("/guidance", 2.0),
        encode_message("/strength", 0.5),
    ]
    assert [address for address, _, _ in drain.take(*moves)] == ["/steps", "/guidance", "/strength"]


def test_two_senders_later_wins(drain: Drain) -> None:
    first = drain.take(
        (encode_message("/seed", 1), A), (encode_message("/seed", 2), B), (encode_message("/seed", 3), A)
    )
    assert first == [("/seed", 2, name(B)), ("/seed", 3, name(A))]
    assert drain.show.values()["/seed"] == 3


def test_coalesced_values_are_not_echoed(drain: Drain) -> None:
    for endpoint in (A, B):
        drain.surfaces.subscribe(endpoint, endpoint, math.inf)
    for target in drain.surfaces.targets():
        target.take(drain.show.values, drain.show.parameters)
    drain.take(
        *((encode_message("/seed", seed), A) for seed in range(1, 5)),
        *((encode_message("/steps", steps), B) for steps in range(1, 5)),
    )
    show = drain.show
    feedback = {target.address: target.take(show.values, show.parameters) for target in drain.surfaces.targets()}
    assert feedback == {A: [("/steps", 4)], B: [("/seed", 4)]}


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
def test_other_messages_keep_their_place(drain: Drain, other: bytes) -> None:
    fader = [encode_message("/strength", step / 8) for step in range(4)]
    applied = drain.take(fader[0], fader[1], other, other, fader[2], fader[3])
    assert len(applied) == 4, "other messages are not coalesced"
    assert applied[0] == ("/strength", 1 / 8, name(A))
    assert applied[1] == applied[2]
    assert applied[3] == ("/strength", 3 / 8, name(A))


def test_bundle_keeps_its_place(drain: Drain) -> None:
    bundle = OscBundleBuilder(0)
    for seed in (1, 2):
        bundle.add_content(build_msg("/seed", seed))
    applied = drain.take(encode_message("/seed", 0), bundle.build().dgram, encode_message("/seed", 3))
    assert [seed for _, seed, _ in applied] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "bad", [b"\x7f\xc0\0\0", b"\x7f\x80\0\0", b"\xff\x80\0\0", b"\xff\xff\xff\xff", b"", b"\0" * 7 + b"\1"]
)
def test_nan_and_infinity_are_refused(drain: Drain, bad: bytes) -> None:
    drain.take(encode_message("/strength", 0.25), b"/strength\0\0\0,f\0\0" + bad)
    assert drain.show.values()["/strength"] == 0.25
    assert drain.dispatcher.counts["refused"] == 1
    assert drain.dispatcher.counts["malformed"] == (len(bad) != 4)


def test_shares_of_the_range_are_faders(drain: Drain) -> None:
    shares = [encode_message("/strength/norm", step / 8) for step in range(8)]
    assert drain.take(encode_message("/strength", 0.5), *shares) == [("/strength/norm", 7 / 8, name(A))]


def test_every_twin_of_a_bundle_is_applied(drain: Drain) -> None:
    bundle = OscBundleBuilder(0)
    for _ in range(20):
        bundle.add_content(build_msg("/strength/add", 0.01))
    assert len(drain.take(bundle.build().dgram)) == 20


def test_poll_sees_the_value_before_it(drain: Drain) -> None:
    polled: list[Value] = []
    drain.dispatcher = OscDispatcher(
        drain.show, drain.surfaces, lambda _, values, __: polled.extend(values), 60.0, lambda _: False
    )
    drain.take(encode_message("/steps", 3), build_msg("/steps", "?").dgram, encode_message("/steps", 4))
    assert polled == [3]


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
def test_coalescing_equals_one_by_one(
    datagrams: list[tuple[bytes, UdpAddress]],
) -> None:
    coalesced, one_by_one = Drain(), Drain()
    seen: dict[Drain, list[dict[str, Value]]] = {coalesced: [], one_by_one: []}
    faders = Coalescer(coalesced.show)
    for drain in seen:
        for datagram, sender in datagrams:
            drain.dispatcher.receive(datagram, sender)
            if not faders.keep(datagram, sender):
                seen[drain].append(drain.show.values())
            if drain is one_by_one:
                drain.dispatcher.flush()
        drain.dispatcher.flush()
        seen[drain].append(drain.show.values())
    assert seen[coalesced] == seen[one_by_one]
    counts, all_counts = coalesced.dispatcher.counts, one_by_one.dispatcher.counts
    assert counts["accepted"] + counts["superseded"] == all_counts["accepted"]
    assert all(counts[key] == all_counts[key] for key in ("datagrams", "messages", "refused", "malformed"))


@pytest.mark.parametrize("end", ["", "/norm", "/add"])
def test_number_is_read_as_in_a_bundle(tmp_path: Path, end: str) -> None:
    """A bundle is decoded in full. A number alone has the same value, reply, counts and place in the monitor."""
    told: tuple[list[object], list[object]] = [], []
    stores = ParameterStore(Library(tmp_path)), ParameterStore(Library(tmp_path))
    first, other = (
        OscDispatcher(
            store,
            Surfaces(store, lambda: None),
            lambda *_: None,
            60.0,
            lambda _: False,
            monitor=OscMonitor(),
            aliases=AliasTable({"/zoom": Alias(to="/pan_x")}),
            tell=lambda address, values, _, heard=heard: heard.append((address, values)),  # type: ignore[misc]
        )
        for store, heard in zip(stores, told, strict=True)
    )
    for address, parameter in PARAMETERS.items():
        if parameter.kind not in ("float", "int", "bool"):
            continue
        for number in (0.25, 1, 3.75, -4, 1e9, 2.0**-140):
            first.receive(encode_message(f"{address}{end}", number), A)
            first.flush()
            bundle = OscBundleBuilder(1)
            bundle.add_content(build_msg(f"{address}{end}", [number]))
            other.receive(bundle.build().dgram, A)
            assert stores[0].values() == stores[1].values(), (address, number)
    assert told[0] == told[1]
    assert first.counts == other.counts
    assert seen(first) == seen(other)


def seen(dispatcher: OscDispatcher) -> list[dict[str, object]]:
    """Return what the monitor shows, without the times."""
    return [{**each, "time": 0} for each in dispatcher._monitor.messages()]


def test_waiting_datagrams_are_one_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BATCH_TIME", LONG)
    show, control = RecordingShow(), OscControl(port=0)
    control.open(show)
    serving = threading.Thread(target=control.serve)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as surface:
            for datagram in (*(encode_message("/seed", seed) for seed in range(50)), encode_message("/steps", 7)):
                surface.sendto(datagram, control.address)
            serving.start()
            deadline = time.monotonic() + LONG
            while len(show.applied) < 2 and time.monotonic() < deadline:
                time.sleep(0.005)
    finally:
        control.stop()
        serving.join(LONG)
        control.close()
    assert [(address, *arguments) for address, arguments, _ in show.applied] == [("/seed", 49), ("/steps", 7)]


def test_pause_delays_datagrams_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class LongPause(FloodLimiter):
        def pause_until(self, began: float, count: int) -> float:
            return began + 10 * LONG

    monkeypatch.setattr(server, "FloodLimiter", LongPause)
    show = RecordingShow()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as surface:
        surface.bind(("127.0.0.1", 0))
        surface.settimeout(LONG)
        control = OscControl(port=0, feedback=[surface.getsockname()])
        control.open(show)
        serving = threading.Thread(target=control.serve)
        serving.start()
        try:
            surface.sendto(encode_message("/seed", 1), control.address)
            deadline = time.monotonic() + LONG
            while not show.applied and time.monotonic() < deadline:
                time.sleep(0.005)
            surface.sendto(encode_message("/seed", 2), control.address)
            show.apply("/steps", [7], "web:1")
            while surface.recv(65_535) != encode_message("/steps", 7):
                pass
        finally:
            control.stop()
            serving.join(LONG)
            control.close()
    assert not serving.is_alive()
    assert show.values()["/seed"] == 1


def test_last_value_of_flood_arrives() -> None:
    show, control = RecordingShow(), OscControl(port=0)
    control.open(show)
    serving = threading.Thread(target=control.serve)
    serving.start()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as surface:
            for burst in range(50):
                for seed in range(20 * burst, 20 * burst + 20):
                    surface.sendto(encode_message("/seed", seed), control.address)
                time.sleep(0.002)
        deadline = time.monotonic() + LONG
        while show.values()["/seed"] != 999 and time.monotonic() < deadline:
            time.sleep(0.005)
    finally:
        control.stop()
        serving.join(LONG)
        control.close()
    seeds = [arguments[0] for _, arguments, _ in show.applied]
    assert seeds[-1] == 999
    assert seeds == sorted(seeds), "no older value comes after a newer one"
    counts = control.status()
    assert counts["messages"] == 1000
    assert counts["superseded"] == 1000 - len(seeds) > 0
