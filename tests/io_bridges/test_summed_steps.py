"""Steps of encoders in a flood: they are added up, to exactly the value that one after another reaches."""

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from osc_surface import LONG, Surface

from daemon.stage.parameter_store import ParameterStore
from io_bridges.osc.dispatcher import OscDispatcher
from io_bridges.osc.packets import encode_message
from io_bridges.osc.server import OscControl
from io_bridges.osc.surfaces import Surfaces, UdpAddress
from presets.library import Library

A, B = ("10.0.0.1", 50_001), ("10.0.0.2", 50_002)
START = {"/strength": 0.5, "/guidance": 2.0, "/steps": 7, "/seed": 1000, "/width": 256, "/pan_x": -0.25}
Step = tuple[bytes, UdpAddress]


class Encoder:
    """A store behind an `OscDispatcher`, with the values of `START`."""

    def __init__(self) -> None:
        self.store = ParameterStore(Library(Path("/no/such/folder")), START)
        self.dispatcher = OscDispatcher(
            self.store, Surfaces(self.store, lambda: None), lambda *_: None, 60.0, lambda _: False
        )

    def take(self, *steps: Step, one_by_one: bool = False) -> dict[str, object]:
        """Apply the datagrams as one drain of the socket, or each as a drain of its own. Return the values."""
        for datagram, sender in steps:
            self.dispatcher.receive(datagram, sender)
            if one_by_one:
                self.dispatcher.flush()
        self.dispatcher.flush()
        values = self.store.values()
        return {address: values[address] for address in START}


def step(address: str, number: float, sender: UdpAddress = A) -> Step:
    return encode_message(f"{address}/add", number), sender


def test_steps_are_one_change_with_an_exact_total() -> None:
    encoder = Encoder()
    before = encoder.store.wanted
    flood = [step("/strength", 2.0**-20) for _ in range(10_000)] + [step("/seed", 3) for _ in range(10_000)]
    values = encoder.take(*flood)
    assert (values["/strength"], values["/seed"]) == (0.5 + 10_000 * 2.0**-20, 31_000)
    assert encoder.store.wanted == before + 2
    counts = encoder.dispatcher.counts
    assert (counts["messages"], counts["accepted"], counts["superseded"]) == (20_000, 2, 19_998)


def test_each_sender_has_its_sum() -> None:
    encoder = Encoder()
    flood = [step("/seed", 2, A) if place % 3 else step("/seed", -1, B) for place in range(3000)]
    assert encoder.take(*flood)["/seed"] == 1000 + 2 * 2000 - 1000
    assert encoder.dispatcher.counts["superseded"] == 2998


def test_limits_hold_at_each_step() -> None:
    encoder = Encoder()
    beyond = [step("/strength", 0.375), step("/strength", 0.375), step("/strength", -0.25), step("/steps", -100)]
    values = encoder.take(*beyond, step("/steps", 3))
    assert (values["/strength"], values["/steps"]) == (0.75, 4), "1 is the least number of steps"
    most = encoder.store.parameters["/guidance"].maximum
    assert encoder.take(*[step("/guidance", 7.0)] * 3)["/guidance"] == most


SENT = st.one_of(
    st.tuples(
        st.sampled_from(["/strength", "/guidance", "/pan_x"]),
        st.sampled_from(["", "/add", "/add", "/add"]),
        st.integers(-96, 96).map(lambda number: number / 64),
    ),
    st.tuples(
        st.sampled_from(["/steps", "/seed", "/width"]),
        st.sampled_from(["", "/add", "/add", "/add"]),
        st.one_of(st.integers(-60, 60), st.integers(-20, 20).map(lambda number: number / 8)),
    ),
    st.tuples(st.sampled_from(["/strength", "/steps"]), st.just("/norm"), st.integers(0, 8).map(lambda n: n / 8)),
    st.tuples(st.just("/blackout"), st.just(""), st.just(1)),
    st.tuples(st.just("/strength"), st.just("/add"), st.sampled_from([float("nan"), float("inf")])),
)


@pytest.fixture(scope="module")
def encoders() -> tuple[Encoder, Encoder]:
    return Encoder(), Encoder()


@given(sent=st.lists(SENT, max_size=30))
def test_a_sum_equals_one_after_another(encoders: tuple[Encoder, Encoder], sent: list[tuple[str, str, float]]) -> None:
    summed, one_by_one = encoders
    for encoder in encoders:
        encoder.store.change(START, "test", "/preset")
    drawn = ("/seed", "", -1)  # a random seed
    datagrams = [(encode_message(f"{each[0]}{each[1]}", each[2]), A) for each in sent if each != drawn]
    assert summed.take(*datagrams) == one_by_one.take(*datagrams, one_by_one=True)


def test_flood_over_the_socket_loses_nothing() -> None:
    store, control = ParameterStore(Library(Path("/no/such/folder")), START), OscControl(port=0)
    control.open(store)
    serving = threading.Thread(target=control.serve)
    serving.start()
    try:
        surface, datagram = Surface(control), step("/strength", 2.0**-16)[0]
        for _ in range(100):
            for _ in range(50):
                surface.send_raw(datagram)
            time.sleep(0.005)  # 10,000 a second
        deadline = time.monotonic() + LONG
        while control.status()["messages"] != 5000 and time.monotonic() < deadline:
            time.sleep(0.005)
    finally:
        control.stop()
        serving.join(LONG)
        control.close()
    assert store.values()["/strength"] == 0.5 + 5000 * 2.0**-16
    assert store.wanted < 1000, "changes of the show"
