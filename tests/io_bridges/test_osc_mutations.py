"""Mutated datagrams: thousands of damaged messages and bundles reach a real store, and nothing breaks or grows.

``STREAMFLOW_LIVE_MUTATIONS=100000`` tries more of them.
"""

import os
import random
import struct
from pathlib import Path

import pytest
from pythonosc.osc_message_builder import build_msg

from daemon.stage.parameter_store import ParameterStore
from io_bridges.osc.dispatcher import OscDispatcher
from io_bridges.osc.monitor import LENGTH, OscMonitor
from io_bridges.osc.packets import encode_message
from io_bridges.osc.sender_notes import MOST_TOLD
from io_bridges.osc.surfaces import MAX_SUBSCRIBERS, Surfaces, UdpAddress
from presets.address_aliases import read_alias_tables
from presets.library import Library
from presets.parameter_table import Value

COUNT = int(os.environ.get("STREAMFLOW_LIVE_MUTATIONS", "5000"))
LEASE = 600.0
OWN = ("127.0.0.1", 9000)


def bundle(*elements: bytes) -> bytes:
    return b"#bundle\0" + struct.pack(">Q", 1) + b"".join(struct.pack(">i", len(each)) + each for each in elements)


PLAIN = [
    build_msg("/strength", 0.5).dgram,
    build_msg("/steps", 3).dgram,
    build_msg("/zoom/norm", 0.5).dgram,
    build_msg("/seed/add", 1).dgram,
    build_msg("/prompt", "golden rings").dgram,
    build_msg("/prompt", ["rain", 0.7, "snow", 0.3]).dgram,
    build_msg("/prompt/2/text", "köln").dgram,
    build_msg("/prompt/*/weight", 0.25).dgram,
    build_msg("/{width,height}", 256).dgram,
    build_msg("/strength", "?").dgram,
    build_msg("/preset", "fire").dgram,
    build_msg("/fit", [[True, None, b"\x01\x02", ["stretch", [2.0]]]]).dgram,
    build_msg("/subscribe", [9001, "norm"]).dgram,
    build_msg("/unsubscribe", 9001).dgram,
    build_msg("/ping", 5).dgram,
    build_msg("/prompt_list", '[["rain", 0.7], ["snow", 0.3]]').dgram,
    build_msg("/panic", []).dgram,
    b"/strength\0\0\0" + struct.pack(">f", 0.5),
]
SEEDS = [*PLAIN, bundle(*PLAIN[:4]), bundle(PLAIN[0], bundle(PLAIN[4], PLAIN[1])), bundle(bundle(bundle(PLAIN[2])))]
SPLICES = (
    b"",
    b"\0",
    b",",
    b"[",
    b"]",
    b"#bundle\0",
    b"\xff\xff\xff\xfc",
    b"\x7f\xff\xff\xff",
    b"\x7f\xc0\0\0",
    b"*" * 9,
)


def mutated(chance: random.Random) -> bytes:
    """Return a good datagram with one to four faults: changed, missing, doubled and inserted bytes."""
    data = bytearray(chance.choice(SEEDS))
    # Most faults come after the address: an unknown address is refused long before its arguments are looked at.
    first = data.find(b"," if data[:1] == b"/" else b"/", 1)
    for _ in range(chance.randint(1, 4)):
        start = 0 if chance.random() < 0.1 else max(first, 0)
        at = chance.randint(min(start, len(data)), len(data))
        kind = chance.randrange(5)
        if kind == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif kind == 1:
            del data[at : at + chance.randint(1, 6)]
        elif kind == 2:
            data[at:at] = chance.choice(SPLICES)
        elif kind == 3:
            data[at:at] = data[: chance.randint(1, 40)]
        else:
            del data[at:]
    return bytes(data)


@pytest.fixture
def store(tmp_path: Path) -> ParameterStore:
    return ParameterStore(Library(tmp_path))


def test_mutated_datagrams(store: ParameterStore) -> None:
    chance = random.Random(20261128)
    sent: list[int] = []

    def send(address: str, values: object, target: UdpAddress) -> None:
        assert isinstance(values, list | tuple)
        sent.append(len(encode_message(address, *values)))

    surfaces, monitor = Surfaces(store, lambda: None), OscMonitor()
    tables = read_alias_tables(["streamdiffusiontd", "scope", "resolume"])
    dispatcher = OscDispatcher(store, surfaces, send, LEASE, lambda to: to == OWN, monitor=monitor, aliases=tables)
    before = 0
    for number in range(COUNT):
        sender = ("127.0.0.1", 20_000 + number % 300)
        dispatcher.receive(mutated(chance), sender)
        if number % 50 == 0:
            wanted = number % 100 / 100
            dispatcher.receive(bundle(b"junk", encode_message("/brightness", wanted)), sender)
            assert store.values()["/brightness"] == pytest.approx(wanted), "a good fader is taken at any time"
            feedback = [target.take(store.values, store.parameters) for target in surfaces.targets()]
            assert max(map(len, feedback), default=0) < 2 * len(store.parameters)
            for address, value in (pair for each in feedback for pair in each):
                encode_message(address, value)
            assert dispatcher.counts["malformed"] > before
            before = dispatcher.counts["malformed"]
    dispatcher.flush()
    dispatcher.answer_late()
    counts = dispatcher.counts
    assert counts["accepted"] > COUNT // 20
    assert counts["malformed"] > COUNT // 10
    assert counts["refused"] >= counts["malformed"] // 2
    assert len(surfaces) <= MAX_SUBSCRIBERS
    assert len(dispatcher._notes._told) <= MOST_TOLD
    assert len(monitor.messages()) == LENGTH
    assert_values_fit(store.values(), store)
    assert max(sent) < 70_000


def assert_values_fit(values: dict[str, Value], store: ParameterStore) -> None:
    for address, value in values.items():
        parameter = store.parameters[address]
        if address != "/preset":
            assert parameter.coerce(value) == value, address
