"""Faders pick up a value before they move it, on the store itself; faders that jump, and senders that always know."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.udp_client import SimpleUDPClient
from show import Show, until

from daemon.stage import takeover_show
from daemon.stage.parameter_store import ParameterStore
from daemon.stage.takeover_show import MOST_FADERS, NEAR, TakeoverShow
from presets.library import Library
from presets.parameter_table import PARAMETERS

OSC, OTHER, PAGE = "osc:10.0.0.5:9001", "osc:10.0.0.6:9001", "web:127.0.0.1"


class Rig:
    def __init__(self, folder: Path, takeover: str = "pickup") -> None:
        self.store = ParameterStore(Library(folder))
        self.show = TakeoverShow(self.store, self.store.value)
        self.store.apply("/takeover", [takeover], PAGE)

    def send(self, address: str, value: object, sender: str = OSC) -> str:
        reply = self.show.apply(address, [value], sender)
        assert reply.accepted
        return reply.note

    @property
    def strength(self) -> object:
        return self.store.value("/strength")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_recalled_look_does_not_jump(rig: Rig) -> None:
    rig.send("/strength", 0.5, PAGE)
    assert rig.send("/strength", 0.51) == "", "near enough"
    rig.send("/strength", 0.3)
    assert rig.strength == 0.3, "picked up, so any move is taken"
    rig.store.apply("/preset", ["neon"], PAGE)
    recalled = rig.strength
    assert recalled == 1.0
    assert "waits until the fader passes the present value, 1" in rig.send("/strength", 0.31)
    rig.send("/strength", 0.9)
    assert rig.strength == recalled
    rig.send("/strength", 0.99)
    rig.send("/strength", 0.2)
    assert rig.strength == 0.2


def test_fader_that_passes_picks_up(rig: Rig) -> None:
    rig.send("/strength", 0.5, PAGE)
    rig.send("/strength", 0.1)
    assert rig.strength == 0.5
    rig.send("/strength", 0.8)
    assert rig.strength == 0.8
    rig.send("/strength", 0.4, OTHER)
    assert rig.strength == 0.8, "a fader of another surface"
    rig.send("/strength", 0.6, PAGE)
    rig.send("/strength", 0.7)
    assert rig.strength == 0.6, "someone else moved it"
    rig.send("/strength", 0.5)
    assert rig.strength == 0.5


@pytest.mark.parametrize(("address", "sent"), [("/frame_buffer", 2.4), ("/frame_buffer/norm", 0.45)])
def test_whole_numbers_are_picked_up_at_their_step(rig: Rig, address: str, sent: float) -> None:
    rig.send("/frame_buffer", 2, PAGE)
    assert "waits" not in rig.send(address, sent), "it stands at 2"
    rig.send("/frame_buffer", 4)
    assert rig.store.value("/frame_buffer") == 4


@pytest.mark.parametrize(
    ("address", "arguments"),
    [("/strength", [[0.9]]), ("/strength", [0.9, 0.1]), ("/strength/norm", [[0.9]])],
)
def test_numbers_in_any_form_wait(rig: Rig, address: str, arguments: list[object]) -> None:
    rig.send("/strength", 0.5, PAGE)
    assert "waits" in rig.show.apply(address, arguments, OSC).note
    assert rig.strength == 0.5
    rig.send("/strength", 0.5)
    assert "waits" not in rig.show.apply(address, arguments, OSC).note
    assert rig.strength == 0.9


def test_jump_takes_all(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "jump")
    rig.send("/strength", 0.1)
    rig.send("/strength", 0.8, OTHER)
    assert rig.strength == 0.8


@pytest.mark.parametrize(
    ("address", "value"),
    [
        ("/seed", 77),
        ("/width", 512),
        ("/strength/add", -0.4),
        ("/mode", "text"),
        ("/freeze", True),
        ("/strength", "0,2"),
        ("/prompt", "rain"),
    ],
)
def test_buttons_and_texts_are_taken(rig: Rig, address: str, value: object) -> None:
    before = rig.store.values()
    rig.send(address, value)
    assert rig.store.values() != before


def test_norm_and_plain_are_one_fader(rig: Rig) -> None:
    rig.send("/zoom", 2.0, PAGE)
    rig.send("/zoom/norm", 0.0)
    assert rig.store.value("/zoom") == 2.0
    rig.send("/zoom", 2.02)
    assert rig.store.value("/zoom") == pytest.approx(2.02)
    rig.send("/zoom/norm", 1.0)
    assert rig.store.value("/zoom") == PARAMETERS["/zoom"].maximum


def test_whole_numbers_are_picked_up(rig: Rig) -> None:
    rig.send("/steps", 4, PAGE)
    rig.send("/steps", 9.6)
    assert rig.store.value("/steps") == 4
    rig.send("/steps", 2.2)
    assert rig.store.value("/steps") == 2
    rig.send("/steps", 30)
    assert rig.store.value("/steps") == 30


def test_surface_may_change_its_port(rig: Rig) -> None:
    rig.send("/strength", 0.89, "osc:10.0.0.5:50001")
    rig.send("/strength", 0.2, "osc:10.0.0.5:50002")
    assert rig.strength == 0.2


def test_nan_is_refused_as_always(rig: Rig) -> None:
    assert not rig.show.apply("/strength", [float("nan")], OSC).accepted
    assert not rig.show.apply("/strength", [], OSC).accepted


def test_memory_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_FADERS == 4096
    monkeypatch.setattr(takeover_show, "MOST_FADERS", 8)
    for host in range(100):
        rig.send("/strength", 0.1, f"osc:10.0.1.{host}:9001")
    assert len(rig.show._faders) == 8


@given(moves=st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=30))
def test_value_never_jumps(tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[bool, float]]) -> None:
    """A message moves the value by no more than the fader itself has moved, and the distance that counts as near."""
    rig = Rig(tmp_path_factory.getbasetemp())
    rig.store.apply("/strength", [0.5], PAGE)
    fader: float | None = None
    for is_recall, place in moves:
        before = float(str(rig.strength))
        if is_recall:
            rig.store.apply("/strength", [place], PAGE)
            continue
        rig.send("/strength", place)
        moved = abs(float(str(rig.strength)) - before)
        assert moved <= NEAR + (1e-9 if fader is None else abs(place - fader) + 1e-9)
        fader = place


def test_running_show_has_it(tmp_path: Path) -> None:
    with Show(tmp_path / "show") as show:
        show.set(takeover="pickup", strength=0.5)
        fader = SimpleUDPClient("127.0.0.1", show.osc_port)
        fader.send_message("/strength", 0.1)
        until(lambda: any(control.get("accepted") == 1 for control in show.status()["controls"]))
        assert show.ask({"do": "get"}, timeout=10_000)["values"]["/strength"] == 0.5  # type: ignore[index]
        fader.send_message("/strength", 0.7)
        until(lambda: show.ask({"do": "get"}, timeout=10_000)["values"]["/strength"] != 0.5)  # type: ignore[index]
